// SPDX-License-Identifier: GPL-2.0

//! What the kernel's core refers to without holding a reference.

use super::{
    domain::UserDomain,
    handle::Handle, //
};
use crate::iommu::Pasid;
use kernel::{
    bindings,
    prelude::*,
    sync::Arc, //
};

/// A PASID of a group in use.
pub(super) struct PasidUse {
    pub(super) pasid: Pasid,
    pub(super) domain: Arc<UserDomain>,
    pub(super) handle: Option<Arc<Handle>>,
}

/// The domains and handles of consumers that a group of the core refers to.
///
/// Its lock is held around each operation that changes what that is. Kept until the group goes, as
/// the core does not forget PASIDs even with the last device.
pub(in super::super) struct Uses {
    domain: Option<Arc<UserDomain>>,
    handle: Option<Arc<Handle>>,
    pasids: KVec<PasidUse>,
}

impl Uses {
    pub(in super::super) fn new() -> Self {
        Self {
            domain: None,
            handle: None,
            pasids: KVec::new(),
        }
    }

    /// Takes note that the group is on `current` now, which is `candidate`, what was held, or a
    /// domain of the core's own.
    pub(super) fn is_on(
        &mut self,
        current: *mut bindings::iommu_domain,
        candidate: Option<&Arc<UserDomain>>,
    ) {
        if let Some(candidate) = candidate.filter(|c| c.as_raw() == current) {
            self.domain = Some(candidate.clone());
        }
        if self.domain.as_ref().is_some_and(|d| d.as_raw() != current) {
            self.domain = None;
        }
    }

    /// The same for the handle.
    pub(super) fn has_handle(
        &mut self,
        current: *mut bindings::iommu_attach_handle,
        candidate: Option<&Arc<Handle>>,
    ) {
        if let Some(candidate) = candidate.filter(|c| c.as_raw() == current) {
            self.handle = Some(candidate.clone());
        }
        if self.handle.as_ref().is_some_and(|h| h.as_raw() != current) {
            self.handle = None;
        }
    }

    /// Takes note that the group is on nothing, as it has no members.
    #[cfg(IOMMU_MOCK_KUNIT)]
    pub(super) fn clear(&mut self) {
        self.domain = None;
        self.handle = None;
    }

    /// The handle that came with the group's domain.
    pub(super) fn handle(&self) -> Option<&Arc<Handle>> {
        self.handle.as_ref()
    }

    /// The consumer's domain that the group is on.
    pub(super) fn domain(&self) -> Option<&Arc<UserDomain>> {
        self.domain.as_ref()
    }

    /// A PASID in use, and its domain.
    pub(super) fn any_pasid(&self) -> Option<(Arc<UserDomain>, Pasid)> {
        let using = self.pasids.first()?;
        Some((using.domain.clone(), using.pasid))
    }

    /// What a PASID uses that came with a handle.
    #[cfg(IOMMU_MOCK_KUNIT)]
    pub(super) fn of_pasid(&self, pasid: Pasid) -> Option<(&Arc<UserDomain>, &Arc<Handle>)> {
        let using = self.pasids.iter().find(|using| using.pasid == pasid)?;
        Some((&using.domain, using.handle.as_ref()?))
    }

    /// Makes room for [`Self::set_pasid`].
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn reserve(&mut self) -> Result {
        Ok(self.pasids.reserve(1, GFP_KERNEL)?)
    }

    /// Takes note of what a PASID uses now.
    pub(super) fn set_pasid(&mut self, new: PasidUse) {
        if let Some(handle) = &new.handle {
            handle.attached_with_pasid();
        }
        self.clear_pasid(new.pasid);
        // Room was reserved.
        let _ = self.pasids.push_within_capacity(new);
    }

    /// Takes note that a PASID is not in use any more.
    pub(super) fn clear_pasid(&mut self, pasid: Pasid) {
        self.pasids.retain(|using| {
            let stays = using.pasid != pasid;
            if let (false, Some(handle)) = (stays, &using.handle) {
                handle.detached_from_pasid();
            }
            stays
        });
    }
}
