// SPDX-License-Identifier: GPL-2.0

//! One endpoint behind an IOMMU.

use super::{
    Driver,
    DriverKey,
    EndpointId,
    Probed, //
};
use core::any::Any;
use kernel::{
    prelude::*,
    sync::{
        Arc,
        UniqueArc, //
    },
};

/// One endpoint behind an IOMMU, with the part that its driver keeps for it.
///
/// Shared between the core, which lists it as a member of a group, and the bus that found it.
pub(crate) struct Device {
    id: EndpointId,
    driver: Arc<dyn Driver>,
    probed: Probed,
}

impl Device {
    /// Asks `driver` to take endpoint `id`. May sleep.
    ///
    /// # Errors
    ///
    /// Those of [`Driver::probe`], and ENOMEM.
    pub(crate) fn probe(driver: &Arc<dyn Driver>, id: EndpointId) -> Result<Arc<Self>> {
        // First, as a device that the driver has taken must be there to be released.
        let device = UniqueArc::<Self>::new_uninit(GFP_KERNEL)?;
        let probed = driver.probe(id)?;
        let driver = driver.clone();
        Ok(device.write(Self { id, driver, probed }).into())
    }

    /// The endpoint this is.
    pub(crate) fn id(&self) -> EndpointId {
        self.id
    }

    /// The driver of the IOMMU in front of this device.
    pub(crate) fn driver(&self) -> &Arc<dyn Driver> {
        &self.driver
    }

    /// The kind of that driver.
    pub(crate) fn key(&self) -> DriverKey {
        self.driver.key()
    }

    /// The driver's own part, if it is a `T`.
    pub(crate) fn data<T: Any>(&self) -> Option<&T> {
        let data: &dyn Any = &*self.probed.data;
        data.downcast_ref()
    }

    /// One more than the largest PASID the device can use; 0 if it has none.
    pub(crate) fn max_pasids(&self) -> u32 {
        self.probed.max_pasids
    }

    /// Whether firmware or the bus declares the device hostile, e.g. on an external port.
    pub(crate) fn untrusted(&self) -> bool {
        self.probed.untrusted
    }

    /// Whether the device can be parked while it is reset: PCI with Address Translation Services
    /// (`pci_ats_supported()` in the kernel).
    pub(crate) fn resettable(&self) -> bool {
        self.probed.resettable
    }

    /// Whether flushes of what is unmapped for the device may be deferred
    /// (`IOMMU_CAP_DEFERRED_FLUSH` in the kernel).
    pub(crate) fn deferred_flush(&self) -> bool {
        self.probed.deferred_flush
    }
}
