// SPDX-License-Identifier: GPL-2.0

//! `struct iommu_domain_ops`: what the kernel's core does with a domain.
//!
//! These tables are part of the module: unlike `iommu_ops` they need no owner. A domain or a device
//! is ours if it has one of them.

use super::{
    answer,
    device::device,
    domain::RawDomain,
    ffi, //
};
use crate::{
    iommu::{
        AttachError,
        Device,
        Domain,
        Gather,
        Paging,
        Pasid,
        Progress,
        Prot, //
    },
    kapi::errno, //
};
use core::ptr;
use kernel::{
    bindings,
    error::from_result,
    prelude::*,
    sync::Arc, //
};

/// Operations of paging domains, without and with PASIDs, then those of domains without a table.
static TABLES: [bindings::iommu_domain_ops; 4] =
    [PAGING, with_pasids(PAGING), FIXED, with_pasids(FIXED)];

const FIXED: bindings::iommu_domain_ops = bindings::iommu_domain_ops {
    attach_dev: Some(attach_dev),
    ..pin_init::zeroed()
};

const PAGING: bindings::iommu_domain_ops = bindings::iommu_domain_ops {
    map_pages: Some(map_pages),
    unmap_pages: Some(unmap_pages),
    flush_iotlb_all: Some(flush_iotlb_all),
    iotlb_sync_map: Some(iotlb_sync_map),
    iotlb_sync: Some(iotlb_sync),
    iova_to_phys: Some(iova_to_phys),
    free: Some(free),
    ..FIXED
};

const fn with_pasids(ops: bindings::iommu_domain_ops) -> bindings::iommu_domain_ops {
    bindings::iommu_domain_ops {
        set_dev_pasid: Some(set_dev_pasid),
        ..ops
    }
}

/// The operations of paging domains.
pub(super) fn paging(pasid: bool) -> &'static bindings::iommu_domain_ops {
    let [without, with, ..] = &TABLES;
    match pasid {
        false => without,
        true => with,
    }
}

/// The operations of domains without a page table.
pub(super) fn fixed(pasid: bool) -> &'static bindings::iommu_domain_ops {
    let [.., without, with] = &TABLES;
    match pasid {
        false => without,
        true => with,
    }
}

/// What paging domains add to them that tell what was written to.
pub(super) static DIRTY: bindings::iommu_dirty_ops = bindings::iommu_dirty_ops {
    set_dirty_tracking: Some(set_dirty_tracking),
    read_and_clear_dirty: Some(read_and_clear_dirty),
};

/// Whether these operations are ours.
pub(super) fn is_ours(ops: *const bindings::iommu_domain_ops) -> bool {
    TABLES.iter().any(|table| ptr::eq(table, ops))
}

/// The device and the domains that an attach is about.
struct Request<'a> {
    device: &'a Device,
    to: &'a Arc<Domain>,
    from: Option<&'a Arc<Domain>>,
}

impl<'a> Request<'a> {
    /// `None` where the device or the target is not ours: `iommu_replace_group_handle()` does not
    /// check that they go together.
    ///
    /// # Safety
    ///
    /// The arguments must be those of an attach callback, which `'a` must not outlive.
    unsafe fn new(
        domain: *mut bindings::iommu_domain,
        dev: *mut bindings::device,
        old: *mut bindings::iommu_domain,
    ) -> Option<Self> {
        // SAFETY: The core calls the operations of a domain with that domain.
        let to = unsafe { RawDomain::from_raw(domain) }?.domain();
        // SAFETY: The core neither probes nor releases a device while it attaches it.
        let device = unsafe { device(dev) }?;
        // SAFETY: The former domain is null or not freed before it is left.
        let from = unsafe { RawDomain::from_raw(old) }.map(RawDomain::domain);
        Some(Self { device, to, from })
    }
}

/// # Safety
///
/// Called by the core, with the group's mutex held.
unsafe extern "C" fn attach_dev(
    domain: *mut bindings::iommu_domain,
    dev: *mut bindings::device,
    old: *mut bindings::iommu_domain,
) -> c_int {
    // SAFETY: These are the arguments of an attach callback.
    let Some(request) = (unsafe { Request::new(domain, dev, old) }) else {
        return answer::errno(AttachError::Incompatible).to_errno();
    };
    let driver = request.device.driver();
    answer::attached(driver.attach(request.device, request.to, request.from))
}

/// # Safety
///
/// Called by the core, with the group's mutex held.
unsafe extern "C" fn set_dev_pasid(
    domain: *mut bindings::iommu_domain,
    dev: *mut bindings::device,
    pasid: bindings::ioasid_t,
    old: *mut bindings::iommu_domain,
) -> c_int {
    // SAFETY: These are the arguments of an attach callback.
    let Some(request) = (unsafe { Request::new(domain, dev, old) }) else {
        return answer::errno(AttachError::Incompatible).to_errno();
    };
    let driver = request.device.driver();
    let result = Pasid::new(pasid)
        .map_err(AttachError::from)
        .and_then(|pasid| driver.set_pasid(request.device, pasid, request.to, request.from));
    from_result(|| result.map(|()| 0).map_err(answer::errno))
}

/// The page table of a paging domain.
///
/// # Safety
///
/// `domain` must be what an operation of [`PAGING`] was called with.
unsafe fn table<'a>(domain: *mut bindings::iommu_domain) -> Result<&'a dyn Paging> {
    // SAFETY: The core calls the operations of a domain with that domain.
    let domain = unsafe { RawDomain::from_raw(domain) }.ok_or(EINVAL)?;
    domain.domain().paging().ok_or(EINVAL)
}

/// # Safety
///
/// Called by the core; `mapped` is valid for writing.
unsafe extern "C" fn map_pages(
    domain: *mut bindings::iommu_domain,
    iova: c_ulong,
    paddr: bindings::phys_addr_t,
    pgsize: usize,
    pgcount: usize,
    prot: c_int,
    gfp: bindings::gfp_t,
    mapped: *mut usize,
) -> c_int {
    from_result(|| {
        // SAFETY: This is an operation of `PAGING`.
        let table = unsafe { table(domain) }?;
        if !ffi::gfp_may_sleep(gfp) {
            return Err(errno::eopnotsupp());
        }
        let (iova, page, count) = (u64_of(iova), pgsize as u64, pgcount as u64);
        let size = page.checked_mul(count).ok_or(EOVERFLOW)?;
        paddr.checked_add(size).ok_or(EOVERFLOW)?;
        if !table.aperture().contains_range(iova, size) {
            return Err(ERANGE);
        }
        // CAST: The contract's bits are the low bits of the kernel's.
        let prot = Prot(prot as u32 & Prot::RW.0);
        let step = table.map(iova, paddr, page, count, prot);
        // The core would loop forever on no progress and underflow on too much.
        step.check(page, count)?;
        let Progress {
            mapped: done,
            result,
        } = step;
        // SAFETY: `mapped` is valid for writing. CAST: `done` is at most `size`.
        unsafe { *mapped += done as usize };
        result.map(|()| 0)
    })
}

/// # Safety
///
/// Called by the core; `gather` is valid.
unsafe extern "C" fn unmap_pages(
    domain: *mut bindings::iommu_domain,
    iova: c_ulong,
    pgsize: usize,
    pgcount: usize,
    gather: *mut bindings::iommu_iotlb_gather,
) -> usize {
    // SAFETY: This is an operation of `PAGING`.
    let Ok(table) = (unsafe { table(domain) }) else {
        return 0;
    };
    let (iova, page, count) = (u64_of(iova), pgsize as u64, pgcount as u64);
    let size = page.saturating_mul(count);
    if !table.aperture().contains_range(iova, size) {
        return 0;
    }
    let mut gathered = Gather::default();
    let done = table.unmap(iova, page, count, &mut gathered);
    if gathered.tables() != 0 {
        // The kernel's gather has no place for tables of ours: they need their flush now.
        table.sync(&gathered);
    } else if let Some((first, last)) = gathered.range() {
        let size = last.saturating_sub(first).saturating_add(1);
        let page = gathered.page();
        // SAFETY: `domain` and `gather` are what the core passed. CAST: They came from `c_ulong`.
        unsafe {
            ffi::gather_add(
                domain,
                gather,
                first as c_ulong,
                size as usize,
                page as usize,
            )
        };
    }
    // CAST: At most as much as is mapped.
    done as usize
}

/// # Safety
///
/// Called by the core, in any context: the DMA layer calls it from a timer and with interrupts off.
unsafe extern "C" fn flush_iotlb_all(domain: *mut bindings::iommu_domain) {
    // SAFETY: This is an operation of `PAGING`.
    if let Ok(table) = unsafe { table(domain) } {
        table.forget_all();
    }
}

/// # Safety
///
/// Called by the core; `gather` is valid and not empty.
unsafe extern "C" fn iotlb_sync(
    domain: *mut bindings::iommu_domain,
    gather: *mut bindings::iommu_iotlb_gather,
) {
    // SAFETY: By the contract of this function.
    let (first, last) = unsafe { ((*gather).start, (*gather).end) };
    // SAFETY: As above.
    let page = unsafe { ffi::gather_page(gather) };
    // SAFETY: This is an operation of `PAGING`.
    if let Ok(table) = unsafe { table(domain) } {
        table.sync(&Gather::over(u64_of(first), u64_of(last), page as u64));
    }
}

/// # Safety
///
/// Called by the core.
unsafe extern "C" fn iotlb_sync_map(
    domain: *mut bindings::iommu_domain,
    iova: c_ulong,
    size: usize,
) -> c_int {
    from_result(|| {
        // SAFETY: This is an operation of `PAGING`.
        let table = unsafe { table(domain) }?;
        table.sync_map(u64_of(iova), size as u64).map(|()| 0)
    })
}

/// # Safety
///
/// Called by the core.
unsafe extern "C" fn iova_to_phys(
    domain: *mut bindings::iommu_domain,
    iova: bindings::dma_addr_t,
) -> bindings::phys_addr_t {
    // SAFETY: This is an operation of `PAGING`.
    let table = unsafe { table(domain) };
    table
        .ok()
        .and_then(|table| table.iova_to_phys(iova))
        .unwrap_or(0)
}

/// # Safety
///
/// Called by iommufd, in a context that may sleep.
unsafe extern "C" fn set_dirty_tracking(
    domain: *mut bindings::iommu_domain,
    enable: bool,
) -> c_int {
    from_result(|| {
        // SAFETY: Only paging domains have `DIRTY`.
        let table = unsafe { table(domain) }?;
        table.set_dirty_tracking(enable).map(|()| 0)
    })
}

/// # Safety
///
/// Called by iommufd, which flushes what is gathered unless the flags say that marks are kept;
/// `dirty` is valid.
unsafe extern "C" fn read_and_clear_dirty(
    domain: *mut bindings::iommu_domain,
    iova: c_ulong,
    size: usize,
    flags: c_ulong,
    dirty: *mut bindings::iommu_dirty_bitmap,
) -> c_int {
    from_result(|| {
        // SAFETY: Only paging domains have `DIRTY`.
        let table = unsafe { table(domain) }?;
        let (first, size) = (u64_of(iova), size as u64);
        if !table.aperture().contains_range(first, size) {
            return Err(ERANGE);
        }
        let end = first.saturating_add(size);
        // CAST: It is one bit.
        let keep = flags & bindings::IOMMU_DIRTY_NO_CLEAR as c_ulong != 0;
        let mut record = |start: u64, size: u64| {
            // A leaf may reach beyond, for which the bitmap has no place.
            let (from, to) = (start.max(first), start.saturating_add(size).min(end));
            // SAFETY: `dirty` is valid. CAST: They are within what came from `c_ulong`.
            unsafe {
                ffi::dirty_record(dirty, from as c_ulong, to.saturating_sub(from) as c_ulong)
            };
        };
        table.read_and_clear_dirty(first, size, keep, &mut record)?;
        Ok(0)
    })
}

/// # Safety
///
/// Called by the core, once for each paging domain.
unsafe extern "C" fn free(domain: *mut bindings::iommu_domain) {
    // SAFETY: Paging domains are made by `RawDomain::into_raw`, and the core has no more use for
    // this one.
    unsafe { RawDomain::free(domain) };
}

fn u64_of(value: c_ulong) -> u64 {
    value as u64
}
