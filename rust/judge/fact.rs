// SPDX-License-Identifier: GPL-2.0

//! What hardware may have got hold of.

use super::{
    bits::Facts,
    index::{
        hash,
        Index, //
    },
    stop::{
        Go,
        Stop, //
    },
};
use crate::mock::hw::model::{
    Fetch,
    Tag,
    Words,
    WORDS, //
};
use kernel::prelude::*;

/// One thing that hardware may have got hold of, each for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// It has read one unit of an entry, and those before it where it reads them in order. Words of
    /// other units are 0.
    Unit { slot: usize, unit: u8, words: Words },
    /// It has read a whole entry in order, or kept it over a command that made it forget others.
    Line { slot: usize, words: Words },
    /// A line of the IOTLB.
    Translation { tag: Tag, probe: u8, to: u64 },
    /// It knows tables of a group on the way to a probe.
    Tables { tag: Tag, probe: u8, group: u8 },
    /// A requester, by position in the case, keeps where a probe goes to itself.
    Kept { watch: usize, probe: u8, to: u64 },
}

/// An entry that one requester's accesses read.
pub(super) struct Slot {
    /// Whose accesses, by position in the case.
    pub(super) watch: usize,
    /// The entry.
    pub(super) fetch: Fetch,
    /// Its units are read in order.
    pub(super) in_order: bool,
    /// Facts about each unit.
    pub(super) units: [Facts; WORDS],
    /// Facts about whole lines.
    pub(super) lines: Facts,
    /// What the entry becomes in the order in which the transition is written.
    pub(super) contents: KVec<Words>,
}

impl Slot {
    /// How many units it is read in.
    pub(super) fn count(&self) -> usize {
        let unit = self.fetch.unit.max(1);
        self.fetch.words.div_ceil(unit) as usize
    }

    /// The words of one unit, the others 0.
    pub(super) fn part(&self, words: &Words, unit: usize) -> Words {
        let size = self.fetch.unit.max(1) as usize;
        let mut part = Words::default();
        let pairs = part.iter_mut().zip(words);
        for (to, from) in pairs.skip(unit.saturating_mul(size)).take(size) {
            *to = *from;
        }
        part
    }

    /// All facts about it.
    pub(super) fn all(&self) -> Facts {
        self.units.iter().fold(self.lines, |all, unit| all.or(unit))
    }
}

/// All facts and entries that came up in a case, by number.
pub(super) struct Known {
    facts: KVec<Fact>,
    index: Index,
    /// Entries.
    pub(super) slots: KVec<Slot>,
    /// Facts about entries.
    pub(super) entries: Facts,
}

impl Known {
    pub(super) fn new() -> Self {
        Self {
            facts: KVec::new(),
            index: Index::new(),
            slots: KVec::new(),
            entries: Facts::EMPTY,
        }
    }

    /// How many facts came up.
    pub(super) fn count(&self) -> usize {
        self.facts.len()
    }

    /// The fact of a number.
    pub(super) fn get(&self, number: usize) -> Option<&Fact> {
        self.facts.get(number)
    }

    /// Whether a fact is about a part of an entry that never changes.
    pub(super) fn is_fixed(&self, number: usize) -> bool {
        let (slot, unit) = match self.facts.get(number) {
            Some(Fact::Unit { slot, unit, .. }) => (*slot, Some(usize::from(*unit))),
            Some(Fact::Line { slot, .. }) => (*slot, None),
            _ => return false,
        };
        let Some(slot) = self.slots.get(slot) else {
            return false;
        };
        match unit.filter(|_| !slot.in_order) {
            Some(unit) => slot.units.get(unit).is_some_and(|set| set.count() == 1),
            None => slot.contents.len() == 1,
        }
    }

    /// Facts of a set.
    pub(super) fn of<'a>(&'a self, set: &Facts) -> impl Iterator<Item = (usize, &'a Fact)> {
        set.iter().filter_map(|n| Some((n, self.facts.get(n)?)))
    }

    /// The number of a fact.
    pub(super) fn number(&mut self, fact: Fact) -> Go<usize> {
        let hash = fact.hash();
        let same = |n: u32| self.facts.get(n as usize) == Some(&fact);
        if let Some(number) = self.index.find(hash, same) {
            return Ok(number as usize);
        }
        let number = self.facts.len();
        if number >= Facts::ROOM {
            return Err(Stop::Full("more facts than are supported"));
        }
        self.facts.push(fact, GFP_KERNEL)?;
        self.index.add(hash, number as u32)?;
        match fact {
            Fact::Unit { slot, unit, .. } => {
                self.entries.add(number);
                let units = self.slots.get_mut(slot).map(|slot| &mut slot.units);
                if let Some(set) = units.and_then(|units| units.get_mut(usize::from(unit))) {
                    set.add(number);
                }
            }
            Fact::Line { slot, .. } => {
                self.entries.add(number);
                if let Some(slot) = self.slots.get_mut(slot) {
                    slot.lines.add(number);
                }
            }
            Fact::Translation { .. } | Fact::Tables { .. } | Fact::Kept { .. } => (),
        }
        Ok(number)
    }

    /// The number of an entry that a requester reads; `contents` are asked for when it is new.
    pub(super) fn slot(
        &mut self,
        watch: usize,
        fetch: Fetch,
        in_order: bool,
        contents: impl FnOnce() -> Go<KVec<Words>>,
    ) -> Go<usize> {
        let mut slots = self.slots.iter();
        if let Some(slot) = slots.position(|s| s.watch == watch && s.fetch == fetch) {
            return Ok(slot);
        }
        let slot = Slot {
            watch,
            fetch,
            in_order,
            units: [Facts::EMPTY; WORDS],
            lines: Facts::EMPTY,
            contents: contents()?,
        };
        self.slots.push(slot, GFP_KERNEL)?;
        Ok(self.slots.len() - 1)
    }
}

impl Fact {
    fn hash(&self) -> u64 {
        match self {
            Self::Unit { slot, unit, words } => hash(&[1, *slot as u64, u64::from(*unit)], words),
            Self::Line { slot, words } => hash(&[2, *slot as u64], words),
            Self::Translation { tag, probe, to } => hash(&[3, tag.0, u64::from(*probe), *to], &[]),
            Self::Tables { tag, probe, group } => {
                hash(&[4, tag.0], &[u64::from(*probe), u64::from(*group)])
            }
            Self::Kept { watch, probe, to } => hash(&[5, *watch as u64], &[u64::from(*probe), *to]),
        }
    }
}
