// SPDX-License-Identifier: GPL-2.0

//! What hardware may get hold of, from where, and what makes it forget.

mod lookup;
mod walk;

pub(super) use self::{
    lookup::Way,
    walk::CUT, //
};

use self::walk::Walk;

use super::{
    bits::{
        Ends,
        Facts, //
    },
    case::Case,
    fact::{
        Fact,
        Known,
        Slot, //
    },
    index::hash,
    memory::Contents,
    stop::{
        Go,
        Stop, //
    },
};
use crate::mock::hw::{
    model::{
        Call,
        Command,
        Fetch,
        Requester,
        Stage,
        Words, //
    },
    step::Step, //
};
use kernel::prelude::*;

/// Lines of one entry that can be put together at a time.
const LINES: usize = 4096;

/// How a lookup ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Whose access, by position in the case.
    pub(super) watch: usize,
    /// How.
    pub(super) way: Way,
    /// The requester may have translations of its own by the entries that were read.
    pub(super) ats: bool,
}

/// What a command makes hardware forget.
struct Order {
    command: Command,
    /// Facts that it was asked about, and those of them that it drops.
    asked: usize,
    drops: Facts,
    /// Entries whose reading it aborts, as far as that was asked.
    covers: KVec<bool>,
}

/// See the module. What it found out once it remembers, for all states of a case.
pub(super) struct Hardware<'a> {
    pub(super) case: &'a Case<'a>,
    pub(super) known: Known,
    pub(super) contents: Contents,
    ends: KVec<End>,
    orders: KVec<Order>,
    lookups: lookup::Memo,
    walks: KVec<KVec<Option<Walk>>>,
}

impl<'a> Hardware<'a> {
    pub(super) fn new(case: &'a Case<'a>) -> Go<Self> {
        Ok(Self {
            case,
            known: Known::new(),
            contents: Contents::new(case)?,
            ends: KVec::new(),
            orders: KVec::new(),
            lookups: lookup::Memo::new(),
            walks: KVec::new(),
        })
    }

    /// The name that a watched access arrives under.
    pub(super) fn requester(&self, watch: usize) -> Option<Requester> {
        Some(self.case.watches.get(watch)?.requester)
    }

    /// Ends of a set.
    pub(super) fn ends(&self, set: &Ends) -> impl Iterator<Item = (usize, End)> + '_ {
        set.iter()
            .filter_map(|n| Some((n, self.ends.get(n).copied()?)))
    }

    /// The end of that number.
    pub(super) fn end_of(&self, number: usize) -> Option<End> {
        self.ends.get(number).copied()
    }

    /// A number for each way in which lookups were seen to end and for each line of the IOTLB that
    /// came up, in ascending order.
    pub(super) fn ways(&self) -> Result<KVec<u64>> {
        let mut ways = KVec::new();
        for End { watch, way, ats } in &self.ends {
            let watch = *watch as u64;
            ways.push(hash(&[watch, number_of(way)], &[]), GFP_KERNEL)?;
            if *ats {
                // Whoever may use what it keeps, which has numbers of its own, need not.
                ways.push(hash(&[7, watch], &[]), GFP_KERNEL)?;
            }
        }
        for number in 0..self.known.count() {
            match self.known.get(number) {
                Some(Fact::Translation { tag, probe, to }) => {
                    let line = hash(&[5, tag.0, u64::from(*probe), *to], &[]);
                    ways.push(line, GFP_KERNEL)?;
                }
                Some(Fact::Kept { watch, probe, to }) => {
                    let line = hash(&[6, *watch as u64, u64::from(*probe), *to], &[]);
                    ways.push(line, GFP_KERNEL)?;
                }
                _ => (),
            }
        }
        ways.sort_unstable();
        Ok(ways)
    }

    fn end(&mut self, end: End) -> Go<usize> {
        if let Some(number) = self.ends.iter().position(|e| *e == end) {
            return Ok(number);
        }
        if self.ends.len() >= Ends::ROOM {
            return Err(Stop::Full("more ends of lookups than are supported"));
        }
        self.ends.push(end, GFP_KERNEL)?;
        Ok(self.ends.len() - 1)
    }

    /// Adds everything that hardware can get hold of now, and says how lookups can end.
    pub(super) fn saturate(
        &mut self,
        memory: u32,
        changed: usize,
        facts: &Facts,
    ) -> Go<(Facts, Ends)> {
        let (entries, ends) = self.look_up(memory, &facts.and(&self.known.entries))?;
        let mut all = facts.minus(&self.known.entries).or(&entries);
        for number in ends.iter() {
            if let Some(walk) = self.walk(number, changed)? {
                all = all.or(&walk.facts);
            }
        }
        let mut kept = Facts::EMPTY;
        for number in ends.iter() {
            kept = kept.or(&self.answers(number, &all)?);
        }
        Ok((all.or(&kept), ends))
    }

    /// What a requester can get to keep by a lookup with the end of that number: it is answered by
    /// the IOTLB, in which there may be what a walk has found now, or what was found before.
    fn answers(&mut self, end: usize, facts: &Facts) -> Go<Facts> {
        let mut kept = Facts::EMPTY;
        let Some(&End { watch, way, .. }) = self.ends.get(end).filter(|end| end.ats) else {
            return Ok(kept);
        };
        let mut answers = KVec::new();
        match way {
            Way::Translate(by) => {
                for (_, fact) in self.known.of(facts) {
                    match *fact {
                        Fact::Translation { tag, probe, to } if tag == by.tag => {
                            answers.push((probe, to), GFP_KERNEL)?;
                        }
                        _ => (),
                    }
                }
            }
            Way::Bypass => {
                for (probe, iova) in (0..).zip(self.case.probes) {
                    answers.push((probe, iova), GFP_KERNEL)?;
                }
            }
            Way::Abort(_) | Way::Wild => (),
        }
        for (probe, to) in answers {
            kept.add(self.known.number(Fact::Kept { watch, probe, to })?);
        }
        Ok(kept)
    }

    /// All whole lines of an entry that can be put together of facts.
    pub(super) fn lines(&self, slot: &Slot, facts: &Facts) -> Go<KVec<Words>> {
        let mut lines = KVec::new();
        if !slot.in_order {
            lines.push(Words::default(), GFP_KERNEL)?;
        }
        for unit in slot.units.iter().take(slot.count()) {
            let mut longer = KVec::new();
            for (_, fact) in self.known.of(&facts.and(unit)) {
                let Fact::Unit { words, .. } = fact else {
                    continue;
                };
                for line in &lines {
                    if longer.len() >= LINES {
                        return Err(Stop::Full("more lines of an entry than are supported"));
                    }
                    let mut line = *line;
                    for (to, from) in line.iter_mut().zip(words) {
                        *to |= *from;
                    }
                    longer.push(line, GFP_KERNEL)?;
                }
            }
            lines = longer;
        }
        for (_, fact) in self.known.of(&facts.and(&slot.lines)) {
            if let Fact::Line { words, .. } = fact {
                if !lines.contains(words) {
                    lines.push(*words, GFP_KERNEL)?;
                }
            }
        }
        Ok(lines)
    }

    /// What is left when a command is carried out.
    pub(super) fn execute(&mut self, command: Command, facts: &Facts) -> Go<Facts> {
        let order = self.order(command)?;
        let mut left = *facts;
        if let Some(order) = self.orders.get(order) {
            left = left.minus(&order.drops);
        }
        for number in 0..self.known.slots.len() {
            let Some(slot) = self.known.slots.get(number) else {
                break;
            };
            let held = slot.all().and(&left).minus(&slot.lines);
            if held.is_empty() {
                continue;
            }
            let Some(from) = self.requester(slot.watch) else {
                continue;
            };
            let fetch = slot.fetch;
            let lines = self.lines(slot, &held)?;
            let drops = |w: &Words| self.case.model.drops_entry(command, from, &fetch, w);
            let covers = self.orders.get(order).and_then(|o| o.covers.get(number));
            let covers = covers.copied().unwrap_or(false);
            if !covers && !lines.iter().any(drops) {
                continue;
            }
            left = left.minus(&held);
            for words in &lines {
                if !self.case.model.drops_entry(command, from, &fetch, words) {
                    let words = *words;
                    left.add(self.known.number(Fact::Line {
                        slot: number,
                        words,
                    })?);
                }
            }
        }
        Ok(left)
    }

    /// Finds out what a command drops of the facts known now.
    fn order(&mut self, command: Command) -> Go<usize> {
        let found = self.orders.iter().position(|o| o.command == command);
        let number = match found {
            Some(number) => number,
            None => {
                let order = Order {
                    command,
                    asked: 0,
                    drops: Facts::EMPTY,
                    covers: KVec::new(),
                };
                self.orders.push(order, GFP_KERNEL)?;
                self.orders.len() - 1
            }
        };
        let Some(order) = self.orders.get_mut(number) else {
            return Ok(number);
        };
        let (model, watches) = (self.case.model, self.case.watches);
        let from = |slot: &Slot| watches.get(slot.watch).map(|w| w.requester);
        while order.asked < self.known.count() {
            let drops = match self.known.get(order.asked) {
                Some(Fact::Line { slot, words }) => {
                    self.known.slots.get(*slot).is_some_and(|slot| {
                        from(slot)
                            .is_some_and(|r| model.drops_entry(command, r, &slot.fetch, words))
                    })
                }
                Some(Fact::Translation { tag, probe, .. }) => {
                    let iova = self.case.probes.get(usize::from(*probe)).copied();
                    iova.is_some_and(|iova| model.drops_translation(command, *tag, iova))
                }
                Some(Fact::Tables { tag, probe, .. }) => {
                    let iova = self.case.probes.get(usize::from(*probe)).copied();
                    iova.is_some_and(|iova| model.drops_tables(command, *tag, iova))
                }
                Some(Fact::Kept { watch, probe, .. }) => {
                    let iova = self.case.probes.get(usize::from(*probe)).copied();
                    let from = watches.get(*watch).map(|w| w.requester);
                    let both = from.zip(iova);
                    both.is_some_and(|(from, iova)| model.drops_kept(command, from, iova))
                }
                // By whole lines, when it is carried out.
                Some(Fact::Unit { .. }) | None => false,
            };
            if drops {
                order.drops.add(order.asked);
            }
            order.asked += 1;
        }
        while let Some(slot) = self.known.slots.get(order.covers.len()) {
            let covers = from(slot).is_some_and(|r| {
                let drops = |w: &Words| model.drops_entry(command, r, &slot.fetch, w);
                slot.contents.iter().any(drops)
            });
            order.covers.push(covers, GFP_KERNEL)?;
        }
        Ok(number)
    }

    /// What is left when firmware makes hardware forget a function.
    pub(super) fn forget(&self, call: Call, facts: &Facts) -> Facts {
        let about = |watch: usize| self.requester(watch).is_some_and(|r| r.id == call.id);
        let mut left = *facts;
        for (number, fact) in self.known.of(facts) {
            let gone = match fact {
                Fact::Unit { slot, .. } | Fact::Line { slot, .. } => {
                    let slot = self.known.slots.get(*slot);
                    slot.is_some_and(|slot| about(slot.watch))
                }
                Fact::Kept { watch, .. } => about(*watch),
                Fact::Translation { tag, .. } | Fact::Tables { tag, .. } => {
                    // Nobody shares the tag of a function.
                    self.ends.iter().any(|end| {
                        let by = matches!(end.way, Way::Translate(by) if by.tag == *tag);
                        by && about(end.watch)
                    })
                }
            };
            if gone {
                left.remove(number);
            }
        }
        left
    }

    /// What an entry becomes in the order in which the transition is written.
    fn contents_of(contents: &mut Contents, case: &Case<'_>, fetch: &Fetch) -> Go<KVec<Words>> {
        let mut all = KVec::new();
        let mut memory = 0;
        for n in 0..=case.transition.len() {
            if let Some(words) = contents.entry(case, memory, fetch) {
                if !all.contains(&words) {
                    all.push(words, GFP_KERNEL)?;
                }
            }
            memory = match case.transition.get(n) {
                Some(Step::Store(store)) => contents.store(memory, store)?,
                Some(Step::Call(call, answer)) => contents.call(case, memory, *call, *answer)?.0,
                _ => memory,
            };
        }
        Ok(all)
    }
}

/// A number for how a lookup ends.
fn number_of(way: &Way) -> u64 {
    match way {
        Way::Translate(by) => {
            let stage = |s: &Stage| hash(&[s.root, s.levels.into(), s.format.into()], &[]);
            let second = by.second.as_ref().map_or(0, stage);
            hash(&[4, by.tag.0, stage(&by.first), second], &[])
        }
        Way::Bypass => 3,
        Way::Wild => 2,
        // Whatever the reason.
        Way::Abort(_) => 1,
    }
}
