// SPDX-License-Identifier: GPL-2.0

//! A paging domain that a consumer has allocated.

use super::super::{
    domain::RawDomain,
    endpoint::Endpoint,
    instance::Iommu, //
};
use crate::iommu::{
    Domain,
    PagingFlags,
    Prot, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*,
    sync::Arc, //
};

/// A paging domain of the kernel's core. Freed when it is dropped, which it is not while the core
/// refers to it.
///
/// # Invariants
///
/// `raw` is a domain of ours, which this value alone may free.
pub(crate) struct UserDomain {
    raw: NonNull<bindings::iommu_domain>,
    domain: Arc<Domain>,
    _iommu: Option<Arc<Iommu>>,
}

// SAFETY: The core's operations on a domain may run on any thread.
unsafe impl Send for UserDomain {}
// SAFETY: They may run at once as far as they concern disjoint ranges. Those of the contract are
// safe in any case.
unsafe impl Sync for UserDomain {}

impl UserDomain {
    /// Allocates a domain that will attach to `endpoint`. May sleep.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP where `flags` ask for what there is not; else the driver's.
    pub(crate) fn alloc(endpoint: &Endpoint, flags: PagingFlags) -> Result<Arc<Self>> {
        Self::new(endpoint, flags, Some(endpoint.iommu().clone()))
    }

    /// The same as somebody who knows nothing of the instance does it, as iommufd.
    ///
    /// # Errors
    ///
    /// Those of [`Self::alloc`].
    #[cfg(IOMMU_MOCK_KUNIT)]
    pub(crate) fn alloc_as_others(endpoint: &Endpoint, flags: PagingFlags) -> Result<Arc<Self>> {
        Self::new(endpoint, flags, None)
    }

    fn new(
        endpoint: &Endpoint,
        flags: PagingFlags,
        iommu: Option<Arc<Iommu>>,
    ) -> Result<Arc<Self>> {
        let PagingFlags {
            pasid,
            dirty_tracking,
        } = flags;
        let pasid = u32::from(pasid) * bindings::iommufd_hwpt_alloc_flags_IOMMU_HWPT_ALLOC_PASID;
        let dirty = u32::from(dirty_tracking)
            * bindings::iommufd_hwpt_alloc_flags_IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
        // SAFETY: The device of an endpoint is valid and probed.
        let raw = from_err_ptr(unsafe {
            bindings::iommu_paging_domain_alloc_flags(endpoint.device(), pasid | dirty)
        })?;
        let raw = NonNull::new(raw).ok_or(ENOMEM)?;
        // SAFETY: `raw` is a domain, and was just made.
        let Some(ours) = (unsafe { RawDomain::from_raw(raw.as_ptr()) }) else {
            // SAFETY: As above.
            unsafe { bindings::iommu_domain_free(raw.as_ptr()) };
            return Err(ENODEV);
        };
        // INVARIANT: It is ours, and nobody else knows it.
        let this = Self {
            raw,
            domain: ours.domain().clone(),
            _iommu: iommu,
        };
        Ok(Arc::new(this, GFP_KERNEL)?)
    }

    /// The domain of the contract that it is.
    pub(crate) fn domain(&self) -> &Arc<Domain> {
        &self.domain
    }

    /// Maps `size` bytes at `iova`, all or nothing. May sleep.
    ///
    /// # Errors
    ///
    /// EINVAL where something is not a multiple of the smallest page; else the driver's.
    pub(crate) fn map(&self, iova: usize, paddr: u64, size: usize, prot: Prot) -> Result {
        // CAST: The bits are few.
        let prot = prot.0 as c_int;
        // SAFETY: By the type invariant, `raw` is a domain.
        to_result(unsafe {
            bindings::iommu_map(self.as_raw(), iova, paddr, size, prot, bindings::GFP_KERNEL)
        })
    }

    /// Unmaps `size` bytes at `iova`, up to the first that is not mapped, and returns how many.
    pub(crate) fn unmap(&self, iova: usize, size: usize) -> usize {
        // SAFETY: By the type invariant, `raw` is a domain.
        unsafe { bindings::iommu_unmap(self.as_raw(), iova, size) }
    }

    /// Where `iova` is mapped to; 0 for nowhere.
    pub(crate) fn iova_to_phys(&self, iova: u64) -> u64 {
        // SAFETY: By the type invariant, `raw` is a domain.
        unsafe { bindings::iommu_iova_to_phys(self.as_raw(), iova) }
    }

    pub(super) fn as_raw(&self) -> *mut bindings::iommu_domain {
        self.raw.as_ptr()
    }

    /// Whether PASIDs can use it at all.
    pub(super) fn takes_pasids(&self) -> bool {
        // SAFETY: By the type invariant, `raw` is a domain, whose operations do not change.
        unsafe { (*(*self.as_raw()).ops).set_dev_pasid.is_some() }
    }
}

impl Drop for UserDomain {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, freeing it is ours, and `Uses` holds a reference as long
        // as the core refers to it.
        unsafe { bindings::iommu_domain_free(self.as_raw()) };
    }
}
