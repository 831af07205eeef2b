// SPDX-License-Identifier: GPL-2.0

//! Memory for page tables, addressed as hardware does.
//!
//! Every table has an address in a space of its own, which entries of other tables hold and which
//! the hardware models look up. An address that is wrong, because an entry was read torn, finds no
//! table or another one, but never memory that is none.
//!
//! Memory that was a table once stays one until all of it goes, so that readers need no lock: at
//! worst they see a table that is used for something else by then.

mod area;
mod pieces;
mod window;

pub(crate) use area::{
    Table,
    Tables, //
};

use self::{
    pieces::Pieces,
    window::Window, //
};
use core::{
    ptr,
    sync::atomic::{
        fence,
        AtomicPtr,
        AtomicU64,
        Ordering::{
            self,
            Acquire,
            Relaxed,
            Release, //
        }, //
    },
};
use kernel::{
    new_mutex,
    new_spinlock, //
    prelude::*,
    sync::{
        Mutex,
        SpinLock, //
    },
};

// The atomics of `core`, as each access by those of the `kernel` crate calls a C function: this
// memory is read several times for each page that is mapped. A relaxed access is what READ_ONCE()
// and WRITE_ONCE() do, and the words of a table are shared with no C code.

/// Sizes of tables that one memory can hold.
pub(crate) const CLASSES: usize = 2;

/// Base-2 logarithm of the bytes of addresses that the tables of a class have: the bits above are
/// the number of the class and then those of the window.
const CLASS_SHIFT: u32 = 31;

/// Sizes of tables that there can be: up to 2048 words.
const SIZES: usize = 12;

/// Base-2 logarithm of the tables that a class has memory for at first, and at most.
const FIRST_TABLES_LG2: u32 = 3;
const MOST_TABLES_LG2: u32 = 15;

/// See the module.
#[pin_data]
pub(crate) struct TableMemory {
    window: Window,
    #[pin]
    small: Class,
    #[pin]
    large: Class,
}

/// Tables of one size, one behind the other.
///
/// # Invariants
///
/// Each of `limits` is 0, or it is that of `words_lg2`. Then `at` points to at least so many bytes
/// of words that are initialised, and live and stay in place as long as the [`TableMemory`], and
/// they are a multiple of the size of `1 << words_lg2` words. Whoever sees a limit sees that `at`
/// or a later one, behind which are the same words and more.
#[pin_data]
struct Class {
    /// By the size that is asked for, so that whoever asks for another one finds none.
    limits: [AtomicU64; SIZES],
    at: AtomicPtr<AtomicU64>,
    /// Base-2 logarithm of the words of a table.
    words_lg2: u32,
    number: usize,
    /// What a new table is filled with.
    empty: u64,
    #[pin]
    free: SpinLock<Free>,
    /// What `at` points to.
    #[pin]
    pieces: Mutex<Pieces>,
}

struct Free {
    /// Numbers of tables that were given back. Has room for all tables there are.
    back: KVVec<u32>,
    /// Number of the first table that was never handed out.
    fresh: u32,
    /// Tables handed out.
    live: u32,
    /// Allocations that still succeed, for tests.
    allowed: u32,
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
            window: Window::take(),
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
        let class = self.class(class);
        let (number, fresh) = loop {
            let tables = class.tables();
            if let Some(taken) = class.free.lock().take(tables)? {
                break taken;
            }
            class.grow(tables)?;
        };
        let offset = (class.number << CLASS_SHIFT) as u64 + u64::from(number) * class.bytes();
        let address = self.window.start() | offset;
        if let Some(table) = self.at(address) {
            // New memory is zero.
            if !fresh || class.empty != 0 {
                for index in 0..table.len() {
                    table.store(index, class.empty);
                }
            }
        }
        Ok(address)
    }

    /// Takes a table back.
    pub(crate) fn free(&self, address: u64) {
        if let (Some(class), true) = (self.class_of(address), self.at(address).is_some()) {
            let offset = address & ((1 << CLASS_SHIFT) - 1);
            class.give_back(class.tables_in(offset));
        }
    }

    /// The table at an address, whether or not it is handed out. This is also how hardware reads.
    #[inline]
    pub(crate) fn at(&self, address: u64) -> Option<Table<'_>> {
        self.class_of(address)?.tables_with(address).at(address)
    }

    /// The tables of a class that there are at the moment, for a walk: none if `size` is not
    /// theirs. It is known at build time, so that finding a table takes little.
    #[inline]
    pub(crate) fn tables(&self, class: usize, size: TableSize) -> Tables<'_> {
        Tables::new(self.class(class), size.words_lg2)
    }

    /// Reads the word that is `index` words behind an address, in whatever table.
    #[inline]
    pub(crate) fn load(&self, address: u64, index: u32) -> Option<u64> {
        let word = address.checked_add(u64::from(index) << 3)?;
        let tables = self.class_of(word)?.tables_with(word);
        tables.load(word, (word >> 3) as u32 & (tables.words() - 1))
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

    #[inline]
    fn class(&self, class: usize) -> &Class {
        match class {
            0 => &self.small,
            _ => &self.large,
        }
    }

    /// The class of a table's address; none outside of the window.
    #[inline]
    fn class_of(&self, address: u64) -> Option<&Class> {
        match (address ^ self.window.start()) >> CLASS_SHIFT {
            0 => Some(&self.small),
            1 => Some(&self.large),
            _ => None,
        }
    }
}

impl Class {
    fn new(number: usize, size: TableSize) -> impl PinInit<Self> {
        let free = Free {
            back: KVVec::new(),
            fresh: 0,
            live: 0,
            allowed: u32::MAX,
        };
        // INVARIANT: All limits are 0.
        pin_init!(Self {
            limits: [const { AtomicU64::new(0) }; SIZES],
            at: AtomicPtr::new(ptr::null_mut()),
            words_lg2: size.words_lg2,
            number,
            empty: size.empty,
            free <- new_spinlock!(free, "TableMemory::free"),
            pieces <- new_mutex!(Pieces::default(), "TableMemory::pieces"),
        })
    }

    /// Bytes of a table.
    #[inline]
    fn bytes(&self) -> u64 {
        8 << self.words_lg2
    }

    /// Tables in so many bytes.
    fn tables_in(&self, bytes: u64) -> u32 {
        (bytes >> (self.words_lg2 + 3)) as u32
    }

    /// Bytes of all tables that there are, if they have so many words; else 0.
    #[inline]
    fn limit(&self, words_lg2: u32, ordering: Ordering) -> u64 {
        let limit = self.limits.get(words_lg2 as usize);
        limit.map_or(0, |limit| limit.load(ordering))
    }

    /// The tables that there are, with that at an address if there is one.
    #[inline]
    fn tables_with(&self, address: u64) -> Tables<'_> {
        let tables = Tables::new(self, self.words_lg2);
        if tables.has(address) {
            return tables;
        }
        // Whoever had the address out of a word sees at least the memory that was there then.
        fence(Acquire);
        Tables::new(self, self.words_lg2)
    }

    fn give_back(&self, number: u32) {
        let mut free = self.free.lock();
        free.live = free.live.saturating_sub(1);
        // There is room for all.
        let _ = free.back.push_within_capacity(number);
    }

    /// Number of tables that there is memory for.
    fn tables(&self) -> u32 {
        self.tables_in(self.limit(self.words_lg2, Relaxed))
    }

    /// Adds as many tables as there are, unless another thread was faster. May sleep.
    fn grow(&self, present: u32) -> Result {
        let mut pieces = self.pieces.lock();
        if self.tables() != present {
            return Ok(());
        }
        let added = present.max(1 << FIRST_TABLES_LG2);
        let tables = present + added;
        let limit = self.limits.get(self.words_lg2 as usize).ok_or(EINVAL)?;
        if tables > 1 << MOST_TABLES_LG2 {
            return Err(ENOMEM);
        }
        let back = KVVec::with_capacity(tables as usize, GFP_KERNEL)?;
        let all = pieces.add((added as usize) << self.words_lg2)?;
        let old = {
            let mut free = self.free.lock();
            let old = core::mem::replace(&mut free.back, back);
            for number in &old {
                let _ = free.back.push_within_capacity(*number);
            }
            old
        };
        // INVARIANT: `all` points to all pieces, which are multiples of tables, are initialised
        // and live as long as `pieces`. The pointer is stored first.
        self.at.store(all, Relaxed);
        limit.store(u64::from(tables) * self.bytes(), Release);
        // Not under the lock: giving much memory back may sleep.
        drop(old);
        Ok(())
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
