// SPDX-License-Identifier: GPL-2.0

//! What has to be done under the core's probe lock, which it does not export.

use super::{
    Held,
    Refusal, //
};
use crate::{
    ccore::{
        device,
        ffi,
        instance::Instance,
        platform::PlatformDevice, //
    },
    iommu::EndpointId,
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings,
    prelude::*,
    sync::Arc, //
};

/// What is done.
pub(super) enum Task {
    /// The function is given the firmware node of the instance, as this endpoint.
    SitDown(EndpointId),
    /// It is taken out of its group.
    Leave,
}

/// What is to be done with a function under the core's probe lock.
///
/// Only under that lock may be changed what the core knows of a device that is on a bus. It is not
/// exported, but the core holds it when it asks whether an instance takes a device. So it is asked
/// about one that is not taken, and meanwhile the errand is run.
///
/// # Invariants
///
/// `raw` is the device of a PCI function without driver, whose lock is held. An instance that has
/// an errand is registered, and stays so as long as the function has its node.
pub(crate) struct Errand {
    raw: NonNull<bindings::device>,
    task: Task,
    /// What came of it, once it was run.
    result: Option<Result<(), Refusal>>,
}

// SAFETY: A function may be worked on from any thread.
unsafe impl Send for Errand {}

impl Errand {
    /// Has it run.
    ///
    /// # Safety
    ///
    /// `instance` must be registered, and stay so as long as the function has its node. The
    /// function must have no driver.
    pub(super) unsafe fn run(
        held: &Held<'_>,
        task: Task,
        instance: &Arc<Instance>,
    ) -> Result<(), Refusal> {
        // INVARIANT: By the contract of this function, and `held` outlives the errand.
        let errand = Self {
            raw: held.0 .0,
            task,
            result: None,
        };
        instance.errand().lock().replace(errand);
        // SAFETY: By the contract of this function, the instance is registered.
        let usher = unsafe { PlatformDevice::add_usher(instance) };
        let errand = instance.errand().lock().take();
        drop(usher?);
        let result = errand.and_then(|errand| errand.result);
        result.unwrap_or(Err(ENODEV.into()))
    }

    /// Does it, unless it is done.
    ///
    /// # Safety
    ///
    /// The core's probe lock must be held, and this must be an errand of `instance`.
    pub(crate) unsafe fn perform(&mut self, instance: &Instance) {
        if self.result.is_none() {
            // SAFETY: Passed on.
            self.result = Some(unsafe { self.attempt(instance) });
        }
    }

    /// # Safety
    ///
    /// As [`Self::perform`].
    unsafe fn attempt(&self, instance: &Instance) -> Result<(), Refusal> {
        let raw = self.raw.as_ptr();
        let Task::SitDown(id) = self.task else {
            // SAFETY: By the type invariant, `raw` is valid. It does nothing without a group.
            unsafe { bindings::iommu_group_remove_device(raw) };
            return Ok(());
        };
        if ffi::pci_any(is_foreign) {
            return Err(Refusal::OtherIommu);
        }
        // SAFETY: By the type invariant, `raw` is valid, and groups are joined under the probe
        // lock.
        if !unsafe { (*raw).iommu_group }.is_null() {
            return Err(Refusal::Grouped);
        }
        let private = ptr::from_ref(instance).cast_mut().cast();
        // SAFETY: By the contract of this function, the probe lock is held. By the type invariant,
        // the instance stays valid, which is what `device::seat` relies on.
        match unsafe { ffi::endpoint_init(raw, instance.fwnode(), id.0, private) } {
            0 => Ok(()),
            // It has another node.
            e if e == EINVAL.to_errno() => Err(Refusal::OtherIommu),
            e => Err(Error::from_errno(e).into()),
        }
    }
}

/// Whether an IOMMU that is none of ours has probed a device.
///
/// # Safety
///
/// `dev` must be valid, and the core's probe lock held.
unsafe extern "C" fn is_foreign(dev: *mut bindings::device) -> bool {
    // SAFETY: By the contract of this function.
    let dev_iommu = unsafe { (*dev).iommu };
    if dev_iommu.is_null() {
        return false;
    }
    // SAFETY: Not null, and freed under the probe lock or with the device.
    let probed = !unsafe { (*dev_iommu).iommu_dev }.is_null();
    // SAFETY: By the contract of this function.
    probed && unsafe { device::instance(dev) }.is_none()
}
