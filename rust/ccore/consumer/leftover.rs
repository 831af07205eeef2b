// SPDX-License-Identifier: GPL-2.0

//! What a group of the core still refers to when its last member has left.
//!
//! A consumer that has not ended its use of a group until then broke the core's rules. Neither
//! `iommu_release_device()` nor `iommu_group_release()` empties `group->pasid_array` for it, so its
//! nodes would be lost with the group.

use super::{
    super::ffi,
    uses::Uses, //
};
use core::ptr;
use kernel::{
    bindings,
    prelude::*,
    types::Opaque, //
};

impl Uses {
    /// Has the core forget what consumers have left in `group`. No driver is called. May sleep.
    ///
    /// # Safety
    ///
    /// `group` is the group of this value, and has lost its last member for good.
    pub(in super::super) unsafe fn forget(&mut self, group: *mut bindings::iommu_group) {
        if self.handle().is_some() {
            // SAFETY: By the contract of this function the group is valid and, as the core frees
            // the group's own domains with the last member, goes from none to none. The domain is
            // not looked at.
            unsafe { ffi::iommu_detach_group_handle(ptr::null_mut(), group) };
        }
        if self.any_pasid().is_none() {
            return;
        }
        // The core asks for a device, only to find its group.
        let Ok(device) = KBox::pin_init(Opaque::<bindings::device>::zeroed(), GFP_KERNEL) else {
            return;
        };
        // SAFETY: `device` is not shared, and its field is in bounds.
        unsafe { (&raw mut (*device.get()).iommu_group).write(group) };
        while let Some((domain, pasid)) = self.any_pasid() {
            // SAFETY: Nothing else of the device is read, as the group has no members whose driver
            // would be called.
            unsafe {
                bindings::iommu_detach_device_pasid(domain.as_raw(), device.get(), pasid.get())
            };
            self.clear_pasid(pasid);
        }
    }
}
