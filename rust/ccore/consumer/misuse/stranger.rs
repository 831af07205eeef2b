// SPDX-License-Identifier: GPL-2.0

//! A device that is behind no IOMMU.

use super::super::domain::UserDomain;
use crate::iommu::Pasid;
use core::ptr;
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

/// The root of all platform devices.
pub(super) fn stranger() -> *mut bindings::device {
    &raw mut bindings::platform_bus
}

/// Allocates a domain for a device that is behind no IOMMU.
///
/// # Errors
///
/// ENODEV.
pub(crate) fn alloc_for_stranger() -> Result {
    // SAFETY: The device is registered as long as the kernel runs.
    let domain = from_err_ptr(unsafe { bindings::iommu_paging_domain_alloc_flags(stranger(), 0) })?;
    // SAFETY: It was just made.
    unsafe { bindings::iommu_domain_free(domain) };
    Ok(())
}

/// Attaches a device that is behind no IOMMU, and in no group.
///
/// # Errors
///
/// ENODEV.
pub(crate) fn attach_stranger(domain: &UserDomain) -> Result {
    // SAFETY: Both are valid. Without a group, the core refers to nothing afterwards.
    to_result(unsafe { bindings::iommu_attach_device(domain.as_raw(), stranger()) })
}

/// Attaches a PASID of such a device.
///
/// # Errors
///
/// ENODEV.
pub(crate) fn attach_pasid_of_stranger(domain: &UserDomain, pasid: Pasid) -> Result {
    // SAFETY: As above.
    to_result(unsafe {
        bindings::iommu_attach_device_pasid(
            domain.as_raw(),
            stranger(),
            pasid.get(),
            ptr::null_mut(),
        )
    })
}

/// Claims such a device.
///
/// # Errors
///
/// ENODEV.
pub(crate) fn claim_stranger() -> Result {
    // SAFETY: The device is valid, and of an owner the core looks at the address alone.
    to_result(unsafe {
        bindings::iommu_device_claim_dma_owner(stranger(), ptr::without_provenance_mut(1))
    })
}
