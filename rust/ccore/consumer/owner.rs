// SPDX-License-Identifier: GPL-2.0

//! Who may use the devices' DMA.

use super::{
    super::{
        endpoint::Endpoint,
        group::Group, //
    },
    attach::LiveGroup, //
};
use core::ptr;
use kernel::{
    bindings,
    error::to_result,
    prelude::*, //
};

/// Identity of a consumer, which the core only compares. 0 is nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(pub(crate) usize);

impl Owner {
    fn as_raw(self) -> *mut c_void {
        ptr::without_provenance_mut(self.0)
    }
}

impl LiveGroup<'_> {
    /// `iommu_group_claim_dma_owner()`.
    ///
    /// # Errors
    ///
    /// EINVAL with a WARN for nobody; EPERM where the group is in use; EBUSY where it is not on its
    /// default domain; else the driver's.
    pub(crate) fn claim(&self, owner: Owner) -> Result {
        // SAFETY: The group is valid and has a member.
        to_result(unsafe { bindings::iommu_group_claim_dma_owner(self.as_raw(), owner.as_raw()) })
    }
}

impl Group {
    /// `iommu_group_release_dma_owner()`. The group may have lost its members.
    pub(crate) fn release_claims(&self) {
        // Forces a domain off that is still attached, but does not free it: `Uses` holds it until
        // the next operation.
        // SAFETY: By the type invariant, the group is valid.
        unsafe { bindings::iommu_group_release_dma_owner(self.as_raw()) };
    }

    /// `iommu_group_dma_owner_claimed()`.
    pub(crate) fn is_claimed(&self) -> bool {
        // SAFETY: By the type invariant, the group is valid.
        unsafe { bindings::iommu_group_dma_owner_claimed(self.as_raw()) }
    }
}

impl Endpoint {
    /// `iommu_device_claim_dma_owner()`.
    ///
    /// # Errors
    ///
    /// EPERM where somebody else uses the group; else those of [`LiveGroup::claim`].
    pub(crate) fn claim(&self, owner: Owner) -> Result {
        // SAFETY: The device of an endpoint is valid and has a group.
        to_result(unsafe { bindings::iommu_device_claim_dma_owner(self.device(), owner.as_raw()) })
    }

    /// `iommu_device_release_dma_owner()`.
    pub(crate) fn release_claim(&self) {
        // SAFETY: As above.
        unsafe { bindings::iommu_device_release_dma_owner(self.device()) };
    }
}
