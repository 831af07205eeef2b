// SPDX-License-Identifier: GPL-2.0

//! Looking at all words of a page table.

use super::{
    table::Top,
    Format,
    PageTable,
    Slot,
    Store, //
};
use kernel::prelude::*;

/// Is given a table: its address, how many words it has, and how to read them.
pub(crate) type Visitor<'a> = dyn FnMut(u64, u32, &dyn Fn(u32) -> u64) -> Result + 'a;

impl<F: Format, S: Store> PageTable<F, S> {
    /// Calls `visit` for every table, root first. Nobody may change the page table meanwhile.
    ///
    /// # Errors
    ///
    /// Those of `visit`.
    pub(crate) fn for_each_table(&self, visit: &mut Visitor<'_>) -> Result {
        let Top { root, level } = self.top();
        self.visit(root, level, visit)
    }

    fn visit(&self, address: u64, level: u32, visit: &mut Visitor<'_>) -> Result {
        let Some(table) = self.at(address) else {
            return Ok(());
        };
        visit(address, table.len(), &|index| table.load(index))?;
        let Some(below) = level.checked_sub(1) else {
            return Ok(());
        };
        for index in 0..table.len() {
            if let Slot::Table(address) = F::slot(table.load(index), level) {
                self.visit(address, below, visit)?;
            }
        }
        Ok(())
    }
}
