// SPDX-License-Identifier: GPL-2.0

//! Which pages hardware has written to.

use super::{
    table::Leaf,
    Format,
    PageTable,
    Slot,
    Store,
    Top, //
};
use crate::kapi::table_memory::Table;

impl<F: Format, S: Store> PageTable<F, S> {
    /// Calls `found` with start and size of every dirty leaf that overlaps `iova..=last`. Where
    /// `clean` is set it cleans those that are in there as a whole; hardware has to be made to
    /// forget them then.
    pub(crate) fn dirty(&self, iova: u64, last: u64, clean: bool, found: &mut dyn FnMut(u64, u64)) {
        let Top { root, level } = self.top();
        if let Some(table) = self.at(root).filter(|_| F::DIRTY) {
            self.dirty_in(table, level, 0, (iova, last), clean, found);
        }
    }

    /// Marks the slot that maps `iova` as written to, as hardware does. Returns whether there is
    /// one that can be.
    pub(crate) fn write_by_hardware(&self, iova: u64) -> bool {
        while let Some((table, Leaf { index, word, .. })) = self.find(iova) {
            let written = F::dirtied(word);
            // Of a slot that changed meanwhile hardware looks at the new word.
            if table.replace(index, word, written).is_ok() {
                return F::is_dirty(written);
            }
        }
        false
    }

    fn dirty_in(
        &self,
        table: Table<'_>,
        level: u32,
        base: u64,
        range: (u64, u64),
        clean: bool,
        found: &mut dyn FnMut(u64, u64),
    ) {
        let (start, last) = range;
        // What the table covers may end where addresses do.
        let offset = |of: u64| of.saturating_sub(base).wrapping_shr(F::shift(level));
        let end = offset(last).min((1 << F::index_bits(level)) - 1);
        let mut index = offset(start);
        while index <= end {
            let at = base | index.wrapping_shl(F::shift(level));
            // CAST: An index has few bits.
            let slot = index as u32;
            index += 1;
            match F::slot(table.load(slot), level) {
                Slot::Empty => (),
                Slot::Table(below) => {
                    if let Some(below) = self.at(below).filter(|_| level != 0) {
                        self.dirty_in(below, level - 1, at, range, clean, found);
                    }
                }
                Slot::Leaf { size_lg2 } => {
                    let mask = Self::run_mask(size_lg2, level);
                    let size = 1u64.wrapping_shl(size_lg2);
                    let at = at & !(size - 1);
                    let whole = start <= at && size - 1 <= last - at;
                    if self.collect(table, slot & !mask, mask + 1, clean && whole) {
                        found(at, size);
                    }
                    index = u64::from(slot | mask) + 1;
                }
            }
        }
    }

    /// Whether any slot of a leaf is dirty; cleans them all.
    fn collect(&self, table: Table<'_>, index: u32, slots: u32, clean: bool) -> bool {
        let mut dirty = false;
        for at in index..index + slots {
            let mut word = table.load(at);
            while F::is_dirty(word) {
                dirty = true;
                if !clean {
                    break;
                }
                // Hardware may write again meanwhile.
                match self.store.replace(table, at, word, F::clean(word)) {
                    Ok(()) => break,
                    Err(now) => word = now,
                }
            }
        }
        dirty
    }
}
