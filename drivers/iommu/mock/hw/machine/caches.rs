// SPDX-License-Identifier: GPL-2.0

//! What live hardware remembers: everything that it may, for as long as it may.

use super::super::{
    model::{
        Command,
        Fetch,
        Model,
        Requester,
        Tag,
        Words, //
    },
    Access, //
};
use kernel::prelude::*;

/// Bits of an address within the range that one line of the IOTLB covers.
const PAGE_SHIFT: u32 = 12;

/// Lines of an IOTLB. The oldest goes first.
const LINES: usize = 64;

/// Entries in an entry cache. The oldest goes first.
const ENTRIES: usize = 64;

/// Words in a paging-structure cache. The oldest goes first.
const WAYS: usize = 64;

struct Entry {
    from: Requester,
    fetch: Fetch,
    words: Words,
}

struct Line {
    tag: Tag,
    iova: u64,
    to: u64,
    /// A write need not look at the page table: it may be done, and is marked, if that is wanted.
    writes: bool,
}

/// A word of a page table that led to another one.
struct Way {
    tag: Tag,
    iova: u64,
    /// Table and index.
    at: (u64, u64),
    word: u64,
}

/// What a requester keeps itself.
struct Kept {
    from: Requester,
    iova: u64,
    to: u64,
    /// It may write there as well.
    writes: bool,
}

/// The entry caches, the IOTLB and the paging-structure cache of an instance, and what endpoints
/// asked for by ATS.
pub(super) struct Caches {
    entries: KVec<Entry>,
    lines: KVec<Line>,
    ways: KVec<Way>,
    kept: KVec<Kept>,
}

impl Caches {
    pub(super) fn new() -> Self {
        Self {
            entries: KVec::new(),
            lines: KVec::new(),
            ways: KVec::new(),
            kept: KVec::new(),
        }
    }

    /// The entry as it was read before.
    pub(super) fn entry(&self, from: Requester, fetch: &Fetch) -> Option<Words> {
        let entry = self
            .entries
            .iter()
            .find(|entry| entry.from == from && entry.fetch == *fetch)?;
        Some(entry.words)
    }

    /// Remembers an entry, if there is memory for it.
    pub(super) fn add_entry(&mut self, from: Requester, fetch: Fetch, words: Words) {
        if self.entries.len() >= ENTRIES {
            let _ = self.entries.remove(0);
        }
        let entry = Entry { from, fetch, words };
        let _ = self.entries.push(entry, GFP_KERNEL);
    }

    /// Where an access goes to by what was found before.
    pub(super) fn translation(&self, tag: Tag, iova: u64, access: Access) -> Option<u64> {
        let mut lines = self.lines.iter();
        let line = lines.find(|line| {
            line.tag == tag && is_same_page(line.iova, iova) && allows(line.writes, access)
        })?;
        Some(in_page(line.to, iova))
    }

    /// The same by what a requester keeps itself.
    pub(super) fn kept(&self, from: Requester, iova: u64, access: Access) -> Option<u64> {
        let mut kept = self.kept.iter();
        let line = kept.find(|line| {
            line.from == from && is_same_page(line.iova, iova) && allows(line.writes, access)
        })?;
        Some(in_page(line.to, iova))
    }

    /// The word of a page table as it was when a walk under a tag went on from it.
    pub(super) fn way(&self, tag: Tag, at: (u64, u64)) -> Option<u64> {
        let mut ways = self.ways.iter();
        Some(ways.find(|way| way.tag == tag && way.at == at)?.word)
    }

    /// Remembers a word from which the walk for an address went on, if there is memory for it.
    pub(super) fn add_way(&mut self, tag: Tag, iova: u64, at: (u64, u64), word: u64) {
        if self.way(tag, at).is_some() {
            return;
        }
        if self.ways.len() >= WAYS {
            let _ = self.ways.remove(0);
        }
        let way = Way {
            tag,
            iova,
            at,
            word,
        };
        let _ = self.ways.push(way, GFP_KERNEL);
    }

    /// Lets a requester keep where an address goes to, if there is memory for it.
    pub(super) fn keep(&mut self, from: Requester, iova: u64, to: u64, writes: bool) {
        if self.kept.len() >= LINES {
            let _ = self.kept.remove(0);
        }
        let kept = Kept {
            from,
            iova,
            to,
            writes,
        };
        let _ = self.kept.push(kept, GFP_KERNEL);
    }

    /// Remembers where an address goes to, if there is memory for it.
    pub(super) fn add_translation(&mut self, tag: Tag, iova: u64, to: u64, writes: bool) {
        if self.lines.len() >= LINES {
            let _ = self.lines.remove(0);
        }
        let line = Line {
            tag,
            iova,
            to,
            writes,
        };
        let _ = self.lines.push(line, GFP_KERNEL);
    }

    /// Forgets what a command says.
    pub(super) fn execute(&mut self, model: &dyn Model, command: Command) {
        self.entries
            .retain(|e| !model.drops_entry(command, e.from, &e.fetch, &e.words));
        self.lines
            .retain(|line| !model.drops_translation(command, line.tag, line.iova));
        self.ways
            .retain(|way| !model.drops_tables(command, way.tag, way.iova));
        self.kept
            .retain(|line| !model.drops_kept(command, line.from, line.iova));
    }

    /// Forgets everything of a requester's entry and all translations under its tags, which a
    /// firmware call does.
    pub(super) fn forget(&mut self, id: u32, tags: impl Fn(Tag) -> bool) {
        self.entries.retain(|entry| entry.from.id != id);
        self.lines.retain(|line| !tags(line.tag));
        self.ways.retain(|way| !tags(way.tag));
        self.kept.retain(|line| line.from.id != id);
    }

    /// Forgets all translations, those that requesters keep included.
    pub(super) fn forget_translations(&mut self) {
        self.lines.clear();
        self.kept.clear();
    }

    /// Lines of the IOTLB: tag, address, where to.
    pub(super) fn lines(&self) -> impl Iterator<Item = (Tag, u64, u64)> + '_ {
        self.lines.iter().map(|line| (line.tag, line.iova, line.to))
    }
}

fn allows(writes: bool, access: Access) -> bool {
    writes || access == Access::Read
}

fn is_same_page(a: u64, b: u64) -> bool {
    (a ^ b) >> PAGE_SHIFT == 0
}

/// The address in the page at `to` at which `iova` is in its own.
fn in_page(to: u64, iova: u64) -> u64 {
    let offset = iova & ((1 << PAGE_SHIFT) - 1);
    (to >> PAGE_SHIFT << PAGE_SHIFT) | offset
}
