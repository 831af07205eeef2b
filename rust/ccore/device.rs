// SPDX-License-Identifier: GPL-2.0

//! From `struct device` to the device of the contract, and back to its instance.
//!
//! `dev_iommu_priv` of an endpoint holds its [`Instance`] until it is probed, and then a reference
//! on its [`Device`] until it is released.

use super::{
    domain_ops,
    instance::Instance, //
};
use crate::iommu::Device;
use kernel::{
    bindings,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
};

/// The device of the contract that `dev` is; `None` where `dev` is not behind one of our IOMMUs.
///
/// # Safety
///
/// `dev` must be valid, and must not be probed or released for the duration of `'a`, as is the case
/// in a callback of the core for `dev`.
pub(super) unsafe fn device<'a>(dev: *mut bindings::device) -> Option<&'a Device> {
    // SAFETY: By the contract of this function, `dev` is valid.
    unsafe { instance(dev) }?;
    // SAFETY: A device that has an instance has a `dev_iommu`.
    let private = unsafe { (*(*dev).iommu).priv_ };
    // SAFETY: `dev` was probed by `probe`, which put a reference on a `Device` there, and by the
    // contract of this function it is not released during `'a`.
    Some(unsafe { &*private.cast::<Device>() })
}

/// The instance that has probed `dev`, if that is one of ours.
///
/// # Safety
///
/// As [`device`].
pub(super) unsafe fn instance<'a>(dev: *mut bindings::device) -> Option<ArcBorrow<'a, Instance>> {
    // SAFETY: By the contract of this function, `dev` is valid.
    let dev_iommu = unsafe { (*dev).iommu };
    if dev_iommu.is_null() {
        return None;
    }
    // SAFETY: Not null, and by the contract of this function not freed during `'a`.
    let iommu = unsafe { (*dev_iommu).iommu_dev };
    if iommu.is_null() {
        return None;
    }
    // SAFETY: The IOMMU that a device was probed by is registered, and so has operations.
    let ops = unsafe { (*(*iommu).ops).default_domain_ops };
    if !domain_ops::is_ours(ops) {
        return None;
    }
    // SAFETY: Only an `Instance` has these domain operations, and `iommu` is its field. It lives as
    // long as it is registered.
    Some(unsafe { Instance::from_iommu(iommu) })
}

/// Which endpoint of which instance a device that is about to be probed is.
///
/// # Safety
///
/// `dev` must be a device that the core calls `probe_device` for, with the operations of an
/// [`Instance`].
pub(super) unsafe fn seat<'a>(dev: *mut bindings::device) -> Result<(&'a Instance, u32)> {
    // SAFETY: By the contract of this function, `dev` is valid, and the core has allocated its
    // `dev_iommu` before it calls `probe_device`.
    let (fwspec, private) = unsafe { ((*(*dev).iommu).fwspec, (*(*dev).iommu).priv_) };
    if fwspec.is_null() || private.is_null() {
        return Err(ENODEV);
    }
    // SAFETY: A fwspec is valid as long as its `dev_iommu` is.
    if unsafe { (*fwspec).num_ids } != 1 {
        return Err(ENODEV);
    }
    // SAFETY: There is one id.
    let id = unsafe { (&raw const (*fwspec).ids).cast::<u32>().read() };
    // SAFETY: The core matches our operations by a firmware node that nobody else has, and
    // `Endpoint` put the instance there, which it keeps registered.
    let instance = unsafe { &*private.cast::<Instance>() };
    Ok((instance, id))
}

/// Remembers the device of the contract that `dev` is.
///
/// # Safety
///
/// Must be called from `probe_device` for `dev`. The reference is given back by [`forget`].
pub(super) unsafe fn remember(dev: *mut bindings::device, device: Arc<Device>) {
    let private = Arc::into_raw(device).cast_mut().cast();
    // SAFETY: The core holds its probe lock around `probe_device`, as this function asks for.
    unsafe { bindings::dev_iommu_priv_set(dev, private) };
}

/// Takes the reference back that [`remember`] has put into `dev`.
///
/// # Safety
///
/// Must be called from `release_device` for `dev`, which is the last callback for it.
pub(super) unsafe fn forget(dev: *mut bindings::device) -> Arc<Device> {
    // SAFETY: `dev` has been probed, so it has a `dev_iommu`.
    let private = unsafe { (*(*dev).iommu).priv_ };
    // SAFETY: `remember` made it from such a reference, and nobody else takes it back.
    unsafe { Arc::from_raw(private.cast::<Device>()) }
}

/// Tells the core how many PASIDs a device has.
///
/// It has computed that from a property that knows powers of two only.
///
/// # Safety
///
/// Must be called from `is_attach_deferred` for `dev`, the first callback after the computation.
pub(super) unsafe fn set_max_pasids(dev: *mut bindings::device, max_pasids: u32) {
    // SAFETY: `dev` has been probed, and the probe lock serialises writers.
    unsafe { (*(*dev).iommu).max_pasids = max_pasids };
}
