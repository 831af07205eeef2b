// SPDX-License-Identifier: GPL-2.0

//! Domains for the DMA that a device tags with a PASID.

use super::{
    super::{
        endpoint::Endpoint,
        ffi, //
    },
    domain::UserDomain,
    handle::{
        Handle,
        Prepared, //
    },
    uses::PasidUse, //
};
use crate::iommu::Pasid;
use core::ptr;
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::Arc, //
};

impl Endpoint {
    /// `iommu_attach_device_pasid()`, for all members of the device's group.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP where the hardware knows no PASIDs; EINVAL where the domain is another driver's
    /// or a member has too few; EBUSY where the PASID is in use or a member is being reset; else
    /// the driver's.
    pub(crate) fn attach_pasid(
        &self,
        domain: &Arc<UserDomain>,
        pasid: Pasid,
        handle: Option<&Arc<Handle>>,
    ) -> Result {
        let mut uses = self.live_group().uses();
        uses.reserve()?;
        let prepared = handle.map(|handle| handle.prepare(domain)).transpose()?;
        let raw = prepared.as_ref().map_or(ptr::null_mut(), Prepared::as_raw);
        // SAFETY: All are valid; domain and handle are kept in `uses` as long as the core refers to
        // them.
        let result = to_result(unsafe {
            bindings::iommu_attach_device_pasid(domain.as_raw(), self.device(), pasid.get(), raw)
        });
        if result.is_ok() {
            uses.set_pasid(PasidUse {
                pasid,
                domain: domain.clone(),
                handle: handle.cloned(),
            });
        }
        result
    }

    /// `iommu_replace_device_pasid()`.
    ///
    /// # Errors
    ///
    /// Those of [`Self::attach_pasid`] but for a PASID in use; EINVAL where it is not in use, and
    /// with a WARN where it has this handle.
    pub(crate) fn replace_pasid(
        &self,
        domain: &Arc<UserDomain>,
        pasid: Pasid,
        handle: &Arc<Handle>,
    ) -> Result {
        let mut uses = self.live_group().uses();
        uses.reserve()?;
        let prepared = handle.prepare(domain)?;
        let raw = prepared.as_raw();
        // SAFETY: As in `attach_pasid`. What is attached stays in `uses` if this fails, and the
        // handle holds what was written into it in vain.
        let result = to_result(unsafe {
            ffi::iommu_replace_device_pasid(domain.as_raw(), self.device(), pasid.get(), raw)
        });
        if result.is_ok() {
            uses.set_pasid(PasidUse {
                pasid,
                domain: domain.clone(),
                handle: Some(handle.clone()),
            });
        }
        result
    }

    /// `iommu_detach_device_pasid()`. Nothing happens where the hardware knows no PASIDs.
    pub(crate) fn detach_pasid(&self, domain: &UserDomain, pasid: Pasid) {
        let mut uses = self.live_group().uses();
        let driver = self.iommu().driver();
        // The core would call an operation that is not there.
        if driver.blocked().is_none() || !driver.features().pasid {
            return;
        }
        // SAFETY: Both are valid, and the device's driver can block PASIDs.
        unsafe { bindings::iommu_detach_device_pasid(domain.as_raw(), self.device(), pasid.get()) };
        uses.clear_pasid(pasid);
    }
}
