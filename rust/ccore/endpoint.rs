// SPDX-License-Identifier: GPL-2.0

//! A device behind an instance, from plug to unplug.

use super::{
    group::Group,
    instance::Iommu,
    platform::PlatformDevice, //
};
use crate::iommu::EndpointId;
use kernel::{
    bindings,
    prelude::*,
    sync::Arc, //
};

/// A device that the kernel's core has probed. Dropping it unplugs it.
///
/// # Invariants
///
/// `platform` is a member of `group` as long as this value lives.
pub(crate) struct Endpoint {
    /// Goes first: what comes behind it is used while it is released.
    platform: PlatformDevice,
    group: Arc<Group>,
    iommu: Arc<Iommu>,
}

impl Endpoint {
    /// Plugs endpoint `id` of an instance in. May sleep.
    ///
    /// # Errors
    ///
    /// ENODEV where the core did not take the device, whatever the reason, which it keeps for
    /// itself; EBUSY where the endpoint is plugged in; ENOMEM.
    pub(crate) fn plug(iommu: &Arc<Iommu>, id: EndpointId) -> Result<Self> {
        let instance = iommu.instance();
        // SAFETY: `iommu` is registered, and stays so until the last field of this value, or the
        // caller's reference if this fails, is dropped.
        let platform = unsafe { PlatformDevice::add(iommu.name(), id, instance) }?;
        // SAFETY: `platform` is a registered device.
        let raw = unsafe { bindings::iommu_group_get(platform.device()) };
        let group = instance.groups().find(raw);
        // SAFETY: `iommu_group_get` took the reference, if there is a group.
        unsafe { bindings::iommu_group_put(raw) };
        // INVARIANT: The core took the device into that group, and releases it when `platform` is
        // dropped or the instance unregistered, which it is not before.
        Ok(Self {
            platform,
            group: group.ok_or(ENODEV)?,
            iommu: iommu.clone(),
        })
    }

    /// Its group.
    pub(crate) fn group(&self) -> &Arc<Group> {
        &self.group
    }

    /// The instance it is behind.
    pub(crate) fn iommu(&self) -> &Arc<Iommu> {
        &self.iommu
    }

    /// Its `struct device`, which is registered and probed as long as this value lives.
    pub(super) fn device(&self) -> *mut bindings::device {
        self.platform.device()
    }
}
