// SPDX-License-Identifier: GPL-2.0

//! Models of IOMMU hardware. Nothing here knows a driver or a core.
//!
//! A family is a [`model::Model`]: pure functions over the words of its tables. A
//! [`machine::Machine`] makes live hardware of it. The plain family is too simple for that.

pub(crate) mod amd;
pub(crate) mod frozen;
pub(crate) mod machine;
pub(crate) mod memory;
pub(crate) mod model;
pub(crate) mod plain;
pub(crate) mod s390;
pub(crate) mod smmuv3;
pub(crate) mod step;
pub(crate) mod vtd;
mod walk;

/// What an access does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// It reads.
    Read,
    /// It writes.
    Write,
}

/// Where one DMA access of an endpoint ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It is aborted.
    Aborted,
    /// It goes to this physical address.
    Memory(u64),
}

impl Reach {
    /// The physical address, where there is one.
    pub(crate) fn memory(self) -> Option<u64> {
        match self {
            Self::Aborted => None,
            Self::Memory(at) => Some(at),
        }
    }
}

/// Memory that hardware reads page tables from.
pub(crate) trait Memory: Send + Sync {
    /// A word of the table at an address; `None` where there is no table, as where an entry that
    /// was read torn points to nothing.
    fn word(&self, table: u64, index: u32) -> Option<u64>;

    /// Replaces such a word, if it is `old` still, in one go: hardware marks what was written.
    /// Returns whether it did.
    fn replace(&self, _table: u64, _index: u32, _old: u64, _new: u64) -> bool {
        false
    }
}
