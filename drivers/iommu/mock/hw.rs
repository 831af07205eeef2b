// SPDX-License-Identifier: GPL-2.0

//! Models of IOMMU hardware. Nothing here knows a driver or a core.

pub(crate) mod plain;

/// Where one DMA access of an endpoint ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It is aborted.
    Aborted,
    /// It goes to this physical address.
    Memory(u64),
}
