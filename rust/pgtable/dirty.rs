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
    /// Calls `found` with start and size of every dirty leaf that begins in `iova..=last`, and
    /// cleans it where `clean` is set; hardware has to be made to forget it then.
    pub(crate) fn dirty(&self, iova: u64, last: u64, clean: bool, mut found: impl FnMut(u64, u64)) {
        let Top { root, level } = self.top();
        if let Some(table) = self.at(root).filter(|_| F::DIRTY) {
            self.dirty_in(table, level, 0, (iova, last), clean, &mut found);
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
        found: &mut impl FnMut(u64, u64),
    ) {
        let (start, last) = range;
        let item = 1u64 << F::shift(level);
        let mut index = 0;
        while index < 1u32 << F::index_bits(level) {
            let at = base + u64::from(index) * item;
            let mut slots = 1;
            if at > last {
                return;
            }
            match F::slot(table.load(index), level) {
                Slot::Empty => (),
                Slot::Table(below) => {
                    if let Some(below) = self.at(below).filter(|_| level != 0) {
                        if at + (item - 1) >= start {
                            self.dirty_in(below, level - 1, at, range, clean, found);
                        }
                    }
                }
                Slot::Leaf { size_lg2 } => {
                    slots = Self::run_mask(size_lg2, level) + 1;
                    if at >= start && self.collect(table, index, slots, clean) {
                        found(at, 1 << size_lg2);
                    }
                }
            }
            index += slots;
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
