// SPDX-License-Identifier: GPL-2.0

//! What a consumer attaches along with a domain, to find its own data again.

use super::domain::UserDomain;
use crate::kapi::{
    new_mutex,
    Guard,
    Mutex, //
};
use kernel::{
    bindings,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    types::Opaque, //
};

/// A `struct iommu_attach_handle` with a number of the consumer's.
#[pin_data]
pub(crate) struct Handle {
    #[pin]
    raw: Opaque<bindings::iommu_attach_handle>,
    cookie: u64,
    /// The domain that the core has written into it last, be it in vain.
    #[pin]
    written: Mutex<Option<Arc<UserDomain>>>,
    /// PASIDs it is attached with.
    pasids: Atomic<u32>,
}

/// A handle into which the core may write a certain domain, and nobody else another.
#[must_use = "must live until the core has written"]
pub(super) struct Prepared<'a> {
    raw: *mut bindings::iommu_attach_handle,
    _written: Guard<'a, Option<Arc<UserDomain>>>,
}

impl Prepared<'_> {
    /// What the core is given.
    pub(super) fn as_raw(&self) -> *mut bindings::iommu_attach_handle {
        self.raw
    }
}

// SAFETY: `raw` is the core's, which may access it from any thread.
unsafe impl Send for Handle {}
// SAFETY: As above.
unsafe impl Sync for Handle {}

impl Handle {
    /// Makes a handle.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(cookie: u64) -> Result<Arc<Self>> {
        let init = pin_init!(Self {
            raw: Opaque::zeroed(),
            cookie,
            written <- new_mutex!(None, "ccore::Handle::written"),
            pasids: Atomic::new(0),
        });
        Arc::pin_init(init, GFP_KERNEL)
    }

    /// The consumer's number.
    pub(crate) fn cookie(&self) -> u64 {
        self.cookie
    }

    /// Prepares the handle for being attached with `domain`, which is kept alive as long as it may
    /// be found in the handle.
    ///
    /// # Errors
    ///
    /// EINVAL where PASIDs use the handle and could not use the domain: the core would call an
    /// operation that is not there when it has to put them back.
    pub(super) fn prepare(&self, domain: &Arc<UserDomain>) -> Result<Prepared<'_>> {
        let mut written = self.written.lock();
        if self.pasids.load(Relaxed) != 0 && !domain.takes_pasids() {
            return Err(EINVAL);
        }
        *written = Some(domain.clone());
        Ok(Prepared {
            raw: self.as_raw(),
            _written: written,
        })
    }

    pub(super) fn as_raw(&self) -> *mut bindings::iommu_attach_handle {
        self.raw.get()
    }

    pub(super) fn attached_with_pasid(&self) {
        self.pasids.fetch_add(1, Relaxed);
    }

    pub(super) fn detached_from_pasid(&self) {
        self.pasids.fetch_sub(1, Relaxed);
    }
}
