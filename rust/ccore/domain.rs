// SPDX-License-Identifier: GPL-2.0

//! A domain of the contract inside a `struct iommu_domain`.

use super::{
    domain_ops,
    instance::Outlive, //
};
use crate::iommu::{
    Domain,
    Kind, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    prelude::*,
    sync::Arc,
    types::Opaque, //
};

/// What the kernel's core knows as a domain of ours.
///
/// # Invariants
///
/// `raw` has the domain operations of `domain_ops`, and nobody else's domain has those.
#[repr(C)]
pub(super) struct RawDomain {
    raw: Opaque<bindings::iommu_domain>,
    domain: Arc<Domain>,
    /// Keeps the instance alive that a paging domain refers to; a static one is part of it.
    _instance: Option<Outlive>,
}

// SAFETY: `raw` is only accessed by the core, which has locks of its own, and by nobody once the
// domain is shared; the rest is `Send`.
unsafe impl Send for RawDomain {}
// SAFETY: As above.
unsafe impl Sync for RawDomain {}

impl RawDomain {
    /// Wraps a domain that lives as long as its instance.
    pub(super) fn new_static(domain: Arc<Domain>, pasid: bool) -> Self {
        Self::new(domain, domain_ops::fixed(pasid), false, None)
    }

    /// Wraps a paging domain, which can be attached to PASIDs and can tell what was written to, or
    /// not.
    ///
    /// # Errors
    ///
    /// EINVAL where it has no page table or one without pages, ENOMEM.
    pub(super) fn new_paging(
        domain: Arc<Domain>,
        pasid: bool,
        dirty: bool,
        instance: Outlive,
    ) -> Result<KBox<Self>> {
        if domain.paging().is_none_or(|table| table.page_sizes() == 0) {
            return Err(EINVAL);
        }
        let this = Self::new(domain, domain_ops::paging(pasid), dirty, Some(instance));
        Ok(KBox::new(this, GFP_KERNEL)?)
    }

    fn new(
        domain: Arc<Domain>,
        ops: &'static bindings::iommu_domain_ops,
        dirty: bool,
        instance: Option<Outlive>,
    ) -> Self {
        let mut raw: bindings::iommu_domain = pin_init::zeroed();
        raw.type_ = match domain.kind() {
            Kind::Blocked => bindings::IOMMU_DOMAIN_BLOCKED,
            Kind::Identity => bindings::IOMMU_DOMAIN_IDENTITY,
            // The core says which kind of paging domain it is.
            Kind::Paging => bindings::IOMMU_DOMAIN_UNMANAGED,
            Kind::Nested => bindings::IOMMU_DOMAIN_NESTED,
        };
        raw.ops = ops;
        if dirty {
            raw.dirty_ops = &domain_ops::DIRTY;
        }
        if let Some(table) = domain.paging() {
            let aperture = table.aperture();
            // CAST: A page size above the address space of the CPU cannot be used.
            raw.pgsize_bitmap = table.page_sizes() as c_ulong;
            raw.geometry = bindings::iommu_domain_geometry {
                aperture_start: aperture.first,
                aperture_end: aperture.last,
                force_aperture: true,
            };
        }
        // INVARIANT: `ops` is of `domain_ops`.
        Self {
            raw: Opaque::new(raw),
            domain,
            _instance: instance,
        }
    }

    /// The domain of the contract.
    pub(super) fn domain(&self) -> &Arc<Domain> {
        &self.domain
    }

    /// What the core is given.
    pub(super) fn as_raw(&self) -> *mut bindings::iommu_domain {
        self.raw.get()
    }

    /// Gives a paging domain to the core, which frees it by [`Self::free`].
    pub(super) fn into_raw(this: KBox<Self>) -> *mut bindings::iommu_domain {
        KBox::into_raw(this).cast()
    }

    /// The domain of ours that `raw` is; `None` where it is null or another driver's.
    ///
    /// # Safety
    ///
    /// `raw` must be null or a domain that is not freed during `'a`.
    pub(super) unsafe fn from_raw<'a>(raw: *mut bindings::iommu_domain) -> Option<&'a Self> {
        let raw = NonNull::new(raw)?;
        // SAFETY: By the contract of this function, `raw` is a domain.
        let ops = unsafe { (*raw.as_ptr()).ops };
        // SAFETY: By the type invariant, only ours have these operations, and `raw` is their first
        // field.
        domain_ops::is_ours(ops).then(|| unsafe { raw.cast::<Self>().as_ref() })
    }

    /// Frees a domain that [`Self::into_raw`] gave away.
    ///
    /// # Safety
    ///
    /// `raw` must come from there, and must not be used any more.
    pub(super) unsafe fn free(raw: *mut bindings::iommu_domain) {
        // SAFETY: By the contract of this function, `raw` was made by `into_raw`.
        drop(unsafe { KBox::from_raw(raw.cast::<Self>()) });
    }
}
