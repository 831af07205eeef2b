// SPDX-License-Identifier: GPL-2.0

//! What live hardware remembers: everything that it may, for as long as it may.

use super::super::model::{
    Command,
    Fetch,
    Model,
    Requester,
    Tag,
    Words, //
};
use kernel::prelude::*;

/// Bits of an address within the range that one line of the IOTLB covers.
const PAGE_SHIFT: u32 = 12;

/// Lines of an IOTLB. The oldest goes first.
const LINES: usize = 64;

/// Entries in an entry cache. The oldest goes first.
const ENTRIES: usize = 64;

struct Entry {
    from: Requester,
    fetch: Fetch,
    words: Words,
}

struct Line {
    tag: Tag,
    iova: u64,
    to: u64,
}

/// The entry caches and the IOTLB of an instance.
pub(super) struct Caches {
    entries: KVec<Entry>,
    lines: KVec<Line>,
}

impl Caches {
    pub(super) fn new() -> Self {
        Self {
            entries: KVec::new(),
            lines: KVec::new(),
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

    /// Where an address goes to by what was found before.
    pub(super) fn translation(&self, tag: Tag, iova: u64) -> Option<u64> {
        let page = iova >> PAGE_SHIFT;
        let line = self
            .lines
            .iter()
            .find(|line| line.tag == tag && line.iova >> PAGE_SHIFT == page)?;
        let offset = iova & ((1 << PAGE_SHIFT) - 1);
        Some((line.to >> PAGE_SHIFT << PAGE_SHIFT) | offset)
    }

    /// Remembers where an address goes to, if there is memory for it.
    pub(super) fn add_translation(&mut self, tag: Tag, iova: u64, to: u64) {
        if self.lines.len() >= LINES {
            let _ = self.lines.remove(0);
        }
        let _ = self.lines.push(Line { tag, iova, to }, GFP_KERNEL);
    }

    /// Forgets what a command says.
    pub(super) fn execute(&mut self, model: &dyn Model, command: Command) {
        self.entries
            .retain(|e| !model.drops_entry(command, e.from, &e.fetch, &e.words));
        self.lines
            .retain(|line| !model.drops_translation(command, line.tag, line.iova));
    }

    /// Forgets everything of a requester's entry and all translations under its tags, which a
    /// firmware call does.
    pub(super) fn forget(&mut self, id: u32, tags: impl Fn(Tag) -> bool) {
        self.entries.retain(|entry| entry.from.id != id);
        self.lines.retain(|line| !tags(line.tag));
    }

    /// Forgets all translations.
    pub(super) fn forget_translations(&mut self) {
        self.lines.clear();
    }

    /// Lines of the IOTLB: tag, address, where to.
    pub(super) fn lines(&self) -> impl Iterator<Item = (Tag, u64, u64)> + '_ {
        self.lines.iter().map(|line| (line.tag, line.iova, line.to))
    }
}
