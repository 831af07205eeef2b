// SPDX-License-Identifier: GPL-2.0

//! Models of IOMMU hardware. Nothing here knows a driver or a core.

pub(crate) mod plain;
mod walk;

use crate::kapi::table_memory::Table;

/// Where one DMA access of an endpoint ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It is aborted.
    Aborted,
    /// It goes to this physical address.
    Memory(u64),
}

/// Memory that hardware reads page tables from.
pub(crate) trait Memory: Send + Sync {
    /// The table at an address; `None` where an entry that was read torn points to nothing.
    fn table(&self, address: u64) -> Option<Table<'_>>;
}
