// SPDX-License-Identifier: GPL-2.0

//! The s390 driver in its shape of 2022: an attach takes the function off its table and registers
//! the next one in two steps, and the release of a function that is on a domain takes it off and
//! gives it the architecture's own DMA table again, by private bookkeeping and without regard for
//! who is attaching meanwhile.
//!
//! Source: `drivers/iommu/s390-iommu.c` of Linux 6.0.

use crate::{
    iommu::{
        AttachError,
        Attached,
        DefaultType,
        Device,
        Domain,
        Driver,
        DriverKey,
        EndpointId,
        Features,
        GroupKey,
        PagingFlags,
        Pasid,
        Probed,
        Region, //
    },
    kapi::{
        new_mutex,
        schedule,
        Mutex, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// See the module.
#[pin_data]
struct Of2022 {
    inner: Arc<dyn Driver>,
    /// Functions that are on a domain: `zdev->s390_domain`.
    #[pin]
    on: Mutex<KVec<EndpointId>>,
}

/// Wraps a driver.
///
/// # Errors
///
/// ENOMEM.
pub(crate) fn of_2022(inner: Arc<dyn Driver>) -> Result<Arc<dyn Driver>> {
    let on = KVec::new();
    let init = pin_init!(Of2022 { inner, on <- new_mutex!(on, "Of2022::on") });
    let driver: Arc<Of2022> = Arc::pin_init(init, GFP_KERNEL)?;
    Ok(driver)
}

impl Of2022 {
    fn forget(&self, dev: &Device) -> bool {
        let mut on = self.on.lock();
        let before = on.len();
        on.retain(|id| *id != dev.id());
        on.len() != before
    }
}

impl Driver for Of2022 {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn key(&self) -> DriverKey {
        self.inner.key()
    }

    fn features(&self) -> Features {
        self.inner.features()
    }

    fn probe(&self, id: EndpointId) -> Result<Probed> {
        self.inner.probe(id)
    }

    fn group(&self, dev: &Device) -> Result<GroupKey> {
        self.inner.group(dev)
    }

    fn default_type(&self, dev: &Device) -> Option<DefaultType> {
        self.inner.default_type(dev)
    }

    fn is_attach_deferred(&self, dev: &Device) -> bool {
        self.inner.is_attach_deferred(dev)
    }

    fn regions(&self, dev: &Device) -> Result<KVec<Region>> {
        self.inner.regions(dev)
    }

    fn blocked(&self) -> Option<&Arc<Domain>> {
        self.inner.blocked()
    }

    fn identity(&self) -> Option<&Arc<Domain>> {
        self.inner.identity()
    }

    fn release_domain(&self) -> Option<&Arc<Domain>> {
        // There was none then.
        None
    }

    fn alloc_paging(&self, dev: &Device, flags: PagingFlags) -> Result<Arc<Domain>> {
        self.inner.alloc_paging(dev, flags)
    }

    fn attach(
        &self,
        dev: &Device,
        to: &Arc<Domain>,
        from: Option<&Arc<Domain>>,
    ) -> Result<Attached, AttachError> {
        self.forget(dev);
        schedule::call("register table of", dev.id().0);
        let attached = self.inner.attach(dev, to, from)?;
        let _ = self.on.lock().push(dev.id(), GFP_KERNEL);
        Ok(attached)
    }

    fn set_pasid(
        &self,
        dev: &Device,
        pasid: Pasid,
        to: &Arc<Domain>,
        from: Option<&Arc<Domain>>,
    ) -> Result<(), AttachError> {
        self.inner.set_pasid(dev, pasid, to, from)
    }

    fn release(&self, dev: &Device) {
        if self.forget(dev) {
            schedule::call("re-initialise DMA of", dev.id().0);
        }
        self.inner.release(dev);
    }
}
