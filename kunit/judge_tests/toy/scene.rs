// SPDX-License-Identifier: GPL-2.0

//! Spaces, entries and requesters of the toy, and steps on them.

use super::{
    Toy,
    ATS,
    PROBED,
    TRANSLATE, //
};
use crate::{
    judge::{
        Case,
        Edit,
        Goal,
        Side,
        Space,
        Watch, //
    },
    mock::hw::{
        frozen::{
            Change,
            Frozen, //
        },
        memory::EntryMemory,
        model::{
            Requester,
            Tag,
            WORDS, //
        },
        step::{
            Note,
            Step,
            Store, //
        },
    },
};
use kernel::prelude::*;

/// The toy with three spaces, numbered 1 to 3, and two requesters.
pub(crate) struct Scene {
    pub(crate) model: Toy,
    pub(crate) entries: EntryMemory,
    pub(crate) spaces: KVec<Space>,
    pub(crate) owners: KVec<(Tag, u64)>,
    pub(crate) listed: KVec<u64>,
    pub(crate) watches: KVec<Watch>,
    /// What the driver does.
    pub(crate) steps: KVec<Step>,
    pub(crate) writer: KVec<Step>,
    pub(crate) changes: KVec<Change>,
    pub(crate) flush: KVec<Step>,
    pub(crate) freed: KVec<u64>,
    pub(crate) edit: Option<u64>,
    pub(crate) goal: Goal,
    pub(crate) abort_is_error: bool,
}

/// Address of a table of a space.
pub(crate) fn table(space: u64, number: u64) -> u64 {
    (1 << 45) + (space << 20) + (number << 16)
}

/// Where a space sends a probe.
pub(crate) fn page(space: u64, probe: u64) -> u64 {
    (space << 24) + (probe << 12)
}

/// First word of an entry that translates by a space.
pub(crate) fn root(space: u64) -> u64 {
    table(space, 0) | TRANSLATE
}

fn space(number: u64, alike: bool) -> Result<Space> {
    let mut tables = Frozen::new();
    let to = |probe| page(if alike { 1 } else { number }, probe);
    tables.add(table(number, 0), 512, |n| match n {
        0x80 => table(number, 1) | 1,
        _ => 0,
    })?;
    tables.add(table(number, 1), 512, |n| match n {
        0 | 1 => to(u64::from(n)) | 1,
        _ => 0,
    })?;
    Ok(Space {
        number,
        tables,
        maps: [Some(to(0)), Some(to(1))],
    })
}

impl Scene {
    /// Requester 0 is to move from space 1, tag 1, to space 2, tag 2. `unit` words are read in one
    /// go, by way of a directory or not; with `alike` all spaces map to the same.
    pub(crate) fn new(unit: u32, directory: bool, alike: bool) -> Result<Self> {
        let mut entries = EntryMemory::new();
        let at = entries.alloc(16, 0)?;
        let pointers = entries.alloc(8, 0)?;
        if let Some([first, second, ..]) = entries.slice_mut(pointers, 2) {
            (*first, *second) = (at, at + 32);
        }
        if let Some([a, b, _, _, c, d]) = entries.slice_mut(at, 6) {
            (*a, *b, *c, *d) = (root(1), 1, root(3), 3);
        }
        let mut scene = Self {
            model: Toy {
                directory: directory.then_some(pointers),
                entries: at,
                unit,
                forgets_invalid: false,
                has_order: false,
            },
            entries,
            spaces: KVec::new(),
            owners: KVec::new(),
            listed: KVec::new(),
            watches: KVec::new(),
            steps: KVec::new(),
            writer: KVec::new(),
            changes: KVec::new(),
            flush: KVec::new(),
            freed: KVec::new(),
            edit: None,
            goal: Goal::New,
            abort_is_error: false,
        };
        for number in 1..=3 {
            scene.spaces.push(space(number, alike)?, GFP_KERNEL)?;
            scene.owners.push((Tag(number), number), GFP_KERNEL)?;
        }
        scene.listed.push(1, GFP_KERNEL)?;
        scene.watch(0, Side::Paging(1), Side::Paging(2))?;
        Ok(scene)
    }

    /// Looks at the DMA of a requester, too.
    pub(crate) fn watch(&mut self, id: u32, old: Side, new: Side) -> Result {
        let requester = Requester { id, pasid: None };
        let watch = Watch {
            requester,
            old,
            new,
        };
        Ok(self.watches.push(watch, GFP_KERNEL)?)
    }

    /// Lets requester 0 have translations of its own, by its entry at the start.
    pub(crate) fn allows_ats(&mut self) {
        let at = self.word(0);
        if let Some([first, ..]) = self.entries.slice_mut(at, 1) {
            *first |= ATS;
        }
    }

    /// Lets requester 0 end elsewhere.
    pub(crate) fn to(&mut self, new: Side) {
        if let Some(watch) = self.watches.first_mut() {
            watch.new = new;
        }
    }

    /// Address of a word of an entry of requester 0.
    pub(crate) fn word(&self, n: u64) -> u64 {
        self.model.entries + 8 * n
    }

    /// Address of the word that points to the entry of requester 0.
    pub(crate) fn pointer(&self) -> u64 {
        self.model.directory.unwrap_or(0)
    }

    /// A store of words of the entry of requester 0, from the `first` on.
    pub(crate) fn store(&self, first: u64, words: &[u64]) -> Step {
        store_at(self.word(first), words, 0)
    }

    /// Adds steps of the driver.
    pub(crate) fn does(&mut self, steps: &[Step]) -> Result {
        Ok(self.steps.extend_from_slice(steps, GFP_KERNEL)?)
    }

    /// Somebody unmaps the second probe of a space, and flushes by `flush` if it finds requester 0
    /// on the list.
    pub(crate) fn unmaps(&mut self, space: u64, flush: &[Step]) -> Result {
        self.edit = Some(space);
        let (table, index, word) = (table(space, 1), 1, 0);
        let change = Change { table, index, word };
        self.changes.push(change, GFP_KERNEL)?;
        Ok(self.flush.extend_from_slice(flush, GFP_KERNEL)?)
    }

    /// What is to be judged.
    pub(crate) fn case(&self) -> Case<'_> {
        Case {
            model: &self.model,
            entries: &self.entries,
            probes: PROBED,
            spaces: &self.spaces,
            owners: &self.owners,
            listed: &self.listed,
            watches: &self.watches,
            transition: &self.steps,
            edit: self.edit.map(|space| Edit {
                space,
                map: false,
                changes: &self.changes,
                freed: &self.freed,
                listed: &self.flush,
                unlisted: &[],
            }),
            writer: &self.writer,
            goal: self.goal,
            abort_is_error: self.abort_is_error,
        }
    }
}

/// A store of words in one go; bits of `keep` stay as they are in all of them.
pub(crate) fn store_at(at: u64, words: &[u64], keep: u64) -> Step {
    let mut store = Store {
        at,
        count: words.len() as u32,
        words: [0; WORDS],
        keep: [keep; WORDS],
    };
    for (to, from) in store.words.iter_mut().zip(words) {
        *to = *from;
    }
    Step::Store(store)
}

/// The space lists requester 0 from now on.
pub(crate) fn listed(space: u64) -> Step {
    let (id, pasid) = (0, None);
    Step::Note(Note::Listed(space, Requester { id, pasid }))
}

/// The space no longer lists requester 0.
pub(crate) fn unlisted(space: u64) -> Step {
    let (id, pasid) = (0, None);
    Step::Note(Note::Unlisted(space, Requester { id, pasid }))
}

/// The tag is nobody's from now on.
pub(crate) fn untagged(tag: u64) -> Step {
    Step::Note(Note::Untagged(Tag(tag)))
}

/// The tables of the space are memory for others from now on.
pub(crate) fn freed(space: u64) -> Step {
    Step::Note(Note::Freed(space))
}

/// The driver returns.
pub(crate) const RETURN: Step = Step::Note(Note::Return);
