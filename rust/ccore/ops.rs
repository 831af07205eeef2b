// SPDX-License-Identifier: GPL-2.0

//! `struct iommu_ops`: what the kernel's core asks of a driver.

use super::{
    answer,
    device::{
        self,
        device, //
    },
    domain::RawDomain,
    domain_ops,
    instance::Outlive,
    platform::USHER, //
};
use crate::{
    iommu::{
        AttachError,
        DefaultType,
        Device,
        EndpointId,
        PagingFlags,
        Region,
        RegionKind, //
    },
    kapi::errno, //
};
use core::ptr;
use kernel::{
    bindings,
    prelude::*, //
};

/// The operations of an instance but for its static domains.
///
/// They have no owner, as they are not part of the module; see the module [`super`].
pub(super) fn table(pasid: bool) -> bindings::iommu_ops {
    bindings::iommu_ops {
        capable: Some(capable),
        domain_alloc_paging_flags: Some(domain_alloc_paging_flags),
        probe_device: Some(probe_device),
        release_device: Some(release_device),
        device_group: Some(device_group),
        get_resv_regions: Some(get_resv_regions),
        is_attach_deferred: Some(is_attach_deferred),
        def_domain_type: Some(def_domain_type),
        default_domain_ops: domain_ops::paging(pasid),
        ..pin_init::zeroed()
    }
}

/// # Safety
///
/// Called by the core for a probed device.
unsafe extern "C" fn capable(dev: *mut bindings::device, cap: bindings::iommu_cap) -> bool {
    // SAFETY: By the contract of this function.
    let Some(device) = (unsafe { device(dev) }) else {
        return false;
    };
    match cap {
        // The hardware models have no caches that a CPU would not see.
        bindings::iommu_cap_IOMMU_CAP_CACHE_COHERENCY => true,
        bindings::iommu_cap_IOMMU_CAP_DEFERRED_FLUSH => device.deferred_flush(),
        bindings::iommu_cap_IOMMU_CAP_DIRTY_TRACKING => device.driver().features().dirty_tracking,
        _ => false,
    }
}

/// # Safety
///
/// Called by the core for a probed device.
unsafe extern "C" fn domain_alloc_paging_flags(
    dev: *mut bindings::device,
    flags: u32,
    user_data: *const bindings::iommu_user_data,
) -> *mut bindings::iommu_domain {
    let alloc = || {
        // SAFETY: By the contract of this function.
        let device = unsafe { device(dev) }.ok_or(ENODEV)?;
        // SAFETY: As above.
        let instance = unsafe { device::instance(dev) }.ok_or(ENODEV)?;
        const PASID: u32 = bindings::iommufd_hwpt_alloc_flags_IOMMU_HWPT_ALLOC_PASID;
        const DIRTY: u32 = bindings::iommufd_hwpt_alloc_flags_IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
        if flags & !(PASID | DIRTY) != 0 || !user_data.is_null() {
            return Err(errno::eopnotsupp());
        }
        let flags = PagingFlags {
            pasid: flags & PASID != 0,
            dirty_tracking: flags & DIRTY != 0,
        };
        let driver = device.driver();
        let domain = driver.alloc_paging(device, flags)?;
        let (pasid, dirty) = (driver.features().pasid, flags.dirty_tracking);
        RawDomain::new_paging(domain, pasid, dirty, Outlive::new(instance))
    };
    match alloc() {
        Ok(domain) => RawDomain::into_raw(domain),
        Err(error) => answer::errno(AttachError::Failed(error)).to_ptr(),
    }
}

/// # Safety
///
/// Called by the core, with its probe lock held, for a device with the firmware node of an
/// instance.
unsafe extern "C" fn probe_device(dev: *mut bindings::device) -> *mut bindings::iommu_device {
    let probe = || {
        // SAFETY: By the contract of this function.
        let (instance, id) = unsafe { device::seat(dev) }?;
        if id == USHER {
            if let Some(errand) = &mut *instance.errand().lock() {
                // SAFETY: By the contract of this function, the probe lock is held.
                unsafe { errand.perform(instance) };
            }
            return Err(ENODEV);
        }
        let probed = Device::probe(instance.driver(), EndpointId(id))?;
        // SAFETY: This is `probe_device`.
        unsafe { device::remember(dev, probed) };
        Ok(instance.iommu())
    };
    probe().unwrap_or_else(|error: Error| error.to_ptr())
}

/// # Safety
///
/// Called by the core, once for each probed device, and last.
unsafe extern "C" fn release_device(dev: *mut bindings::device) {
    // SAFETY: By the contract of this function.
    if let Some(instance) = unsafe { device::instance(dev) } {
        // SAFETY: A probed device is valid.
        let group = unsafe { (*dev).iommu_group };
        // SAFETY: This is `release_device`.
        let device = unsafe { device::forget(dev) };
        instance.driver().release(&device);
        instance.groups().leave(group);
    }
}

/// # Safety
///
/// Called by the core, with its probe lock held, for a probed device.
unsafe extern "C" fn device_group(dev: *mut bindings::device) -> *mut bindings::iommu_group {
    let join = || {
        // SAFETY: By the contract of this function.
        let device = unsafe { device(dev) }.ok_or(ENODEV)?;
        // SAFETY: As above.
        let instance = unsafe { device::instance(dev) }.ok_or(ENODEV)?;
        let key = instance.driver().group(device)?;
        Ok(instance.groups().join(key)?.share())
    };
    join().unwrap_or_else(|error: Error| error.to_ptr())
}

/// # Safety
///
/// Called by the core for a probed device with a list of regions.
unsafe extern "C" fn get_resv_regions(dev: *mut bindings::device, head: *mut bindings::list_head) {
    // SAFETY: By the contract of this function.
    let Some(device) = (unsafe { device(dev) }) else {
        return;
    };
    // The core has no way to learn of a failure.
    for region in device.driver().regions(device).iter().flatten() {
        // SAFETY: By the contract of this function, `head` is such a list.
        unsafe { add_region(head, region) };
    }
}

/// # Safety
///
/// `head` must be a list of regions that nobody else works on.
unsafe fn add_region(head: *mut bindings::list_head, region: &Region) {
    let kind = match region.kind {
        RegionKind::Direct => bindings::iommu_resv_type_IOMMU_RESV_DIRECT,
        RegionKind::DirectRelaxable => bindings::iommu_resv_type_IOMMU_RESV_DIRECT_RELAXABLE,
        RegionKind::Reserved => bindings::iommu_resv_type_IOMMU_RESV_RESERVED,
        RegionKind::Msi => bindings::iommu_resv_type_IOMMU_RESV_MSI,
    };
    // CAST: `IOMMU_READ` and `IOMMU_WRITE` are small.
    let prot = (bindings::IOMMU_READ | bindings::IOMMU_WRITE) as c_int;
    // CAST: Regions lie in the address space.
    let size = region.size as usize;
    // SAFETY: No precondition.
    let raw = unsafe {
        bindings::iommu_alloc_resv_region(region.start, size, prot, kind, bindings::GFP_KERNEL)
    };
    if let Some(raw) = ptr::NonNull::new(raw) {
        // SAFETY: `raw` is new, and by the contract of this function `head` is a list.
        unsafe { bindings::list_add_tail(&raw mut (*raw.as_ptr()).list, head) };
    }
}

/// # Safety
///
/// Called by the core, with its probe lock held, for a probed device that has joined its group.
unsafe extern "C" fn is_attach_deferred(dev: *mut bindings::device) -> bool {
    // SAFETY: By the contract of this function.
    let Some(device) = (unsafe { device(dev) }) else {
        return false;
    };
    // SAFETY: This is `is_attach_deferred`.
    unsafe { device::set_max_pasids(dev, device.max_pasids()) };
    device.driver().is_attach_deferred(device)
}

/// # Safety
///
/// Called by the core for a probed device.
unsafe extern "C" fn def_domain_type(dev: *mut bindings::device) -> c_int {
    // SAFETY: By the contract of this function.
    let device = unsafe { device(dev) };
    let wanted = device.and_then(|device| device.driver().default_type(device));
    let kind = match wanted {
        None => 0,
        Some(DefaultType::Identity) => bindings::IOMMU_DOMAIN_IDENTITY,
        // The core decides on strictness.
        Some(DefaultType::Dma | DefaultType::DmaLazy) => bindings::IOMMU_DOMAIN_DMA,
    };
    // CAST: The types are small.
    kind as c_int
}
