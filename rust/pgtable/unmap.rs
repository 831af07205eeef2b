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
    /// A range that goes beyond the aperture unmaps nothing, nor does a start inside a leaf. An end inside a leaf unmaps the whole leaf, which is
    /// more than was asked. Tables that the range covers are cut off and chained to `gather`;
    /// after its flush they are to be given to [`Self::give_back`].
    pub(crate) fn unmap(&self, iova: u64, len: u64, gather: &mut Gather) -> u64 {
        let Top { root, level } = self.top();
        let Some(last) = len.checked_sub(1).and_then(|more| iova.checked_add(more)) else {
            return 0;
        };
        let covered = iova.checked_shr(Self::span_lg2(level)).unwrap_or(0) == 0;
        let (Some(table), true) = (self.at(root), covered && last <= self.aperture().last) else {
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
                    let slots = Self::run_mask(size_lg2, level) + 1;
                    for at in index..index + slots {
                        self.store.store(table, at, F::empty(level));
                    }
                    index += slots;
                    range.next = range.next.wrapping_add(size);
                }
                Slot::Table(address) => {
                    let (Some(below), true) = (self.at(address), level != 0) else {
                        return false;
                    };
                    let item = 1u64 << F::shift(level);
                    let from = range.next;
                    let covered = from & (item - 1) == 0 && range.last - from >= item - 1;
                    let go_on = self.unmap_in(below, level - 1, range);
                    if covered && range.next.wrapping_sub(from) == item {
                        self.store.store(table, index, F::empty(level));
                        self.chain(below, level - 1, range.gather);
                    }
                    if !go_on {
                        return false;
                    }
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
