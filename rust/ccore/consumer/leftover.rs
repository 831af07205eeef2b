// SPDX-License-Identifier: GPL-2.0

//! What a group of the core still refers to when its last member has left.
//!
//! A consumer that has not ended its use of a group until then broke the core's rules. Neither
//! `iommu_release_device()` nor `iommu_group_release()` empties `group->pasid_array` for it, so its
//! nodes would be lost with the group.

use super::super::{
    ffi,
    group::Group, //
};
use core::ptr;
use kernel::{
    bindings,
    prelude::*,
    types::Opaque, //
};

impl Group {
    /// Has the core forget what consumers have left of a group that has lost its last member, and
    /// does nothing to a group that has one. No driver is called. May sleep.
    pub(crate) fn forget(&self) {
        let mut uses = self.uses().lock();
        if !self.members().is_ok_and(|members| members.is_empty()) {
            return;
        }
        // A device that comes forms a new group, so this one stays without members.
        if uses.handle().is_some() {
            // SAFETY: The group is valid and, as the core frees its own domains with the last
            // member, goes from none to none. The domain is not looked at.
            unsafe { ffi::iommu_detach_group_handle(ptr::null_mut(), self.as_raw()) };
            uses.clear();
        }
        if uses.any_pasid().is_none() {
            return;
        }
        // The core asks for a device, only to find its group.
        let Ok(device) = KBox::pin_init(Opaque::<bindings::device>::zeroed(), GFP_KERNEL) else {
            return;
        };
        // SAFETY: `device` is not shared, and its field is in bounds.
        unsafe { (&raw mut (*device.get()).iommu_group).write(self.as_raw()) };
        while let Some((domain, pasid)) = uses.any_pasid() {
            // SAFETY: Nothing else of the device is read, as the group has no members whose driver
            // would be called.
            unsafe {
                bindings::iommu_detach_device_pasid(domain.as_raw(), device.get(), pasid.get())
            };
            uses.clear_pasid(pasid);
        }
    }
}
