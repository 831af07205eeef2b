// SPDX-License-Identifier: GPL-2.0

//! Getting to words: a chunk as it is found, a table in it, and the chunk that is kept at hand.

use super::{
    First,
    TableMemory,
    TableSize,
    FIRST,
    FIRST_TABLES, //
};
use core::{
    marker::PhantomData,
    ptr,
    sync::atomic::{
        AtomicU64,
        Ordering::{
            Acquire,
            Relaxed,
            Release, //
        }, //
    },
};
use kernel::prelude::*;

/// What a chunk is at the moment.
///
/// # Invariants
///
/// `limit` is 0, or `at` points to `limit` bytes of words that are initialised, and live as long as
/// the memory, `'a`. `limit` is a multiple of the size of `words` words, which is a power of two.
#[derive(Clone, Copy)]
pub(super) struct Area<'a> {
    pub(super) limit: u64,
    pub(super) at: *mut AtomicU64,
    pub(super) words: u32,
    pub(super) memory: PhantomData<&'a TableMemory>,
}

impl<'a> Area<'a> {
    /// The word that has a byte, which may be any; nothing behind the end.
    #[inline]
    fn word(self, offset: u64) -> Option<ptr::NonNull<AtomicU64>> {
        if offset >= self.limit {
            return None;
        }
        // SAFETY: By the type invariant, as `limit` is not 0: being a multiple of 8, it is at least
        // a word more than the multiple of 8 that `offset` is rounded down to.
        let word = unsafe { self.at.byte_add((offset & !7) as usize) };
        // SAFETY: As above, it points to a word.
        Some(unsafe { ptr::NonNull::new_unchecked(word) })
    }

    /// Reads the word that has a byte.
    #[inline]
    pub(super) fn load(self, offset: u64) -> Option<u64> {
        let word = self.word(offset)?;
        // SAFETY: By the type invariant, as `word` is one of those.
        Some(unsafe { word.as_ref() }.load(Relaxed))
    }

    /// The table that has a byte, under an address.
    #[inline]
    pub(super) fn table(self, offset: u64, address: u64) -> Option<Table<'a>> {
        let size = u64::from(self.words).wrapping_mul(8);
        // INVARIANT: By that of `Area`: as `limit` is a multiple of `size`, a table that starts
        // below it ends there at the latest.
        Some(Table {
            at: self.word(offset & !size.wrapping_sub(1))?,
            words: self.words,
            address,
            memory: PhantomData,
        })
    }
}

/// The first chunk kept at hand, for a walk of a page table: most page tables are small and all in
/// it, and then each level takes a mask and a comparison, without a look at the [`TableMemory`].
///
/// No address is trusted here either, also not one that the page table wrote itself: a reader may
/// see a table that is used for something else by now. An address that is wrong finds a table, or
/// none, but never memory that is none.
///
/// # Invariants
///
/// `below` is more than any address, or [`FIRST`] less 1. In the latter case [`FIRST`] bytes behind
/// `biased` there are [`FIRST_TABLES`] tables of `words` words, one after the other, that are
/// initialised, and live as long as the memory, `'a`. `words` is a power of two.
#[derive(Clone, Copy)]
pub(crate) struct Near<'a> {
    memory: &'a TableMemory,
    below: u64,
    biased: *mut AtomicU64,
    words: u32,
}

impl<'a> Near<'a> {
    /// Looks for a first chunk with tables of a size.
    #[inline]
    pub(super) fn new(memory: &'a TableMemory, size: TableSize) -> Self {
        let First { below, biased } = &memory.first;
        let below = below.get(size.words_lg2 as usize);
        // INVARIANT: By that of `First`, as `below` is loaded first.
        Self {
            memory,
            below: below.map_or(u64::MAX, |below| below.load(Acquire)),
            biased: biased.load(Relaxed),
            words: size.words(),
        }
    }

    /// Reads a word of the table at an address, if that is in the first chunk.
    #[inline]
    pub(crate) fn load(self, address: u64, index: u32) -> Option<u64> {
        // First what does not depend on the address, which may still be on its way from memory.
        let column = self.biased.wrapping_add(index as usize);
        let place = self.place(address)?;
        if index >= self.words {
            return None;
        }
        let word = column.wrapping_byte_add(place);
        // SAFETY: By the type invariant, as it is one of the `words` words of the table at `place`.
        Some(unsafe { &*word }.load(Relaxed))
    }

    /// Reads a word of the table at an address, wherever it is; any one behind the end of a table.
    #[inline]
    pub(crate) fn load_far(self, address: u64, index: u32) -> Option<u64> {
        match self.load(address, index) {
            Some(word) => Some(word),
            None => self.memory.load(address, index),
        }
    }

    /// As [`TableMemory::at`], but an address that is wrong may find a table.
    #[inline]
    pub(crate) fn at(self, address: u64) -> Option<Table<'a>> {
        match self.place(address) {
            // INVARIANT: By that of `Near` there are so many words at `place`.
            Some(place) => Some(Table {
                // SAFETY: By the type invariant a table is there.
                at: unsafe { ptr::NonNull::new_unchecked(self.biased.wrapping_byte_add(place)) },
                words: self.words,
                address,
                memory: PhantomData,
            }),
            None => self.memory.at(address),
        }
    }

    /// How many bytes behind `biased` the table at an address is, if it is in the first chunk.
    #[inline]
    fn place(self, address: u64) -> Option<usize> {
        let size = u64::from(self.words) * 8;
        // What is left is less than `FIRST`, or it is that and the offset of one of the tables.
        let place = address & (FIRST | (size * (FIRST_TABLES - 1)));
        // In this order as it is compiled to a jump that is not taken.
        if place > self.below {
            return Some(place as usize);
        }
        None
    }
}

/// A table that may be read by anybody and written by its users.
///
/// # Invariants
///
/// `at` points to `words` words that are initialised, and live as long as the memory, `'a`.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    at: ptr::NonNull<AtomicU64>,
    words: u32,
    address: u64,
    memory: PhantomData<&'a TableMemory>,
}

impl Table<'_> {
    /// Its address.
    #[inline]
    pub(crate) fn address(self) -> u64 {
        self.address
    }

    /// Its words.
    pub(crate) fn len(self) -> u32 {
        self.words
    }

    /// Reads a word; 0 behind the end of the table.
    #[inline]
    pub(crate) fn load(self, index: u32) -> u64 {
        self.word(index).map_or(0, |word| word.load(Relaxed))
    }

    /// Writes a word; nothing behind the end of the table.
    #[inline]
    pub(crate) fn store(self, index: u32, value: u64) {
        if let Some(word) = self.word(index) {
            word.store(value, Relaxed);
        }
    }

    /// Replaces a word that is `old`, after everything written before.
    ///
    /// # Errors
    ///
    /// The word, if it is another one.
    #[inline]
    pub(crate) fn replace(self, index: u32, old: u64, new: u64) -> Result<(), u64> {
        match self.word(index) {
            Some(word) => word
                .compare_exchange(old, new, Release, Acquire)
                .map(|_| ()),
            None => Err(0),
        }
    }

    #[inline]
    fn word(&self, index: u32) -> Option<&AtomicU64> {
        if index >= self.words {
            return None;
        }
        // SAFETY: By the type invariant there are `words` words, which live as long as the memory
        // that `self` borrows.
        Some(unsafe { self.at.add(index as usize).as_ref() })
    }
}

// SAFETY: A table is a reference to atomics, which may be used by any thread.
unsafe impl Send for Table<'_> {}
// SAFETY: As for `Send`.
unsafe impl Sync for Table<'_> {}
