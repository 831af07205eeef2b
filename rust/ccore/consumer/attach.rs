// SPDX-License-Identifier: GPL-2.0

//! Attach, detach and replace of all of a device's DMA.

use super::{
    super::{
        endpoint::Endpoint,
        ffi,
        group::Group, //
    },
    domain::UserDomain,
    handle::Handle,
    uses::Uses, //
};
use crate::kapi::Guard;
use core::ops::Deref;
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*,
    sync::Arc, //
};

/// A group that has a member, as the endpoint it is borrowed from is one.
#[derive(Clone, Copy)]
pub(crate) struct LiveGroup<'a>(&'a Endpoint);

impl Deref for LiveGroup<'_> {
    type Target = Arc<Group>;

    fn deref(&self) -> &Arc<Group> {
        self.0.group()
    }
}

impl<'a> LiveGroup<'a> {
    /// `iommu_attach_group()`, or `iommu_attach_group_handle()` where there is a handle.
    ///
    /// # Errors
    ///
    /// EBUSY where the group is on a consumer's domain, has a handle, or a member is being reset;
    /// EINVAL where the domain does not fit; else the driver's.
    pub(crate) fn attach(&self, domain: &Arc<UserDomain>, handle: Option<&Arc<Handle>>) -> Result {
        let mut uses = self.uses();
        let (raw, group) = (domain.as_raw(), self.as_raw());
        let result = match handle {
            // SAFETY: Both are valid, the group has a member, and `settle` keeps the domain as long
            // as it is referred to.
            None => unsafe { bindings::iommu_attach_group(raw, group) },
            Some(handle) => {
                let prepared = handle.prepare(domain)?;
                // SAFETY: As above, and for the handle.
                unsafe { ffi::iommu_attach_group_handle(raw, group, prepared.as_raw()) }
            }
        };
        self.settle(&mut uses, Some(domain), handle);
        to_result(result)
    }

    /// `iommu_replace_group_handle()`. Nothing is checked but that no member is being reset.
    ///
    /// # Errors
    ///
    /// EBUSY while one is; EINVAL where the domain does not fit; else the driver's.
    pub(crate) fn replace(&self, domain: &Arc<UserDomain>, handle: &Arc<Handle>) -> Result {
        let mut uses = self.uses();
        let prepared = handle.prepare(domain)?;
        let (raw, group) = (domain.as_raw(), self.as_raw());
        // SAFETY: All are valid, the group has a member, and `settle` keeps domain and handle as
        // long as they are referred to.
        let result = unsafe { ffi::iommu_replace_group_handle(group, raw, prepared.as_raw()) };
        self.settle(&mut uses, Some(domain), Some(handle));
        to_result(result)
    }

    /// `iommu_detach_group()`, which does not look at the domain it is given.
    pub(crate) fn detach(&self, domain: &UserDomain) {
        let mut uses = self.uses();
        // SAFETY: Both are valid.
        unsafe { bindings::iommu_detach_group(domain.as_raw(), self.as_raw()) };
        self.settle(&mut uses, None, None);
    }

    /// `iommu_detach_group_handle()`.
    pub(crate) fn detach_with_handle(&self, domain: &UserDomain) {
        let mut uses = self.uses();
        // SAFETY: Both are valid.
        unsafe { ffi::iommu_detach_group_handle(domain.as_raw(), self.as_raw()) };
        self.settle(&mut uses, None, None);
    }

    /// `iommu_attach_handle_get()`: the number of the handle that came with the group's domain.
    ///
    /// # Errors
    ///
    /// ENOENT where there is none.
    pub(crate) fn handle(&self) -> Result<u64> {
        let uses = self.uses();
        let raw = self.find_handle()?;
        let handle = uses.handle().filter(|handle| handle.as_raw() == raw);
        // A handle that nobody keeps would be a defect of this room.
        Ok(handle.ok_or(EFAULT)?.cookie())
    }

    /// Ends everything that consumers have left of their use of the group, but for bound drivers.
    pub(crate) fn abandon(&self) {
        loop {
            let left = self.uses().any_pasid();
            let Some((domain, pasid)) = left else {
                break;
            };
            self.0.detach_pasid(&domain, pasid);
        }
        let attached = self.uses().domain().cloned();
        if let Some(domain) = attached {
            self.detach_with_handle(&domain);
        }
    }

    fn find_handle(&self) -> Result<*mut bindings::iommu_attach_handle> {
        // SAFETY: The group is valid. With no type to compare, the handle is not looked into.
        from_err_ptr(unsafe { ffi::iommu_attach_handle_get(self.as_raw(), RID, 0) })
    }

    /// Takes note of what the core refers to after an operation.
    fn settle(
        &self,
        uses: &mut Uses,
        domain: Option<&Arc<UserDomain>>,
        handle: Option<&Arc<Handle>>,
    ) {
        // SAFETY: The device of an endpoint is valid. No consumer changes the domain meanwhile, as
        // `uses` is locked.
        let current = unsafe { bindings::iommu_get_domain_for_dev(self.0.device()) };
        uses.is_on(current, domain);
        uses.has_handle(self.find_handle().unwrap_or(core::ptr::null_mut()), handle);
    }

    /// The device of the endpoint that it is borrowed from.
    #[cfg(IOMMU_MOCK_KUNIT)]
    pub(super) fn member(&self) -> *mut bindings::device {
        self.0.device()
    }

    pub(super) fn uses(&self) -> Guard<'a, Uses> {
        self.0.group().uses().lock()
    }
}

/// Stands for DMA without a PASID.
pub(super) const RID: bindings::ioasid_t = 0;

impl Endpoint {
    /// Its group, of which it is a member.
    pub(crate) fn live_group(&self) -> LiveGroup<'_> {
        LiveGroup(self)
    }

    /// `iommu_attach_device()`.
    ///
    /// # Errors
    ///
    /// EINVAL where the device is not alone in its group; else those of [`LiveGroup::attach`].
    pub(crate) fn attach(&self, domain: &Arc<UserDomain>) -> Result {
        let group = self.live_group();
        let mut uses = group.uses();
        // SAFETY: Both are valid, and `settle` keeps the domain as long as it is referred to.
        let result = unsafe { bindings::iommu_attach_device(domain.as_raw(), self.device()) };
        group.settle(&mut uses, Some(domain), None);
        to_result(result)
    }

    /// `iommu_detach_device()`.
    pub(crate) fn detach(&self, domain: &UserDomain) {
        let group = self.live_group();
        let mut uses = group.uses();
        // SAFETY: Both are valid.
        unsafe { bindings::iommu_detach_device(domain.as_raw(), self.device()) };
        group.settle(&mut uses, None, None);
    }

    /// Whether `iommu_get_domain_for_dev()` returns this domain.
    pub(crate) fn is_on(&self, domain: &UserDomain) -> bool {
        // SAFETY: The device of an endpoint is valid.
        unsafe { bindings::iommu_get_domain_for_dev(self.device()) == domain.as_raw() }
    }
}
