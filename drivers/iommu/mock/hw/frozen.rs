// SPDX-License-Identifier: GPL-2.0

//! Page tables as they were at one time.

use super::Memory;
use kernel::prelude::*;

struct Table {
    at: u64,
    words: KVVec<u64>,
}

/// A copy of page tables, whatever happens to them later.
pub(crate) struct Frozen {
    tables: KVec<Table>,
}

/// A word that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Address of the table.
    pub(crate) table: u64,
    /// Index of the word.
    pub(crate) index: u32,
    /// What it became.
    pub(crate) word: u64,
}

impl Frozen {
    /// Makes one without tables.
    pub(crate) fn new() -> Self {
        Self {
            tables: KVec::new(),
        }
    }

    /// Adds the table at an address, with words from `read`.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn add(&mut self, at: u64, count: u32, read: impl Fn(u32) -> u64) -> Result {
        let mut words = KVVec::with_capacity(count as usize, GFP_KERNEL)?;
        for index in 0..count {
            words.push(read(index), GFP_KERNEL)?;
        }
        Ok(self.tables.push(Table { at, words }, GFP_KERNEL)?)
    }

    /// Whether there is a table at an address.
    pub(crate) fn has(&self, at: u64) -> bool {
        self.tables.iter().any(|table| table.at == at)
    }

    /// Addresses of the tables that `after` no longer has.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn gone_in(&self, after: &Frozen) -> Result<KVec<u64>> {
        let mut gone = KVec::new();
        for table in self.tables.iter().filter(|table| !after.has(table.at)) {
            gone.push(table.at, GFP_KERNEL)?;
        }
        Ok(gone)
    }

    /// The words that became different in `after`, of the tables that both have.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn changes(&self, after: &Frozen) -> Result<KVec<Change>> {
        let mut changes = KVec::new();
        for table in &self.tables {
            for (index, word) in table.words.iter().enumerate() {
                let index = index as u32;
                let (at, now) = (table.at, after.word(table.at, index));
                if let Some(now) = now.filter(|now| now != word) {
                    let change = Change {
                        table: at,
                        index,
                        word: now,
                    };
                    changes.push(change, GFP_KERNEL)?;
                }
            }
        }
        Ok(changes)
    }
}

impl Memory for Frozen {
    fn word(&self, table: u64, index: u32) -> Option<u64> {
        let table = self.tables.iter().find(|t| t.at == table)?;
        table.words.get(index as usize).copied()
    }
}
