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
mod window;

pub(crate) use area::{
    Near,
    Table, //
};

use self::{
    area::Area,
    window::Window, //
};
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

/// Where the first chunk is in the window of the memory; the others lie below it, one after the
/// other. So this is a bit that the addresses of the first chunk have, and no others.
const FIRST: u64 = Window::SIZE / 2;

/// Base-2 logarithm of the bytes of addresses that a chunk has: the largest, of tables of 16 KiB.
const CHUNK_SHIFT: u32 = 28;

/// The first chunk of a class has this many tables, each further one twice as many as the last.
const FIRST_CHUNK_LG2: u32 = 3;
const FIRST_TABLES: u64 = 1 << FIRST_CHUNK_LG2;

/// Sizes of tables in the first chunk that a walk keeps at hand: up to 2048 words.
const FIRST_SIZES: usize = 12;

/// Chunks of a class.
const CHUNKS: usize = 12;

/// See the module.
#[pin_data]
pub(crate) struct TableMemory {
    window: Window,
    first: First,
    /// Those of one class after the other.
    chunks: [Chunk; CLASSES * CHUNKS],
    #[pin]
    small: Class,
    #[pin]
    large: Class,
}

/// The first chunk once more, as [`Near`] needs it.
///
/// # Invariants
///
/// Each of `below` is more than any address, or [`FIRST`] less 1; then neither that nor `biased`
/// changes any more, and [`FIRST`] bytes behind `biased` are the [`FIRST_TABLES`] tables of the
/// first chunk, which have `1 << n` words, `n` being the index in `below`.
struct First {
    /// By size, so that whoever asks with one that is not that of these tables finds none.
    below: [AtomicU64; FIRST_SIZES],
    biased: AtomicPtr<AtomicU64>,
}

/// Memory for a number of tables.
///
/// # Invariants
///
/// `limit` is 0, or `at` points to `limit` bytes of words that are initialised, and live and stay
/// in place as long as the [`TableMemory`]; then neither changes any more. `limit` is a multiple of
/// the size of `words` words, which is a power of two.
struct Chunk {
    limit: AtomicU64,
    at: AtomicPtr<AtomicU64>,
    /// Words of a table.
    words: u32,
}

/// Tables of one size.
#[pin_data]
struct Class {
    /// Number of its first chunk.
    chunk: usize,
    /// Words of a table.
    words: u32,
    /// What a new table is filled with.
    empty: u64,
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
            // INVARIANT: All of `below` are more than any address.
            first: First {
                below: [const { AtomicU64::new(u64::MAX) }; FIRST_SIZES],
                biased: AtomicPtr::new(ptr::null_mut()),
            },
            chunks: core::array::from_fn(|number| {
                // INVARIANT: The limit is 0.
                Chunk {
                    limit: AtomicU64::new(0),
                    at: AtomicPtr::new(ptr::null_mut()),
                    words: if number < CHUNKS { small.words() } else { large.words() },
                }
            }),
            small <- Class::new(0, small),
            large <- Class::new(CHUNKS, large),
        })
    }

    /// Hands out an empty table of a class and returns its address. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn alloc(&self, class: usize) -> Result<u64> {
        let class = self.class(class);
        let chunks = self.chunks.get(class.chunk..).unwrap_or(&[]);
        let (number, fresh) = loop {
            if let Some(taken) = class.free.lock().take(class.tables(chunks))? {
                break taken;
            }
            class.add_chunk(chunks)?;
            self.bring_near();
        };
        let address = self.window.start() | class.place(number);
        if let Some(table) = self.at(address) {
            // New memory is zero.
            if !fresh || class.empty != 0 {
                for index in 0..class.words {
                    table.store(index, class.empty);
                }
            }
        }
        Ok(address)
    }

    /// Takes a table back.
    pub(crate) fn free(&self, address: u64) {
        let (chunk, offset) = self.split(address);
        if self.at(address).is_some() {
            let class = self.class(chunk / CHUNKS);
            class.give_back(class.number(chunk - class.chunk, offset));
        }
    }

    /// The table at an address, whether or not it is handed out. This is also how hardware reads.
    #[inline]
    pub(crate) fn at(&self, address: u64) -> Option<Table<'_>> {
        let (number, offset) = self.split(address);
        let area = self.chunks.get(number)?.area();
        area.table(offset, address)
    }

    /// Where to look up what a walk of a page table comes to, whose tables are of this size.
    #[inline]
    pub(crate) fn near(&self, size: TableSize) -> Near<'_> {
        Near::new(self, size)
    }

    /// Reads the word that is `index` words behind an address, in whatever table.
    #[inline]
    pub(crate) fn load(&self, address: u64, index: u32) -> Option<u64> {
        let (number, offset) = self.split(address);
        let area = self.chunks.get(number)?.area();
        area.load(offset.wrapping_add(u64::from(index) << 3))
    }

    /// Lets [`Near`] know of the first chunk, if it is there.
    fn bring_near(&self) {
        let [chunk, ..] = &self.chunks;
        let Area { limit, at, .. } = chunk.area();
        let below = self.first.below.get(chunk.words.trailing_zeros() as usize);
        if let (Some(below), true) = (below, limit != 0) {
            // INVARIANT: By that of `Chunk`; this is its final size, and whoever comes second
            // stores the same. Whoever sees `below` sees the pointer.
            let biased = at.wrapping_byte_sub(FIRST as usize);
            self.first.biased.store(biased, Relaxed);
            below.store(FIRST - 1, Release);
        }
    }

    /// The number of the chunk of an address, which may be none, and the byte in it.
    #[inline]
    fn split(&self, address: u64) -> (usize, u64) {
        let inside = (1 << CHUNK_SHIFT) - 1;
        let place = address ^ self.window.start();
        let behind = (FIRST | inside).wrapping_sub(place);
        ((behind >> CHUNK_SHIFT) as usize, address & inside)
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
}

impl Chunk {
    /// The memory that is there by now.
    #[inline]
    fn area(&self) -> Area<'_> {
        // INVARIANT: By that of `Chunk`, as the limit is loaded first: unless it is 0, the pointer
        // is the one that was stored before it.
        Area {
            limit: self.limit.load(Acquire),
            at: self.at.load(Relaxed),
            words: self.words,
            memory: PhantomData,
        }
    }
}

impl Class {
    fn new(chunk: usize, size: TableSize) -> impl PinInit<Self> {
        let free = Free {
            backing: KVec::new(),
            back: KVVec::new(),
            fresh: 0,
            live: 0,
            allowed: u32::MAX,
        };
        pin_init!(Self {
            chunk,
            words: size.words(),
            empty: size.empty,
            free <- new_spinlock!(free, "TableMemory::free"),
        })
    }

    /// Where a table is in the window, by number: the first chunk has the first ones.
    fn place(&self, number: u32) -> u64 {
        let biased = u64::from(number) + (1 << FIRST_CHUNK_LG2);
        let lg2 = biased.ilog2();
        let chunk = u64::from(lg2 - FIRST_CHUNK_LG2) + self.chunk as u64;
        let offset = (biased - (1 << lg2)) * u64::from(self.words) * 8;
        FIRST - (chunk << CHUNK_SHIFT) + offset
    }

    /// The number of the table that is so many bytes into a chunk of this class.
    fn number(&self, chunk: usize, offset: u64) -> u32 {
        let before = ((1 << chunk) - 1) << FIRST_CHUNK_LG2;
        before + (offset >> (self.words.trailing_zeros() + 3)) as u32
    }

    fn give_back(&self, number: u32) {
        let mut free = self.free.lock();
        free.live = free.live.saturating_sub(1);
        // There is room for all.
        let _ = free.back.push_within_capacity(number);
    }

    /// Number of tables that there is memory for.
    fn tables(&self, chunks: &[Chunk]) -> u32 {
        let chunks = chunks.iter().take(CHUNKS);
        let count = chunks.take_while(|c| c.limit.load(Relaxed) != 0).count() as u32;
        ((1 << count) - 1) << FIRST_CHUNK_LG2
    }

    /// Adds memory, outside of the lock; another thread may do the same.
    fn add_chunk(&self, chunks: &[Chunk]) -> Result {
        let tables = self.tables(chunks);
        let number = ((tables >> FIRST_CHUNK_LG2) + 1).trailing_zeros() as usize;
        let chunk = chunks
            .get(number)
            .filter(|_| number < CHUNKS)
            .ok_or(ENOMEM)?;
        let added = 1usize << (FIRST_CHUNK_LG2 as usize + number);
        let mut memory = KVVec::from_elem(0u64, added * self.words as usize, GFP_KERNEL)?;
        let back = KVVec::with_capacity(tables as usize + added, GFP_KERNEL)?;
        let mut backing = KVec::with_capacity(number + 1, GFP_KERNEL)?;

        let mut free = self.free.lock();
        if chunk.limit.load(Relaxed) != 0 {
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
        // whose elements move, but not what they point to. Whoever sees the limit sees the pointer.
        chunk.at.store(words, Relaxed);
        chunk
            .limit
            .store((added * self.words as usize * 8) as u64, Release);
        // Not under the lock: giving much memory back may sleep.
        drop(free);
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
