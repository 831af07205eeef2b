// SPDX-License-Identifier: GPL-2.0

//! What a user attaches along with a domain, to find its own data when the domain is in use.

use super::state::{
    Group,
    State, //
};
use crate::iommu::{
    Domain,
    Kind,
    Pasid, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A user's token for one attachment.
///
/// Unlike `struct iommu_attach_handle` it holds no domain: the group records which domain it came
/// with, so that a failed attach cannot falsify it.
pub(crate) struct Handle {
    cookie: u64,
}

impl Handle {
    /// Makes a handle with a number of the user's choice.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(cookie: u64) -> Result<Arc<Self>> {
        Ok(Arc::new(Self { cookie }, GFP_KERNEL)?)
    }

    /// The user's number.
    pub(crate) fn cookie(&self) -> u64 {
        self.cookie
    }
}

impl Group {
    /// The handle that was attached with a PASID, or without one, and its domain. Takes the group's
    /// mutex.
    ///
    /// # Errors
    ///
    /// ENOENT where nothing is attached, or not with a handle; EBUSY where the domain is not of
    /// `kind`. As `iommu_attach_handle_get()`.
    pub(crate) fn handle_of(
        &self,
        pasid: Option<Pasid>,
        kind: Option<Kind>,
    ) -> Result<(Arc<Handle>, Arc<Domain>)> {
        self.lock().handle_of(pasid, kind)
    }
}

impl State {
    fn handle_of(
        &self,
        pasid: Option<Pasid>,
        kind: Option<Kind>,
    ) -> Result<(Arc<Handle>, Arc<Domain>)> {
        let (handle, domain) = match pasid {
            None => (self.handle.as_ref(), self.current.as_ref()),
            Some(pasid) => {
                let entry = self.pasids.get(pasid).ok_or(ENOENT)?;
                (entry.handle.as_ref(), Some(&entry.domain))
            }
        };
        let (handle, domain) = handle.zip(domain).ok_or(ENOENT)?;
        if kind.is_some_and(|kind| kind != domain.kind()) {
            return Err(EBUSY);
        }
        Ok((handle.clone(), domain.clone()))
    }
}
