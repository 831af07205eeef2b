// SPDX-License-Identifier: GPL-2.0

//! Ranges of IOVAs that firmware or the bus reserves for a device.

/// What a reserved range is for. Values of `enum iommu_resv_type` in
/// [`include/linux/iommu.h`](srctree/include/linux/iommu.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RegionKind {
    /// Firmware does DMA there at any time: must stay mapped 1:1, blocking is forbidden.
    Direct,
    /// Mapped 1:1 while the kernel's own drivers use the device; may be given up.
    DirectRelaxable,
    /// Must not be used.
    Reserved,
    /// Interrupts go there.
    Msi,
}

/// One reserved range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region {
    /// First address.
    pub(crate) start: u64,
    /// Bytes.
    pub(crate) size: u64,
    /// What it is for.
    pub(crate) kind: RegionKind,
}
