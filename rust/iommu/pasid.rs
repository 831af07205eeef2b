// SPDX-License-Identifier: GPL-2.0

//! Process Address Space IDs.

use kernel::prelude::*;

/// A PASID. Never 0, which is the value that stands for DMA without a PASID (RID).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pasid(core::num::NonZeroU32);

impl Pasid {
    /// Checks a number.
    ///
    /// # Errors
    ///
    /// EINVAL for 0, as [`iommu_attach_device_pasid()`](srctree/drivers/iommu/iommu.c) answers.
    pub(crate) fn new(number: u32) -> Result<Self> {
        Ok(Self(core::num::NonZeroU32::new(number).ok_or(EINVAL)?))
    }

    /// The number.
    pub(crate) fn get(self) -> u32 {
        self.0.get()
    }
}
