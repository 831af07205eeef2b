// SPDX-License-Identifier: GPL-2.0

//! Mapping.
//!
//! All memory that a call may need is had before the first word is written, so that a call that
//! runs out of memory leaves no trace.

use super::{
    descend::Spare,
    table::User,
    Format,
    PageTable,
    Slot,
    Store,
    Top, //
};
use crate::{
    iommu::{
        Gather,
        Prot, //
    },
    kapi::{
        errno,
        table_memory::{
            Table,
            CLASSES, //
        },
    },
};
use core::ops::Range;
use kernel::prelude::*;

/// Why a range cannot be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapError {
    /// It is empty, or of a size the format has no leaf for. EINVAL.
    Size,
    /// Neither reading nor writing is allowed. EINVAL.
    NoAccess,
    /// An address is not a multiple of the page size. ENXIO.
    Misaligned,
    /// It wraps. EOVERFLOW.
    Overflow,
    /// An address has more bits than the table or the format. ERANGE.
    TooWide,
    /// Something is mapped. EADDRINUSE.
    Overlap,
    /// ENOMEM.
    NoMemory,
}

impl From<MapError> for Error {
    fn from(error: MapError) -> Self {
        match error {
            MapError::Size | MapError::NoAccess => EINVAL,
            MapError::Misaligned => ENXIO,
            MapError::Overflow => EOVERFLOW,
            MapError::TooWide => ERANGE,
            MapError::Overlap => errno::eaddrinuse(),
            MapError::NoMemory => ENOMEM,
        }
    }
}

/// What [`PageTable::map`] is asked for.
#[derive(Clone, Copy)]
pub(super) struct Request {
    pub(super) iova: u64,
    oa: u64,
    size_lg2: u32,
    /// Level of the leaves.
    pub(super) level: u32,
    /// Bytes.
    pub(super) len: u64,
    prot: Prot,
}

impl<F: Format, S: Store> PageTable<F, S> {
    /// Maps `count` pages of `page` bytes from `iova` on to `oa` on, up to the first that cannot
    /// be. Returns the bytes mapped. May sleep. Other threads may map and unmap other ranges
    /// meanwhile, and look up any.
    ///
    /// # Errors
    ///
    /// See [`MapError`]. Where nothing was mapped, the table is as it was.
    pub(crate) fn map(
        &self,
        user: &impl User,
        iova: u64,
        oa: u64,
        page: u64,
        count: u64,
        prot: Prot,
    ) -> (u64, Result<(), MapError>) {
        let mut done = 0;
        let result = self
            .check(iova, oa, page, count, prot)
            .and_then(|request| self.fill(user, &request, &mut done));
        (done, result)
    }

    #[inline]
    fn check(
        &self,
        iova: u64,
        oa: u64,
        page: u64,
        count: u64,
        prot: Prot,
    ) -> Result<Request, MapError> {
        if prot.0 & Prot::RW.0 == 0 {
            return Err(MapError::NoAccess);
        }
        if count == 0 || !page.is_power_of_two() || self.page_sizes() & page == 0 {
            return Err(MapError::Size);
        }
        if (iova | oa) & (page - 1) != 0 {
            return Err(MapError::Misaligned);
        }
        let len = page.checked_mul(count).ok_or(MapError::Overflow)?;
        let last = iova.checked_add(len - 1).ok_or(MapError::Overflow)?;
        let oa_last = oa.checked_add(len - 1).ok_or(MapError::Overflow)?;
        if last > self.last || oa_last.checked_shr(F::OA_BITS).unwrap_or(0) != 0 {
            return Err(MapError::TooWide);
        }
        let size_lg2 = page.trailing_zeros();
        // Sizes of a level are below those of the next one. Most often it is the smallest.
        let level = match size_lg2 == F::shift(0) {
            true => Some(0),
            false => (0..F::LEVELS.1).find(|level| size_lg2 < F::shift(level + 1)),
        };
        Ok(Request {
            iova,
            oa,
            size_lg2,
            level: level.ok_or(MapError::Size)?,
            len,
            prot,
        })
    }

    #[inline]
    fn fill(&self, user: &impl User, request: &Request, done: &mut u64) -> Result<(), MapError> {
        let Request {
            iova, level, len, ..
        } = *request;
        *done = self.fill_small(request);
        if *done == len {
            return Ok(());
        }
        let last = iova.wrapping_add(len.wrapping_sub(1));
        if Self::in_one_table(iova, last, level) {
            if let Some(table) = self.table_of(iova, level) {
                return self.put(user, table, request, done);
            }
        }
        self.fill_tables(user, request, done)
    }

    #[inline]
    fn in_one_table(iova: u64, last: u64, level: u32) -> bool {
        let differ = iova ^ last;
        differ.checked_shr(Self::span_lg2(level)).unwrap_or(0) == 0
    }

    /// Does as much as can be done in the simplest case, which is most of all: the smallest pages,
    /// in a table that is there. Returns the bytes mapped.
    #[inline]
    fn fill_small(&self, request: &Request) -> u64 {
        const LEVEL: u32 = 0;
        let Request {
            iova,
            oa,
            size_lg2,
            len,
            prot,
            ..
        } = *request;
        let last = iova.wrapping_add(len.wrapping_sub(1));
        if size_lg2 != F::shift(LEVEL) || !Self::in_one_table(iova, last, LEVEL) {
            return 0;
        }
        let Some(table) = self.table_of(iova, LEVEL) else {
            return 0;
        };
        let first = Self::index(iova, LEVEL);
        let end = first.wrapping_add(len.wrapping_shr(size_lg2) as u32);
        let put = self.put_ones(table, first..end, oa, LEVEL, prot);
        u64::from(put.wrapping_sub(first)).wrapping_shl(size_lg2)
    }

    /// The table of a level on the way to `iova`, if it is there.
    #[inline(always)]
    fn table_of(&self, iova: u64, leaves: u32) -> Option<Table<'_>> {
        let Top { root, level: top } = self.top();
        if !self.covers(top, iova) || (F::DYNAMIC_TOP && leaves >= top) {
            return None;
        }
        let levels = self.levels();
        let mut table = root;
        macro_rules! go_down {
            ($($level:literal)+) => {$(
                if Self::has_level(top, $level) && $level > leaves {
                    let word = levels.load(table, Self::index(iova, $level), $level)?;
                    match F::slot(word, $level) {
                        Slot::Table(below) => table = below,
                        Slot::Leaf { .. } | Slot::Empty => return None,
                    }
                }
            )+};
        }
        go_down!(5 4 3 2 1);
        levels.at(table, leaves)
    }

    /// Fills several tables, or tables that have to be made.
    #[inline(never)]
    fn fill_tables(
        &self,
        user: &impl User,
        request: &Request,
        done: &mut u64,
    ) -> Result<(), MapError> {
        let mut spare = Spare {
            store: &self.store,
            tables: [const { KVec::new() }; CLASSES],
            filled: false,
        };
        let Request {
            iova, level, len, ..
        } = *request;
        let last = iova + (len - 1);
        self.grow(user, last, level, request, &mut spare)?;
        let table_of = |iova: u64| iova.checked_shr(Self::span_lg2(level)).unwrap_or(0);
        if table_of(iova) != table_of(last) && !spare.filled {
            spare.fill(self.missing(request))?;
        }
        while *done < len {
            let table = self.descend(iova + *done, request, &mut spare)?;
            self.put(user, table, request, done)?;
        }
        Ok(())
    }

    /// Writes the leaves from `done` on that are in one table.
    #[inline]
    fn put(
        &self,
        user: &impl User,
        table: Table<'_>,
        request: &Request,
        done: &mut u64,
    ) -> Result<(), MapError> {
        let Request {
            iova,
            oa,
            size_lg2,
            level,
            len,
            prot,
        } = *request;
        let first = Self::index(iova.wrapping_add(*done), level);
        let room = 1u32.wrapping_shl(F::index_bits(level)).wrapping_sub(first);
        let wanted = len.wrapping_sub(*done).wrapping_shr(F::shift(level));
        let end = first.wrapping_add(wanted.min(u64::from(room)) as u32);
        let slots = Self::run_mask(size_lg2, level).wrapping_add(1);
        let oa = oa.wrapping_add(*done);
        let mut index = match slots {
            1 => self.put_ones(table, first..end, oa, level, prot),
            _ => first,
        };
        let put = u64::from(index.wrapping_sub(first));
        let mut oa = oa.wrapping_add(put.wrapping_shl(F::shift(level)));
        let mut result = Ok(());
        'leaves: while index < end {
            let leaf_end = index.wrapping_add(slots);
            for at in index..leaf_end {
                let word = table.load(at);
                if !matches!(F::slot(word, level), Slot::Empty) {
                    let mapped = index.wrapping_sub(first);
                    let at_iova = iova + *done + (u64::from(mapped) << F::shift(level));
                    result = self.make_room(user, table, at, word, at_iova, request);
                    if result.is_err() {
                        break 'leaves;
                    }
                }
            }
            for at in 0..slots {
                let word = F::leaf(oa, size_lg2, at, level, prot);
                self.store.store(table, index.wrapping_add(at), word);
            }
            index = leaf_end;
            oa = oa.wrapping_add(1u64.wrapping_shl(size_lg2));
        }
        *done = done.wrapping_add(u64::from(index.wrapping_sub(first)) << F::shift(level));
        result
    }

    /// Writes leaves of one slot, up to the first slot that is not empty. Returns where that is.
    #[inline]
    fn put_ones(
        &self,
        table: Table<'_>,
        slots: Range<u32>,
        mut oa: u64,
        level: u32,
        prot: Prot,
    ) -> u32 {
        let one = F::shift(level);
        let end = slots.end.min(table.len());
        for index in slots.start..end {
            if !matches!(F::slot(table.load(index), level), Slot::Empty) {
                return index;
            }
            let word = F::leaf(oa, one, 0, level, prot);
            self.store.store(table, index, word);
            oa = oa.wrapping_add(1u64.wrapping_shl(one));
        }
        end
    }

    /// Makes a slot empty that is not, which only works out for an empty table.
    #[cold]
    fn make_room(
        &self,
        user: &impl User,
        table: Table<'_>,
        index: u32,
        word: u64,
        iova: u64,
        request: &Request,
    ) -> Result<(), MapError> {
        match F::slot(word, request.level) {
            Slot::Empty => Ok(()),
            Slot::Leaf { .. } => Err(MapError::Overlap),
            Slot::Table(below) => self.drop_empty(user, table, index, below, iova, request),
        }
    }

    /// Cuts off a table in the way of a leaf, if nothing is mapped below, and flushes, as hardware
    /// may have cached the way to it.
    fn drop_empty(
        &self,
        user: &impl User,
        table: Table<'_>,
        index: u32,
        below: u64,
        iova: u64,
        request: &Request,
    ) -> Result<(), MapError> {
        let level = request.level;
        if !self.is_empty(below, level - 1) {
            return Err(MapError::Overlap);
        }
        self.store.store(table, index, F::empty(level));
        let mut gather = Gather::default();
        self.cut(below, level - 1, &mut gather);
        gather.add_range(iova, 1 << request.size_lg2);
        user.flush(&gather);
        self.give_back(&gather);
        Ok(())
    }

    /// Whether no leaf is below the table of a level.
    fn is_empty(&self, address: u64, level: u32) -> bool {
        let Some(table) = self.at(address) else {
            return true;
        };
        (0..1u32 << F::index_bits(level)).all(|index| match F::slot(table.load(index), level) {
            Slot::Empty => true,
            Slot::Leaf { .. } => false,
            Slot::Table(below) => level != 0 && self.is_empty(below, level - 1),
        })
    }
}
