// SPDX-License-Identifier: GPL-2.0

//! Reading entries, one after the other, in every way that is possible at a time.

use super::{
    super::{
        bits::{
            Ends,
            Facts, //
        },
        fact::{
            Fact,
            Slot, //
        },
        index::{
            hash,
            Index, //
        },
        stop::{
            Go,
            Stop, //
        },
    },
    End,
    Hardware, //
};
use crate::mock::hw::model::{
    Fetch,
    Next,
    Translation,
    Words,
    DEPTH, //
};
use kernel::prelude::*;

/// How a lookup ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Way {
    /// The access is aborted; why.
    Abort(&'static str),
    /// It is passed through.
    Bypass,
    /// It is translated.
    Translate(Translation),
    /// An entry was to be read where there is no table of entries.
    Wild,
}

/// Lookups that are gone through for one state.
const LOOKUPS: usize = 1 << 16;

/// A lookup under way.
#[derive(Clone, Copy)]
pub(in super::super) struct Lookup {
    /// Entries read so far.
    read: [Words; DEPTH],
    /// By their numbers.
    slots: [usize; DEPTH],
    depth: usize,
}

impl Lookup {
    const START: Self = Self {
        read: [[0; 8]; DEPTH],
        slots: [0; DEPTH],
        depth: 0,
    };

    /// Entries that were read: number and words.
    pub(in super::super) fn entries(&self) -> impl Iterator<Item = (usize, &Words)> {
        let pairs = self.slots.iter().copied().zip(&self.read);
        pairs.take(self.depth)
    }

    fn read(&self) -> &[Words] {
        self.read.get(..self.depth).unwrap_or(&[])
    }

    fn with(&self, slot: usize, words: Words) -> Option<Self> {
        let mut longer = *self;
        *longer.read.get_mut(self.depth)? = words;
        *longer.slots.get_mut(self.depth)? = slot;
        longer.depth += 1;
        Some(longer)
    }
}

struct Found {
    memory: u32,
    from: Facts,
    facts: Facts,
    ends: Ends,
}

/// Lookups that were gone through before.
pub(super) struct Memo {
    found: KVVec<Found>,
    index: Index,
}

impl Memo {
    pub(super) fn new() -> Self {
        Self {
            found: KVVec::new(),
            index: Index::new(),
        }
    }
}

impl Hardware<'_> {
    /// Goes through all lookups that can be done with what hardware may have read of entries and
    /// what it can read now.
    pub(super) fn look_up(&mut self, memory: u32, from: &Facts) -> Go<(Facts, Ends)> {
        let key = hash(&[u64::from(memory)], from.words());
        let found = &self.lookups.found;
        let same = |n: u32| {
            let found = found.get(n as usize);
            found.is_some_and(|f| f.memory == memory && f.from == *from)
        };
        if let Some(n) = self.lookups.index.find(key, same) {
            if let Some(found) = found.get(n as usize) {
                return Ok((found.facts, found.ends));
            }
        }
        let (mut facts, mut ends) = (*from, Ends::EMPTY);
        for watch in 0..self.case.watches.len() {
            self.each_end(watch, memory, &mut facts, &mut |_, number| {
                ends.add(number);
                true
            })?;
        }
        let new = Found {
            memory,
            from: *from,
            facts,
            ends,
        };
        let number = self.lookups.found.len() as u32;
        self.lookups.found.push(new, GFP_KERNEL)?;
        self.lookups.index.add(key, number)?;
        Ok((facts, ends))
    }

    /// Calls `visit` with every lookup that comes to an end and with the number of the end, until
    /// it says that it has seen enough.
    pub(in super::super) fn each_end(
        &mut self,
        watch: usize,
        memory: u32,
        facts: &mut Facts,
        visit: &mut dyn FnMut(&Lookup, usize) -> bool,
    ) -> Go {
        let Some(from) = self.requester(watch) else {
            return Ok(());
        };
        let mut work = KVec::new();
        work.push(Lookup::START, GFP_KERNEL)?;
        let mut left = LOOKUPS;
        while let Some(lookup) = work.pop() {
            left = match left.checked_sub(1) {
                Some(left) => left,
                None => return Err(Stop::Full("more lookups of a state than are supported")),
            };
            let way = match self.case.model.next(from, lookup.read()) {
                Next::Abort(why) => Way::Abort(why),
                Next::Bypass => Way::Bypass,
                Next::Translate(by) => Way::Translate(by),
                Next::Fetch(_) if lookup.depth >= DEPTH => Way::Abort("too deep"),
                Next::Fetch(fetch) => {
                    let (slot, now) = self.fetch(watch, fetch, memory, facts)?;
                    let mut none = true;
                    if let Some(slot_of) = self.known.slots.get(slot) {
                        let lines = self.lines(slot_of, facts)?;
                        for words in Iterator::chain(lines.iter(), &now) {
                            if let Some(longer) = lookup.with(slot, *words) {
                                work.push(longer, GFP_KERNEL)?;
                                none = false;
                            }
                        }
                    }
                    match none {
                        true => Way::Wild,
                        false => continue,
                    }
                }
            };
            let ats = way != Way::Wild && self.case.model.ats(from, lookup.read());
            let number = self.end(End { watch, way, ats })?;
            if !visit(&lookup, number) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Lets hardware read an entry as it is now, and returns the number of the entry, with what it
    /// can read but not keep.
    fn fetch(
        &mut self,
        watch: usize,
        fetch: Fetch,
        memory: u32,
        facts: &mut Facts,
    ) -> Go<(usize, Option<Words>)> {
        let (contents, case) = (&mut self.contents, self.case);
        let in_order = case.model.in_order(&fetch);
        let number = self.known.slot(watch, fetch, in_order, || {
            Self::contents_of(contents, case, &fetch)
        })?;
        let Some(words) = self.contents.entry(self.case, memory, &fetch) else {
            return Ok((number, None));
        };
        let Some(slot) = self.known.slots.get(number) else {
            return Ok((number, None));
        };
        if slot.in_order {
            let now = self.fetch_in_order(number, &words, facts)?;
            return Ok((number, now));
        }
        let count = slot.count();
        if !fetch.cached && count == 1 {
            // It is read anew for each access, in one go.
            *facts = facts.minus(&slot.all());
        }
        for unit in 0..count {
            let Some(slot) = self.known.slots.get(number) else {
                break;
            };
            let fact = Fact::Unit {
                slot: number,
                unit: unit as u8,
                words: slot.part(&words, unit),
            };
            facts.add(self.known.number(fact)?);
        }
        Ok((number, None))
    }

    /// The same, where units are read in order.
    fn fetch_in_order(
        &mut self,
        number: usize,
        words: &Words,
        facts: &mut Facts,
    ) -> Go<Option<Words>> {
        let mut now = None;
        let mut begun = KVec::new();
        begun.push(Words::default(), GFP_KERNEL)?;
        let count = self.known.slots.get(number).map_or(0, Slot::count);
        for unit in 0..count {
            let Some(slot) = self.known.slots.get(number) else {
                break;
            };
            let part = slot.part(words, unit);
            let fetch = slot.fetch;
            let mut longer = KVec::new();
            for read in &begun {
                let mut words = *read;
                for (to, from) in words.iter_mut().zip(&part) {
                    *to |= *from;
                }
                if !self.case.model.keeps(&fetch, &words) {
                    continue;
                }
                let fact = match unit + 1 == count {
                    true => Fact::Line {
                        slot: number,
                        words,
                    },
                    false => Fact::Unit {
                        slot: number,
                        unit: unit as u8,
                        words,
                    },
                };
                facts.add(self.known.number(fact)?);
                longer.push(words, GFP_KERNEL)?;
            }
            if unit == 0 && longer.is_empty() {
                // Whoever reads now knows enough.
                now = Some(*words);
            }
            // What was begun before goes on, too.
            if let Some(slot) = self.known.slots.get(number) {
                let set = slot.units.get(unit).copied().unwrap_or(Facts::EMPTY);
                for (_, fact) in self.known.of(&facts.and(&set)) {
                    if let Fact::Unit { words, .. } = fact {
                        if !longer.contains(words) {
                            longer.push(*words, GFP_KERNEL)?;
                        }
                    }
                }
            }
            begun = longer;
        }
        Ok(now)
    }
}
