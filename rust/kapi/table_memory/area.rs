// SPDX-License-Identifier: GPL-2.0

//! Getting to words: the tables of a class as they are found, and one of them.

use super::{
    Class,
    TableMemory,
    CLASS_SHIFT, //
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

/// The tables of a class that there are at the moment. To find one takes a mask, a comparison and
/// an addition.
///
/// No address is trusted, also not one that a page table wrote itself: a reader may see a table
/// that is used for something else by now. An address that is wrong finds a table, or none, but
/// never memory that is none.
///
/// # Invariants
///
/// `limit` is 0, or `at` points to `limit` bytes of words that are initialised, and live as long as
/// the memory, `'a`. `limit` is a multiple of the size of `words` words, which is a power of two.
#[derive(Clone, Copy)]
pub(crate) struct Tables<'a> {
    limit: u64,
    at: *mut AtomicU64,
    words: u32,
    memory: PhantomData<&'a TableMemory>,
}

impl<'a> Tables<'a> {
    /// Those of a class, if they have so many words.
    #[inline]
    pub(super) fn new(class: &'a Class, words_lg2: u32) -> Self {
        // INVARIANT: By that of `Class`, as the limit is loaded first.
        Self {
            limit: class.limit(words_lg2, Acquire),
            at: class.at.load(Relaxed),
            words: 1 << words_lg2,
            memory: PhantomData,
        }
    }

    /// Words of each.
    #[inline]
    pub(super) fn words(self) -> u32 {
        self.words
    }

    /// Whether there is one at an address.
    #[inline]
    pub(super) fn has(self, address: u64) -> bool {
        self.place(address).is_some()
    }

    /// Reads a word of the table at an address.
    #[inline]
    pub(crate) fn load(self, address: u64, index: u32) -> Option<u64> {
        // First what does not depend on the address, which may still be on its way from memory.
        let column = self.at.wrapping_add(index as usize);
        let place = self.place(address)?;
        if index >= self.words {
            return None;
        }
        let word = column.wrapping_byte_add(place);
        // SAFETY: By the type invariant, as it is one of the `words` words of the table at `place`.
        Some(unsafe { &*word }.load(Relaxed))
    }

    /// The table at an address.
    #[inline]
    pub(crate) fn at(self, address: u64) -> Option<Table<'a>> {
        let place = self.place(address)?;
        // INVARIANT: By that of `Tables` there are so many words at `place`.
        Some(Table {
            // SAFETY: By the type invariant a table is there.
            at: unsafe { ptr::NonNull::new_unchecked(self.at.wrapping_byte_add(place)) },
            words: self.words,
            address,
            memory: PhantomData,
        })
    }

    /// Where the table at an address is, in bytes behind `at`.
    #[inline]
    fn place(self, address: u64) -> Option<usize> {
        let size = u64::from(self.words) * 8;
        let place = address & ((1 << CLASS_SHIFT) - size);
        // In this order as it is compiled to a jump that is not taken.
        if place < self.limit {
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
