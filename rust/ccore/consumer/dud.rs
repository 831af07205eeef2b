// SPDX-License-Identifier: GPL-2.0

//! A domain that can do nothing, for tests of what the core makes of one.

use super::super::endpoint::Endpoint;
use core::ptr;
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    types::Opaque, //
};

/// A paging domain without a single operation, and a handle that nobody has.
pub(super) struct Dud(KBox<Inner>);

struct Inner {
    domain: Opaque<bindings::iommu_domain>,
    handle: Opaque<bindings::iommu_attach_handle>,
}

static NO_OPERATIONS: bindings::iommu_domain_ops = pin_init::zeroed();

const PAGE: usize = 0x1000;

impl Dud {
    /// One that fits the device by its looks.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn of(endpoint: &Endpoint) -> Result<Self> {
        let iommu = endpoint.iommu().instance().iommu();
        // SAFETY: The instance of an endpoint is registered, and its operations stay the same.
        Self::new(unsafe { (*iommu).ops })
    }

    /// One that fits no device.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn without_owner() -> Result<Self> {
        Self::new(ptr::null())
    }

    fn new(owner: *const bindings::iommu_ops) -> Result<Self> {
        let domain = bindings::iommu_domain {
            type_: bindings::IOMMU_DOMAIN_UNMANAGED,
            ops: &NO_OPERATIONS,
            owner,
            pgsize_bitmap: PAGE as c_ulong,
            ..pin_init::zeroed()
        };
        let inner = Inner {
            domain: Opaque::new(domain),
            handle: Opaque::zeroed(),
        };
        Ok(Self(KBox::new(inner, GFP_KERNEL)?))
    }

    pub(super) fn domain(&self) -> *mut bindings::iommu_domain {
        self.0.domain.get()
    }

    pub(super) fn handle(&self) -> *mut bindings::iommu_attach_handle {
        self.0.handle.get()
    }

    /// Has the core do something with it. What the core takes against all expectation is never
    /// freed, as nobody knows when it is let go.
    ///
    /// # Errors
    ///
    /// The core's.
    pub(super) fn lend(self, call: impl FnOnce(&Self) -> c_int) -> Result {
        let result = to_result(call(&self));
        if result.is_ok() {
            core::mem::forget(self);
        }
        result
    }

    /// Maps a page.
    ///
    /// # Errors
    ///
    /// ENODEV with two WARNs: of the map, and of the unmap that undoes it.
    pub(super) fn map(&self) -> Result {
        let (prot, gfp) = (bindings::IOMMU_READ as c_int, bindings::GFP_KERNEL);
        // SAFETY: The domain is valid, and the core looks whether there is an operation.
        to_result(unsafe { bindings::iommu_map(self.domain(), 0, 0, PAGE, prot, gfp) })
    }

    /// Unmaps it, and returns how many bytes that were: 0 with a WARN.
    pub(super) fn unmap(&self) -> usize {
        // SAFETY: As above.
        unsafe { bindings::iommu_unmap(self.domain(), 0, PAGE) }
    }
}
