// SPDX-License-Identifier: GPL-2.0

//! A page table: its root, its geometry, and looking up.

use super::{
    Format,
    Slot,
    Store, //
};
use crate::{
    iommu::{
        Aperture,
        Gather,
        Prot, //
    },
    kapi::{
        new_mutex,
        table_memory::{
            Table,
            TableMemory,
            Tables, //
        },
        Mutex, //
    },
};
use core::{
    marker::PhantomData,
    sync::atomic::{
        AtomicU64,
        Ordering::{
            Acquire,
            Release, //
        }, //
    },
};
use kernel::prelude::*;

/// Root and depth of a page table, as they are entered into a device's table entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Top {
    /// Address of the root.
    pub(crate) root: u64,
    /// Level of the root; one less than the number of levels.
    pub(crate) level: u32,
}

/// Whoever lets hardware walk a page table.
pub(crate) trait User {
    /// Makes hardware forget what `gather` collected, tables included.
    fn flush(&self, gather: &Gather);

    /// Makes hardware use a new top, which the old one hangs under. Only formats with
    /// [`Format::DYNAMIC_TOP`] grow.
    fn top_changed(&self, _top: Top) {}
}

/// A user without hardware.
pub(crate) struct Fixed;

impl User for Fixed {
    fn flush(&self, _gather: &Gather) {}
}

/// A page table of format `F` with words in `S`.
#[pin_data]
pub(crate) struct PageTable<F: Format, S: Store = TableMemory> {
    #[pin]
    pub(super) store: S,
    /// Address of the root, with its level in the low bits.
    top: AtomicU64,
    /// Held while the table grows at the top.
    #[pin]
    pub(super) growing: Mutex<()>,
    max_level: u32,
    /// See the methods of these names.
    page_sizes: u64,
    pub(super) last: u64,
    format: PhantomData<F>,
}

/// The tables of all levels as they are when a walk begins. Those that are added meanwhile it does
/// not find.
#[derive(Clone, Copy)]
pub(super) struct Levels<'a, F> {
    small: Tables<'a>,
    large: Tables<'a>,
    format: PhantomData<F>,
}

impl<'a, F: Format> Levels<'a, F> {
    /// Reads a word of the table of a level at an address.
    #[inline]
    pub(super) fn load(&self, table: u64, index: u32, level: u32) -> Option<u64> {
        self.of(level).load(table, index)
    }

    /// The table of a level at an address.
    #[inline]
    pub(super) fn at(&self, table: u64, level: u32) -> Option<Table<'a>> {
        self.of(level).at(table)
    }

    #[inline]
    fn of(&self, level: u32) -> Tables<'a> {
        match F::class(level) {
            0 => self.small,
            _ => self.large,
        }
    }
}

/// A slot of a leaf.
pub(super) struct Leaf {
    /// Address of its table.
    table: u64,
    pub(super) index: u32,
    pub(super) word: u64,
    level: u32,
    size_lg2: u32,
}

impl<F: Format, S: Store> PageTable<F, S> {
    /// Makes an empty page table with `levels` levels, where that is possible in this format. May
    /// sleep.
    ///
    /// # Errors
    ///
    /// EINVAL where it is not, ENOMEM.
    pub(crate) fn new(levels: u32) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            store <- S::new::<F>(),
            top: AtomicU64::new(0),
            growing <- new_mutex!((), "PageTable::growing"),
            max_level: match F::DYNAMIC_TOP {
                true => F::LEVELS.1,
                false => levels,
            }.checked_sub(1).ok_or(EINVAL)?,
            page_sizes: Self::sizes_of(levels),
            last: Self::last_of(levels),
            format: PhantomData,
        })
        .pin_chain(move |this| {
            if levels < F::LEVELS.0 || levels > F::LEVELS.1 {
                return Err(EINVAL);
            }
            let level = levels - 1;
            let root = this.store.alloc(F::class(level))?;
            this.set_top(Top { root, level });
            Ok(())
        })
    }

    /// Root and depth at the moment.
    #[inline]
    pub(crate) fn top(&self) -> Top {
        let packed = self.top.load(Acquire);
        Top {
            root: packed & !7,
            level: (packed & 7) as u32,
        }
    }

    pub(super) fn set_top(&self, top: Top) {
        self.top.store(top.root | u64::from(top.level), Release);
    }

    /// Page sizes that can be mapped, one bit each.
    #[inline]
    pub(crate) fn page_sizes(&self) -> u64 {
        self.page_sizes
    }

    /// IOVAs that can be mapped, once the table has grown to all its levels.
    #[inline]
    pub(crate) fn aperture(&self) -> Aperture {
        Aperture {
            first: 0,
            last: self.last,
        }
    }

    fn most(levels: u32) -> u32 {
        match F::DYNAMIC_TOP {
            true => F::LEVELS.1,
            false => levels.min(F::LEVELS.1),
        }
    }

    fn last_of(levels: u32) -> u64 {
        let span = Self::span_lg2(Self::most(levels).saturating_sub(1));
        Aperture::bits(span.min(F::VA_BITS) - u32::from(F::SIGN_EXTENDED)).last
    }

    fn sizes_of(levels: u32) -> u64 {
        let all = (0..Self::most(levels)).fold(0, |sizes, level| sizes | F::leaf_sizes(level));
        all & Self::last_of(levels)
    }

    /// The highest level that the root can have.
    pub(super) fn max_level(&self) -> u32 {
        self.max_level
    }

    /// Base-2 logarithm of the bytes that a table of a level covers.
    #[inline]
    pub(super) fn span_lg2(level: u32) -> u32 {
        F::shift(level).wrapping_add(F::index_bits(level))
    }

    /// Index into a table of a level.
    #[inline]
    pub(super) fn index(iova: u64, level: u32) -> u32 {
        let mask = 1u64.wrapping_shl(F::index_bits(level)).wrapping_sub(1);
        (iova.wrapping_shr(F::shift(level)) & mask) as u32
    }

    /// The table at an address that a word of the page table holds.
    #[inline]
    pub(super) fn at(&self, address: u64) -> Option<Table<'_>> {
        self.store.memory().at(address)
    }

    /// The tables that there are at the moment, for a walk.
    #[inline]
    pub(super) fn levels(&self) -> Levels<'_, F> {
        let [small, large] = F::SIZES;
        let memory = self.store.memory();
        let small = memory.tables(0, small);
        let large = match F::class(F::LEVELS.1.wrapping_sub(1)) {
            0 => small,
            class => memory.tables(class, large),
        };
        Levels {
            small,
            large,
            format: PhantomData,
        }
    }

    /// Whether the levels that there are cover an address.
    #[inline]
    pub(super) fn covers(&self, top: u32, iova: u64) -> bool {
        match F::DYNAMIC_TOP {
            // In two steps, as together they may be all bits.
            true => {
                let above = iova.wrapping_shr(F::shift(top));
                above.wrapping_shr(F::index_bits(top)) == 0
            }
            false => iova <= self.last,
        }
    }

    /// Whether there are tables of a level; false at build time where the format has none.
    #[inline]
    pub(super) fn has_level(top: u32, level: u32) -> bool {
        level < F::LEVELS.1 && level <= top
    }

    /// Passes the leaf that maps an address to `found`.
    #[inline(always)]
    fn leaf<R>(&self, iova: u64, found: impl Fn(Leaf) -> R + Copy) -> Option<R> {
        let Top { root, level: top } = self.top();
        if !self.covers(top, iova) {
            return None;
        }
        let levels = self.levels();
        let mut table = root;
        // With levels that are known, shifts and masks are, too.
        macro_rules! go_down {
            ($($top:literal: $($level:literal)+;)+) => {
                match top {
                    $($top if $top < F::LEVELS.1 => {
                        $(
                            let index = Self::index(iova, $level);
                            let Some(word) = levels.load(table, index, $level) else {
                                // There may be more tables by now.
                                return self.leaf_slowly(iova, found);
                            };
                            match F::slot(word, $level) {
                                Slot::Empty => return None,
                                Slot::Leaf { size_lg2 } => {
                                    let level = $level;
                                    let leaf = Leaf { table, index, word, level, size_lg2 };
                                    return Some(found(leaf));
                                }
                                Slot::Table(below) => table = below,
                            }
                        )+
                        // Nothing is below the pages.
                        let _ = table;
                        None
                    })+
                    _ => self.leaf_slowly(iova, found),
                }
            };
        }
        go_down! {
            2: 2 1 0;
            3: 3 2 1 0;
            4: 4 3 2 1 0;
            5: 5 4 3 2 1 0;
        }
    }

    /// Does so with a look at the memory for each table.
    #[cold]
    fn leaf_slowly<R>(&self, iova: u64, found: impl Fn(Leaf) -> R) -> Option<R> {
        let Top {
            root: mut table,
            mut level,
        } = self.top();
        loop {
            let index = Self::index(iova, level);
            let word = self.at(table)?.load(index);
            match F::slot(word, level) {
                Slot::Empty => return None,
                Slot::Leaf { size_lg2 } => {
                    return Some(found(Leaf {
                        table,
                        index,
                        word,
                        level,
                        size_lg2,
                    }));
                }
                Slot::Table(below) => table = below,
            }
            level = level.checked_sub(1)?;
        }
    }

    /// The slot that maps an address.
    pub(super) fn find(&self, iova: u64) -> Option<(Table<'_>, Leaf)> {
        let leaf = self.leaf(iova, |leaf| leaf)?;
        Some((self.at(leaf.table)?, leaf))
    }

    /// The output address behind `iova`. Any context; takes no lock.
    #[inline]
    pub(crate) fn iova_to_phys(&self, iova: u64) -> Option<u64> {
        self.leaf(iova, move |leaf| {
            let Leaf {
                index,
                word,
                level,
                size_lg2,
                ..
            } = leaf;
            let at = index & Self::run_mask(size_lg2, level);
            let oa = F::oa(word, size_lg2, at, level);
            oa | (iova & 1u64.wrapping_shl(size_lg2).wrapping_sub(1))
        })
    }

    /// What a device may do at `iova`.
    pub(crate) fn prot(&self, iova: u64) -> Option<Prot> {
        self.find(iova).map(|(_, leaf)| F::prot(leaf.word))
    }

    /// Tables in use.
    pub(crate) fn tables(&self) -> u32 {
        self.store.memory().live()
    }

    /// The store, e.g. to walk the words as hardware does.
    pub(crate) fn store(&self) -> &S {
        &self.store
    }

    /// Slots of a leaf of `1 << size_lg2` bytes, less one.
    #[inline]
    pub(super) fn run_mask(size_lg2: u32, level: u32) -> u32 {
        1u32.wrapping_shl(size_lg2.wrapping_sub(F::shift(level)))
            .wrapping_sub(1)
    }
}
