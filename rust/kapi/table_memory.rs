// SPDX-License-Identifier: GPL-2.0

//! Memory for page tables, addressed as hardware does.
//!
//! Every table has an address in a space of its own, which entries of other tables hold and which
//! the hardware models look up. An address that is wrong, because an entry was read torn, finds no
//! table or another one, but never memory that is none.
//!
//! Memory that was a table once stays one until all of it goes, so that readers need no lock: at
//! worst they see a table that is used for something else by then.

use core::{
    marker::PhantomData,
    ptr,
    sync::atomic::{
        AtomicPtr,
        AtomicU64,
        Ordering::{
            Acquire,
            Relaxed,
            Release, //
        }, //
    },
};
use kernel::{
    new_spinlock,
    prelude::*,
    sync::SpinLock, //
};

// The atomics of `core`, as each access by those of the `kernel` crate calls a C function: this
// memory is read several times for each page that is mapped. A relaxed access is what READ_ONCE()
// and WRITE_ONCE() do, and the words of a table are shared with no C code.

/// Sizes of tables that one memory can hold.
pub(crate) const CLASSES: usize = 2;

/// The first table of class `c` has address `(c + 1) << CLASS_SHIFT`: within what every format can
/// hold, and away from where tests put data.
const CLASS_SHIFT: u32 = 45;

/// The first chunk of a class has this many tables, each further one twice as many as the last.
const FIRST_CHUNK_LG2: u32 = 3;

/// Chunks of a class.
const CHUNKS: usize = 20;

/// See the module.
#[pin_data]
pub(crate) struct TableMemory {
    #[pin]
    small: Class,
    #[pin]
    large: Class,
}

/// Tables of one size.
///
/// # Invariants
///
/// A pointer in `chunks` is null or points to `1 << (FIRST_CHUNK_LG2 + number)` tables of
/// `words` words each, which are initialised, and live and stay in place as long as the class.
#[pin_data]
struct Class {
    number: u64,
    /// Words of a table.
    words: u32,
    /// What a new table is filled with.
    empty: u64,
    chunks: [AtomicPtr<AtomicU64>; CHUNKS],
    #[pin]
    free: SpinLock<Free>,
}

struct Free {
    /// What `chunks` points to.
    backing: KVec<KVVec<u64>>,
    /// Numbers of tables that were given back. Has room for all tables there are.
    back: KVVec<u32>,
    /// Number of the first table that was never handed out.
    fresh: u32,
    /// Tables handed out.
    live: u32,
    /// Allocations that still succeed, for tests.
    allowed: u32,
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

/// The size of tables of a class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableSize {
    /// Base-2 logarithm of the words.
    pub(crate) words_lg2: u32,
    /// The word that an empty table is full of.
    pub(crate) empty: u64,
}

impl TableSize {
    /// Words of a table.
    pub(crate) const fn words(self) -> u32 {
        1 << self.words_lg2
    }
}

impl TableMemory {
    /// Makes a memory without tables, for tables of these sizes.
    pub(crate) fn new(sizes: [TableSize; CLASSES]) -> impl PinInit<Self> {
        let [small, large] = sizes;
        pin_init!(Self {
            small <- Class::new(0, small),
            large <- Class::new(1, large),
        })
    }

    /// Hands out an empty table of a class and returns its address. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn alloc(&self, class: usize) -> Result<u64> {
        self.class(class).alloc()
    }

    /// Takes a table back.
    pub(crate) fn free(&self, address: u64) {
        if let Some((class, number)) = self.find(address) {
            class.give_back(number);
        }
    }

    /// The table at an address, whether or not it is handed out. This is also how hardware reads.
    #[inline]
    pub(crate) fn at(&self, address: u64) -> Option<Table<'_>> {
        let (class, number) = self.find(address)?;
        class.table(number, address)
    }

    /// Tables handed out.
    pub(crate) fn live(&self) -> u32 {
        let [small, large] = [&self.small, &self.large].map(|class| class.free.lock().live);
        small.saturating_add(large)
    }

    /// Lets only so many more allocations of each class succeed.
    pub(crate) fn allow(&self, allocations: u32) {
        for class in [&self.small, &self.large] {
            class.free.lock().allowed = allocations;
        }
    }

    fn class(&self, class: usize) -> &Class {
        match class {
            0 => &self.small,
            _ => &self.large,
        }
    }

    #[inline]
    fn find(&self, address: u64) -> Option<(&Class, u32)> {
        let class = match address >> CLASS_SHIFT {
            1 => &self.small,
            2 => &self.large,
            _ => return None,
        };
        let offset = address & ((1 << CLASS_SHIFT) - 1);
        let shift = class.words.trailing_zeros() + 3;
        Some((class, u32::try_from(offset >> shift).ok()?))
    }
}

impl Class {
    fn new(number: u64, size: TableSize) -> impl PinInit<Self> {
        let free = Free {
            backing: KVec::new(),
            back: KVVec::new(),
            fresh: 0,
            live: 0,
            allowed: u32::MAX,
        };
        // INVARIANT: All pointers are null.
        pin_init!(Self {
            number,
            words: 1 << size.words_lg2,
            empty: size.empty,
            chunks: [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS],
            free <- new_spinlock!(free, "TableMemory::free"),
        })
    }

    fn alloc(&self) -> Result<u64> {
        let (number, fresh) = loop {
            if let Some(taken) = self.free.lock().take(self.tables())? {
                break taken;
            }
            self.add_chunk()?;
        };
        let shift = self.words.trailing_zeros() + 3;
        let address = ((self.number + 1) << CLASS_SHIFT) | (u64::from(number) << shift);
        if let Some(table) = self.table(number, address) {
            // New memory is zero.
            if !fresh || self.empty != 0 {
                for index in 0..self.words {
                    table.store(index, self.empty);
                }
            }
        }
        Ok(address)
    }

    fn give_back(&self, number: u32) {
        let mut free = self.free.lock();
        free.live = free.live.saturating_sub(1);
        // There is room for all.
        let _ = free.back.push_within_capacity(number);
    }

    /// Number of tables that there is memory for.
    fn tables(&self) -> u32 {
        let chunks = self.chunks.iter().take_while(|c| !c.load(Relaxed).is_null());
        let count = chunks.count() as u32;
        ((1 << count) - 1) << FIRST_CHUNK_LG2
    }

    /// Adds memory, outside of the lock; another thread may do the same.
    fn add_chunk(&self) -> Result {
        let tables = self.tables();
        let number = ((tables >> FIRST_CHUNK_LG2) + 1).trailing_zeros() as usize;
        let slot = self.chunks.get(number).ok_or(ENOMEM)?;
        let added = 1usize << (FIRST_CHUNK_LG2 as usize + number);
        let mut memory = KVVec::from_elem(0u64, added * self.words as usize, GFP_KERNEL)?;
        let back = KVVec::with_capacity(tables as usize + added, GFP_KERNEL)?;
        let mut backing = KVec::with_capacity(number + 1, GFP_KERNEL)?;

        let mut free = self.free.lock();
        if !slot.load(Relaxed).is_null() {
            return Ok(());
        }
        // CAST: `AtomicU64` has the layout of `u64`.
        let words: *mut AtomicU64 = memory.as_mut_ptr().cast();
        for present in core::mem::take(&mut free.backing) {
            let _ = backing.push_within_capacity(present);
        }
        let _ = backing.push_within_capacity(memory);
        free.backing = backing;
        let old = core::mem::replace(&mut free.back, back);
        for number in &old {
            let _ = free.back.push_within_capacity(*number);
        }
        // INVARIANT: `memory` has that many words, all zero, and is owned by `backing` from now on,
        // whose elements move, but not what they point to.
        slot.store(words, Release);
        // Not under the lock: giving much memory back may sleep.
        drop(free);
        drop(old);
        Ok(())
    }

    #[inline]
    fn table(&self, number: u32, address: u64) -> Option<Table<'_>> {
        let biased = number.checked_add(1 << FIRST_CHUNK_LG2)?;
        let lg2 = biased.ilog2();
        let chunk = self.chunks.get((lg2 - FIRST_CHUNK_LG2) as usize)?;
        let start = ptr::NonNull::new(chunk.load(Acquire))?;
        let offset = (biased - (1 << lg2)) as usize * self.words as usize;
        // INVARIANT: By the type invariant of `Class`.
        Some(Table {
            // SAFETY: By the type invariant of `Class` the chunk has `1 << lg2` tables, of which
            // this is one.
            at: unsafe { start.add(offset) },
            words: self.words,
            address,
            memory: PhantomData,
        })
    }
}

impl Free {
    /// Takes a table, if there is one, and says whether it was never used.
    fn take(&mut self, tables: u32) -> Result<Option<(u32, bool)>> {
        self.allowed = match self.allowed {
            u32::MAX => u32::MAX,
            allowed => allowed.checked_sub(1).ok_or(ENOMEM)?,
        };
        let taken = match self.back.pop() {
            Some(number) => Some((number, false)),
            None if self.fresh < tables => {
                self.fresh += 1;
                Some((self.fresh - 1, true))
            }
            None => {
                // The caller comes again with more memory.
                self.allowed = self.allowed.saturating_add(1);
                None
            }
        };
        self.live += u32::from(taken.is_some());
        Ok(taken)
    }
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
