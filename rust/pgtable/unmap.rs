// SPDX-License-Identifier: GPL-2.0

//! Unmapping.

use super::{
    Format,
    PageTable,
    Slot,
    Store,
    Top, //
};
use crate::{
    iommu::Gather,
    kapi::table_memory::Table, //
};

/// The low bits of a table's address, which are free for what makes a word an empty slot.
const LINK: u64 = !0x7ff;

/// A range that is being unmapped. Both ends are inclusive.
struct Range<'a> {
    last: u64,
    /// What has been unmapped goes up to here; more than was asked, if the end is inside a leaf.
    next: u64,
    gather: &'a mut Gather,
}

impl<F: Format, S: Store> PageTable<F, S> {
    /// Unmaps `len` bytes from `iova` on, up to the first that is not mapped, and returns the bytes
    /// unmapped.
    ///
    /// A range that goes beyond the aperture unmaps nothing, nor does a start inside a leaf. An end
    /// inside a leaf unmaps the whole leaf, which is more than was asked. Tables that the range
    /// covers are cut off and chained to `gather`; after its flush they are to be given to
    /// [`Self::give_back`].
    pub(crate) fn unmap(&self, iova: u64, len: u64, gather: &mut Gather) -> u64 {
        let Top { root, level } = self.top();
        let Some(last) = len.checked_sub(1).and_then(|more| iova.checked_add(more)) else {
            return 0;
        };
        if !self.covers(level, iova) || last > self.last {
            return 0;
        }
        let Some((table, level)) = self.nearest(root, level, iova, last) else {
            return 0;
        };
        let mut range = Range {
            last,
            next: iova,
            gather,
        };
        self.unmap_in(table, level, &mut range);
        let done = range.next.wrapping_sub(iova);
        if done != 0 {
            gather.add_range(iova, done);
        }
        done
    }

    /// Gives tables back that were cut off, once a flush has made hardware forget them.
    pub(crate) fn give_back(&self, gather: &Gather) {
        for table in self.chained(gather) {
            self.store.memory().free(table.address());
        }
    }

    /// The tables that were cut off and chained to `gather`.
    pub(crate) fn chained(&self, gather: &Gather) -> impl Iterator<Item = Table<'_>> + '_ {
        let mut next = gather.tables();
        core::iter::from_fn(move || {
            let table = self.at(next)?;
            next = table.load(0) & LINK;
            Some(table)
        })
    }

    /// The lowest table that has all of a range, and that the range does not cover.
    #[inline]
    fn nearest(&self, root: u64, top: u32, iova: u64, last: u64) -> Option<(Table<'_>, u32)> {
        let levels = self.levels();
        let mut at = (root, top);
        'down: {
            macro_rules! go_down {
                ($($level:literal)+) => {$(
                    if Self::has_level(top, $level) {
                        let item = 1u64.wrapping_shl(F::shift($level)).wrapping_sub(1);
                        let whole = iova & item == 0 && last & item == item;
                        if whole || (iova ^ last).wrapping_shr(F::shift($level)) != 0 {
                            break 'down;
                        }
                        let index = Self::index(iova, $level);
                        let Some(word) = levels.load(at.0, index, $level) else {
                            // There may be more tables by now.
                            break 'down;
                        };
                        match F::slot(word, $level) {
                            Slot::Table(below) => at = (below, $level - 1),
                            Slot::Leaf { .. } | Slot::Empty => break 'down,
                        }
                    }
                )+};
            }
            go_down!(5 4 3 2 1);
        }
        Some((self.at(at.0)?, at.1))
    }

    /// Empties slots from `index` to `end`, up to the first that is not a leaf by itself. Returns
    /// where that is.
    #[inline]
    fn clear(&self, table: Table<'_>, index: u32, end: u32, level: u32) -> u32 {
        let (one, empty) = (F::shift(level), F::empty(level));
        let end = end.min(table.len());
        for at in index..end {
            match F::slot(table.load(at), level) {
                Slot::Leaf { size_lg2 } if size_lg2 == one => self.store.store(table, at, empty),
                Slot::Leaf { .. } | Slot::Table(_) | Slot::Empty => return at,
            }
        }
        end
    }

    /// Unmaps what is in one table. Returns whether to go on behind it.
    fn unmap_in(&self, table: Table<'_>, level: u32, range: &mut Range<'_>) -> bool {
        let start = range.next;
        let first = Self::index(start, level);
        let end = 1u32 << F::index_bits(level);
        let mut index = first;
        while index < end {
            match F::slot(table.load(index), level) {
                Slot::Empty => return false,
                Slot::Leaf { size_lg2 } => {
                    let size = 1u64 << size_lg2;
                    if range.next & (size - 1) != 0 {
                        return false;
                    }
                    if size_lg2 == F::shift(level) {
                        let wanted = (range.last - range.next) >> size_lg2;
                        let until = u64::from(index) + wanted + 1;
                        let next = self.clear(table, index, until.min(end.into()) as u32, level);
                        range.next = range.next.wrapping_add(u64::from(next - index) << size_lg2);
                        index = next;
                        if range.next > range.last || range.next == 0 {
                            return false;
                        }
                        continue;
                    }
                    let next = index + Self::run_mask(size_lg2, level) + 1;
                    for at in index..next.min(table.len()) {
                        self.store.store(table, at, F::empty(level));
                    }
                    index = next;
                    range.next = range.next.wrapping_add(size);
                }
                Slot::Table(address) => {
                    let (Some(below), true) = (self.at(address), level != 0) else {
                        return false;
                    };
                    let (from, item) = (range.next, 1u64 << F::shift(level));
                    let last = from | (item - 1);
                    let covered = last - from == item - 1 && last <= range.last;
                    let go_on = self.unmap_in(below, level - 1, range);
                    let next = last.wrapping_add(1);
                    if covered && range.next == next {
                        self.store.store(table, index, F::empty(level));
                        self.chain(below, level - 1, range.gather);
                    }
                    if !go_on {
                        return false;
                    }
                    // It is there already, but by what words said that may yet be on their way
                    // from memory, and the next ones need not wait for that.
                    range.next = next;
                    index += 1;
                }
            }
            if range.next > range.last || range.next == 0 {
                return false;
            }
        }
        true
    }

    /// Chains a table and all below it to `gather`; nothing is mapped there.
    pub(super) fn cut(&self, address: u64, level: u32, gather: &mut Gather) {
        let Some(table) = self.at(address) else {
            return;
        };
        if level != 0 {
            for index in 0..1u32 << F::index_bits(level) {
                if let Slot::Table(below) = F::slot(table.load(index), level) {
                    self.cut(below, level - 1, gather);
                }
            }
        }
        self.chain(table, level, gather);
    }

    /// Links a table in front of those `gather` has. The link is in a word of the table itself, as
    /// that of an empty slot, of which hardware that still comes here looks at no other bit.
    fn chain(&self, table: Table<'_>, level: u32, gather: &mut Gather) {
        let link = gather.tables() | F::empty(level);
        self.store.store(table, 0, link);
        gather.set_tables(table.address());
    }
}
