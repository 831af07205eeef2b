// SPDX-License-Identifier: GPL-2.0

//! What can be got wrong with PASIDs.

use super::{
    super::{
        super::ffi,
        domain::UserDomain,
        dud::Dud, //
    },
    Misuse, //
};
use crate::iommu::Pasid;
use core::ptr;
use kernel::{
    bindings,
    error::to_result,
    prelude::*, //
};

/// A PASID as the core knows it, of which there are more than a [`Pasid`] can be.
const NO_PASID: bindings::ioasid_t = 0;
const INVALID_PASID: bindings::ioasid_t = bindings::ioasid_t::MAX;

impl Misuse<'_> {
    /// Attaches PASID 0.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP where the hardware knows no PASIDs, else EINVAL.
    pub(crate) fn attach_pasid_0(self, domain: &UserDomain) -> Result {
        self.attach_pasid(domain, NO_PASID)
    }

    /// Attaches a PASID that none is. Members must have some.
    ///
    /// # Errors
    ///
    /// As above.
    pub(crate) fn attach_pasid_invalid(self, domain: &UserDomain) -> Result {
        self.attach_pasid(domain, INVALID_PASID)
    }

    fn attach_pasid(self, domain: &UserDomain, pasid: bindings::ioasid_t) -> Result {
        // SAFETY: Domain and device are valid, and so large or small a PASID is refused.
        to_result(unsafe {
            bindings::iommu_attach_device_pasid(
                domain.as_raw(),
                self.device(),
                pasid,
                ptr::null_mut(),
            )
        })
    }

    /// Attaches a domain to a PASID that cannot be attached to one.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP.
    pub(crate) fn attach_pasid_unattachable(self, pasid: Pasid) -> Result {
        Dud::of(self.0)?.lend(|dud| {
            // SAFETY: All are valid, and `lend` keeps a domain that the core takes.
            unsafe {
                bindings::iommu_attach_device_pasid(
                    dud.domain(),
                    self.device(),
                    pasid.get(),
                    dud.handle(),
                )
            }
        })
    }

    /// Replaces the domain of PASID 0.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP where the hardware knows no PASIDs, else EINVAL.
    pub(crate) fn replace_pasid_0(self, domain: &UserDomain) -> Result {
        Dud::without_owner()?.lend(|dud| {
            // SAFETY: All are valid, and PASID 0 is refused before the handle is looked at.
            unsafe {
                ffi::iommu_replace_device_pasid(
                    domain.as_raw(),
                    self.device(),
                    NO_PASID,
                    dud.handle(),
                )
            }
        })
    }

    /// Replaces the domain of a PASID, without a handle.
    ///
    /// # Errors
    ///
    /// As above.
    pub(crate) fn replace_pasid_without_handle(self, domain: &UserDomain, pasid: Pasid) -> Result {
        // SAFETY: All are valid, and a null handle is refused, so that nothing refers to the domain
        // afterwards.
        to_result(unsafe {
            ffi::iommu_replace_device_pasid(
                domain.as_raw(),
                self.device(),
                pasid.get(),
                ptr::null_mut(),
            )
        })
    }

    /// Replaces the domain and the handle of a PASID by themselves.
    ///
    /// # Errors
    ///
    /// ENOENT where it has no handle; EBUSY where a member is being reset; EINVAL with a WARN.
    pub(crate) fn replace_pasid_by_itself(self, pasid: Pasid) -> Result {
        let uses = self.0.live_group().uses();
        let (domain, handle) = uses.of_pasid(pasid).ok_or(ENOENT)?;
        let prepared = handle.prepare(domain)?;
        // SAFETY: All are valid, and `uses` keeps what the core refers to now and afterwards.
        to_result(unsafe {
            ffi::iommu_replace_device_pasid(
                domain.as_raw(),
                self.device(),
                pasid.get(),
                prepared.as_raw(),
            )
        })
    }
}
