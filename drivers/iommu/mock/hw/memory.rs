// SPDX-License-Identifier: GPL-2.0

//! The memory that tables of entries are in.

use super::model::{
    Fetch,
    Words, //
};
use kernel::prelude::*;

/// Where tables of entries start: what every family's fields can hold, and away from page tables
/// and data.
const FIRST: u64 = 1 << 40;

/// Tables are multiples of this, and aligned to it.
const ALIGN: u64 = 1 << 16;

/// A table of entries.
pub(crate) struct EntryTable {
    /// Address of the first word.
    pub(crate) at: u64,
    /// The words.
    pub(crate) words: KVVec<u64>,
}

/// Memory with tables of entries, by address.
pub(crate) struct EntryMemory {
    tables: KVec<EntryTable>,
    next: u64,
}

impl EntryMemory {
    /// Makes one without tables.
    pub(crate) fn new() -> Self {
        Self {
            tables: KVec::new(),
            next: FIRST,
        }
    }

    /// Adds a table of `count` words, all `fill`, and returns its address, which was never one
    /// before. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn alloc(&mut self, count: usize, fill: u64) -> Result<u64> {
        let words = KVVec::from_elem(fill, count, GFP_KERNEL)?;
        let at = self.next;
        let bytes = (count as u64).saturating_mul(8).max(1);
        let next = at.checked_add(bytes.saturating_add(ALIGN - 1) & !(ALIGN - 1));
        self.tables.push(EntryTable { at, words }, GFP_KERNEL)?;
        self.next = next.ok_or(ENOMEM)?;
        Ok(at)
    }

    /// Removes a table. Reading it finds nothing from now on.
    pub(crate) fn free(&mut self, at: u64) {
        self.tables.retain(|table| table.at != at);
    }

    /// A copy.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn copy(&self) -> Result<Self> {
        let mut tables = KVec::with_capacity(self.tables.len(), GFP_KERNEL)?;
        for table in &self.tables {
            let mut words = KVVec::with_capacity(table.words.len(), GFP_KERNEL)?;
            words.extend_from_slice(&table.words, GFP_KERNEL)?;
            let at = table.at;
            tables.push(EntryTable { at, words }, GFP_KERNEL)?;
        }
        let next = self.next;
        Ok(Self { tables, next })
    }

    /// Adds the tables that only `later` has, as they were when they were new: all 0.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn add_new_of(&mut self, later: &Self) -> Result {
        for table in &later.tables {
            let (at, count) = (table.at, table.words.len());
            if !self.tables.iter().any(|known| known.at == at) {
                let words = KVVec::from_elem(0, count, GFP_KERNEL)?;
                self.tables.push(EntryTable { at, words }, GFP_KERNEL)?;
            }
        }
        Ok(())
    }

    /// The word at an address.
    pub(crate) fn load(&self, at: u64) -> Option<u64> {
        self.slice(at, 1)?.first().copied()
    }

    /// The entry that hardware has to read.
    pub(crate) fn entry(&self, fetch: &Fetch) -> Option<Words> {
        let slice = self.slice(fetch.at, fetch.words)?;
        let mut words = Words::default();
        for (to, from) in words.iter_mut().zip(slice) {
            *to = *from;
        }
        Some(words)
    }

    /// `count` words at an address.
    pub(crate) fn slice(&self, at: u64, count: u32) -> Option<&[u64]> {
        let table = self.tables.iter().find(|table| table.holds(at))?;
        let first = usize::try_from(at.checked_sub(table.at)? / 8).ok()?;
        table
            .words
            .get(first..first.checked_add(count.try_into().ok()?)?)
    }

    /// The same, to be written.
    pub(crate) fn slice_mut(&mut self, at: u64, count: u32) -> Option<&mut [u64]> {
        let table = self.tables.iter_mut().find(|table| table.holds(at))?;
        let first = usize::try_from(at.checked_sub(table.at)? / 8).ok()?;
        table
            .words
            .get_mut(first..first.checked_add(count.try_into().ok()?)?)
    }
}

impl EntryTable {
    fn holds(&self, at: u64) -> bool {
        at.checked_sub(self.at)
            .is_some_and(|offset| offset / 8 < self.words.len() as u64)
    }
}
