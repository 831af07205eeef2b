// SPDX-License-Identifier: GPL-2.0

//! Where words of page tables go.

use super::Format;
use crate::kapi::{
    new_mutex,
    table_memory::{
        Table,
        TableMemory, //
    },
    Mutex, //
};
use kernel::prelude::*;

/// A place for page tables.
pub(crate) trait Store: Send + Sync {
    /// Makes one without tables, for tables of a format.
    fn new<F: Format>() -> impl PinInit<Self>
    where
        Self: Sized;

    /// The memory behind it.
    fn memory(&self) -> &TableMemory;

    /// Hands out an empty table of a class and returns its address. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    fn alloc(&self, class: usize) -> Result<u64> {
        self.memory().alloc(class)
    }

    /// Writes a word that nobody else writes.
    #[inline]
    fn store(&self, table: Table<'_>, index: u32, word: u64) {
        table.store(index, word);
    }

    /// Replaces a word that is `old`, after everything written before.
    ///
    /// # Errors
    ///
    /// The word, if it is another one.
    #[inline]
    fn replace(&self, table: Table<'_>, index: u32, old: u64, new: u64) -> Result<(), u64> {
        table.replace(index, old, new)
    }
}

impl Store for TableMemory {
    fn new<F: Format>() -> impl PinInit<Self> {
        TableMemory::new(F::SIZES)
    }

    #[inline]
    fn memory(&self) -> &TableMemory {
        self
    }
}

/// One word that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    /// Address of the table.
    pub(crate) table: u64,
    /// Index of the word.
    pub(crate) index: u32,
    /// What it became.
    pub(crate) word: u64,
}

/// What happened to the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The table at this address was handed out, empty.
    Table(u64),
    /// A word was written.
    Write(Write),
}

/// Memory that also writes down what is written, in the order in which it is, for the judge.
#[pin_data]
pub(crate) struct Recorded {
    #[pin]
    memory: TableMemory,
    #[pin]
    steps: Mutex<KVVec<Step>>,
}

impl Recorded {
    /// Takes what was written down so far.
    pub(crate) fn take(&self) -> KVVec<Step> {
        core::mem::take(&mut *self.steps.lock())
    }

    fn note(&self, table: Table<'_>, index: u32, word: u64) {
        self.add(Step::Write(Write {
            table: table.address(),
            index,
            word,
        }));
    }

    fn add(&self, step: Step) {
        // Without memory the record has a gap, which its reader sees by the missing words.
        let _ = self.steps.lock().push(step, GFP_KERNEL);
    }
}

impl Store for Recorded {
    fn new<F: Format>() -> impl PinInit<Self> {
        pin_init!(Self {
            memory <- TableMemory::new(F::SIZES),
            steps <- new_mutex!(KVVec::new(), "Recorded::steps"),
        })
    }

    fn memory(&self) -> &TableMemory {
        &self.memory
    }

    fn alloc(&self, class: usize) -> Result<u64> {
        let address = self.memory.alloc(class)?;
        self.add(Step::Table(address));
        Ok(address)
    }

    fn store(&self, table: Table<'_>, index: u32, word: u64) {
        table.store(index, word);
        self.note(table, index, word);
    }

    fn replace(&self, table: Table<'_>, index: u32, old: u64, new: u64) -> Result<(), u64> {
        table.replace(index, old, new)?;
        self.note(table, index, new);
        Ok(())
    }
}
