// SPDX-License-Identifier: GPL-2.0

//! Which pages were written to, as iommufd asks for it.

use super::{
    super::{
        endpoint::Endpoint,
        ffi, //
    },
    domain::UserDomain, //
};
use kernel::{
    bindings,
    error::to_result,
    prelude::*, //
};

impl Endpoint {
    /// Whether the core says that what the device writes can be tracked.
    pub(crate) fn tracks_writes(&self) -> bool {
        let cap = bindings::iommu_cap_IOMMU_CAP_DIRTY_TRACKING;
        // SAFETY: The device of an endpoint is valid and probed.
        unsafe { bindings::device_iommu_capable(self.device(), cap) }
    }
}

impl UserDomain {
    /// Starts or ends tracking. May sleep.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP where the domain was allocated without; else the driver's.
    pub(crate) fn set_dirty_tracking(&self, enable: bool) -> Result {
        // SAFETY: The domain is valid.
        to_result(unsafe { ffi::dirty_set(self.as_raw(), enable) })
    }

    /// First and last address of what was written in a range, which counts as not written to from
    /// then on, unless `keep` is set.
    ///
    /// # Errors
    ///
    /// Those of [`Self::set_dirty_tracking`].
    pub(crate) fn written(
        &self,
        iova: usize,
        size: usize,
        keep: bool,
    ) -> Result<Option<(usize, usize)>> {
        let (mut first, mut last) = (0, 0);
        // SAFETY: The domain is valid, and the rest is written to before this returns.
        to_result(unsafe {
            ffi::dirty_read(self.as_raw(), iova, size, keep, &mut first, &mut last)
        })?;
        Ok((first < last).then_some((first, last)))
    }
}
