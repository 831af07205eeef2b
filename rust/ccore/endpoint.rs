// SPDX-License-Identifier: GPL-2.0

//! A device behind an instance, from plug to unplug.

use super::{
    group::Group,
    instance::Iommu,
    pci::{
        PciAddress,
        PciFunction,
        Refusal, //
    },
    platform::PlatformDevice, //
};
use crate::iommu::EndpointId;
use kernel::{
    bindings,
    prelude::*,
    sync::Arc, //
};

/// What an endpoint is.
enum Seat {
    Platform(PlatformDevice),
    Pci(PciFunction),
}

impl Seat {
    fn device(&self) -> *mut bindings::device {
        match self {
            Self::Platform(device) => device.device(),
            Self::Pci(function) => function.device(),
        }
    }
}

/// A device that the kernel's core has probed. Dropping it unplugs it.
///
/// # Invariants
///
/// `seat` is a member of `group` as long as this value lives, but for a PCI function that is
/// removed from its bus.
pub(crate) struct Endpoint {
    /// Goes first: what comes behind it is used while it is released.
    seat: Seat,
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
        Self::new(iommu, Seat::Platform(platform))
    }

    /// Puts a PCI function that has no driver behind an instance, as its endpoint `id`. Its DMA is
    /// not touched. May sleep, and dropping it may sleep until a user of its driver is done.
    pub(crate) fn plug_pci(
        iommu: &Arc<Iommu>,
        id: EndpointId,
        address: PciAddress,
    ) -> Result<Self, Refusal> {
        // SAFETY: As in `plug`.
        let function = unsafe { PciFunction::claim(address, id, iommu.instance()) }?;
        Ok(Self::new(iommu, Seat::Pci(function))?)
    }

    fn new(iommu: &Arc<Iommu>, seat: Seat) -> Result<Self> {
        // SAFETY: `seat` has a registered device, or one that was and is not freed yet.
        let raw = unsafe { bindings::iommu_group_get(seat.device()) };
        let group = iommu.instance().groups().find(raw);
        // SAFETY: `iommu_group_get` took the reference, if there is a group.
        unsafe { bindings::iommu_group_put(raw) };
        // INVARIANT: The core took the device into that group, and releases it when `seat` is
        // dropped or the instance unregistered, which it is not before.
        Ok(Self {
            seat,
            group: group.ok_or(ENODEV)?,
            iommu: iommu.clone(),
        })
    }

    /// Whether a driver is bound to it that somebody else has chosen.
    pub(crate) fn in_use(&self) -> bool {
        match &self.seat {
            Seat::Platform(device) => device.has_driver(),
            Seat::Pci(function) => function.has_driver(),
        }
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
        self.seat.device()
    }
}
