// SPDX-License-Identifier: GPL-2.0

//! Getting to the table that a mapping goes into, and making what is missing on the way.

use super::{
    map::{
        MapError,
        Request, //
    },
    table::User,
    Format,
    PageTable,
    Slot,
    Store,
    Top, //
};
use crate::kapi::table_memory::{
    Table,
    CLASSES, //
};
use core::ops::Range;
use kernel::prelude::*;

/// Tables that a call may yet need.
pub(super) struct Spare<'a, S: Store> {
    pub(super) store: &'a S,
    pub(super) tables: [KVec<u64>; CLASSES],
    pub(super) filled: bool,
}

impl<S: Store> Spare<'_, S> {
    /// Gets all tables that a call can need, by class.
    pub(super) fn fill(&mut self, needed: [u64; CLASSES]) -> Result<(), MapError> {
        self.filled = true;
        for (class, (tables, needed)) in self.tables.iter_mut().zip(needed).enumerate() {
            let room = usize::try_from(needed).map_err(|_| MapError::NoMemory)?;
            tables
                .reserve(room, GFP_KERNEL)
                .map_err(|_| MapError::NoMemory)?;
            for _ in 0..needed {
                let new = self.store.alloc(class).map_err(|_| MapError::NoMemory)?;
                let _ = tables.push_within_capacity(new);
            }
        }
        Ok(())
    }

    fn take(&mut self, class: usize) -> Result<u64, MapError> {
        let table = self.tables.get_mut(class).and_then(KVec::pop);
        table.ok_or(MapError::NoMemory)
    }

    fn give(&mut self, class: usize, table: u64) {
        match self.tables.get_mut(class) {
            // It was taken from here, so there is room.
            Some(tables) => drop(tables.push_within_capacity(table)),
            None => self.store.memory().free(table),
        }
    }
}

impl<S: Store> Drop for Spare<'_, S> {
    fn drop(&mut self) {
        for table in self.tables.iter().flatten() {
            self.store.memory().free(*table);
        }
    }
}

impl<F: Format, S: Store> PageTable<F, S> {
    /// The table of the leaves' level for `iova`, made where there is none.
    #[inline]
    pub(super) fn descend(
        &self,
        iova: u64,
        request: &Request,
        spare: &mut Spare<'_, S>,
    ) -> Result<Table<'_>, MapError> {
        let Top { root, mut level } = self.top();
        let mut table = self.at(root).ok_or(MapError::NoMemory)?;
        while level > request.level {
            let index = Self::index(iova, level);
            let word = table.load(index);
            let below = match F::slot(word, level) {
                Slot::Table(below) => below,
                Slot::Leaf { .. } => return Err(MapError::Overlap),
                Slot::Empty => self.install(table, index, word, level, request, spare)?,
            };
            table = self.at(below).ok_or(MapError::NoMemory)?;
            level -= 1;
        }
        Ok(table)
    }

    /// Puts an empty table into an empty slot, or finds that another thread was faster.
    #[cold]
    fn install(
        &self,
        table: Table<'_>,
        index: u32,
        empty: u64,
        level: u32,
        request: &Request,
        spare: &mut Spare<'_, S>,
    ) -> Result<u64, MapError> {
        if !spare.filled {
            let mut missing = [0; CLASSES];
            Self::add_tables(&mut missing, 0, 0, request.level..level);
            spare.fill(missing)?;
        }
        let class = F::class(level - 1);
        let new = spare.take(class)?;
        match self
            .store
            .replace(table, index, empty, F::table(new, level))
        {
            Ok(()) => Ok(new),
            Err(present) => {
                spare.give(class, new);
                match F::slot(present, level) {
                    Slot::Table(below) => Ok(below),
                    Slot::Empty | Slot::Leaf { .. } => Err(MapError::Overlap),
                }
            }
        }
    }

    /// The tables that a request needs and that are not there, by class. No other thread cuts any
    /// off that are, as only a range that covers a table does.
    pub(super) fn missing(&self, request: &Request) -> [u64; CLASSES] {
        let Request {
            iova, level, len, ..
        } = *request;
        let last = iova + (len - 1);
        let mut missing = [0; CLASSES];
        let mut from = iova;
        while let Some(empty) = self.lowest_above(from, level) {
            let item = (1u64 << F::shift(empty.max(level + 1))) - 1;
            let end = last.min(from | item);
            Self::add_tables(&mut missing, from, end, level..empty);
            if end == last {
                break;
            }
            from = end + 1;
        }
        missing
    }

    /// The level of the empty slot on the way to `level`, or `level` if there is none, or nothing
    /// if there is a leaf, where mapping ends.
    fn lowest_above(&self, iova: u64, level: u32) -> Option<u32> {
        let Top {
            root,
            level: mut at,
        } = self.top();
        let mut table = self.at(root)?;
        while at > level {
            match F::slot(table.load(Self::index(iova, at)), at) {
                Slot::Table(below) => table = self.at(below)?,
                Slot::Leaf { .. } => return None,
                Slot::Empty => return Some(at),
            }
            at -= 1;
        }
        Some(level)
    }

    /// Adds the number of tables of some levels that a range of addresses goes through.
    fn add_tables(missing: &mut [u64; CLASSES], from: u64, last: u64, levels: Range<u32>) {
        for level in levels {
            let number = |iova: u64| iova.checked_shr(Self::span_lg2(level)).unwrap_or(0);
            if let Some(missing) = missing.get_mut(F::class(level)) {
                *missing += number(last) - number(from) + 1;
            }
        }
    }

    /// Adds levels at the top until `last` is covered and leaves of `level` are below the root.
    #[inline]
    pub(super) fn grow(
        &self,
        user: &impl User,
        last: u64,
        level: u32,
        request: &Request,
        spare: &mut Spare<'_, S>,
    ) -> Result<(), MapError> {
        let fits = |top: Top| {
            let covered = last.checked_shr(Self::span_lg2(top.level)).unwrap_or(0) == 0;
            covered && (level < top.level || !F::DYNAMIC_TOP)
        };
        if fits(self.top()) {
            return Ok(());
        }
        self.add_levels(user, request, spare, fits)
    }

    #[cold]
    fn add_levels(
        &self,
        user: &impl User,
        request: &Request,
        spare: &mut Spare<'_, S>,
        fits: impl Fn(Top) -> bool,
    ) -> Result<(), MapError> {
        let _growing = self.growing.lock();
        let start = self.top();
        let mut roots = [0; 8];
        let mut top = start;
        let mut result = Ok(());
        // Everything that can fail, first.
        while !fits(top) && result.is_ok() {
            let level = top.level + 1;
            if level > self.max_level() {
                result = Err(MapError::TooWide);
                break;
            }
            match self.store.alloc(F::class(level)) {
                Ok(root) => {
                    if let Some(slot) = roots.get_mut(level as usize) {
                        *slot = root;
                    }
                    top = Top { root, level };
                }
                Err(_) => result = Err(MapError::NoMemory),
            }
        }
        let result = result.and_then(|()| {
            let mut missing = [0; CLASSES];
            let last = request.iova + (request.len - 1);
            Self::add_tables(&mut missing, request.iova, last, request.level..top.level);
            spare.fill(missing)
        });
        if result.is_err() {
            for root in roots.into_iter().filter(|root| *root != 0) {
                self.store.memory().free(root);
            }
            return result;
        }
        let mut under = start;
        for (level, root) in (0u32..).zip(roots).filter(|(_, root)| *root != 0) {
            if let Some(table) = self.at(root) {
                self.store.store(table, 0, F::table(under.root, level));
            }
            under = Top { root, level };
        }
        if under != start {
            // Hardware first: nothing is mapped by the new levels until they are published.
            user.top_changed(under);
            self.set_top(under);
        }
        Ok(())
    }
}
