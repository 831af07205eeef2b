// SPDX-License-Identifier: GPL-2.0

//! What callers in C can get wrong and ours cannot, as types stand in the way: no owner, no handle,
//! PASID 0, a domain that cannot be attached.
//!
//! For tests alone. The core answers each of them by an errno or a WARN, and refers to nothing it
//! was given. What it does not notice, as the end of a domain in use, cannot be done here either.

mod pasid;
mod stranger;

pub(crate) use stranger::{
    alloc_for_stranger,
    attach_pasid_of_stranger,
    attach_stranger,
    claim_stranger, //
};

use super::{
    super::{
        endpoint::Endpoint,
        ffi, //
    },
    attach::RID,
    domain::UserDomain,
    dud::Dud, //
};
use core::ptr;
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};
use stranger::stranger;

/// Misuse of an endpoint and of its group.
#[derive(Clone, Copy)]
pub(crate) struct Misuse<'a>(&'a Endpoint);

impl Endpoint {
    /// What can be got wrong with it.
    pub(crate) fn misuse(&self) -> Misuse<'_> {
        Misuse(self)
    }
}

/// Memory that the kernel has no address of.
const ODD_FLAG: bindings::gfp_t = bindings::__GFP_HIGHMEM;
const PAGE: usize = 0x1000;

impl Misuse<'_> {
    fn device(self) -> *mut bindings::device {
        self.0.device()
    }

    fn group(self) -> *mut bindings::iommu_group {
        self.0.group().as_raw()
    }

    /// Claims the group for nobody.
    ///
    /// # Errors
    ///
    /// EINVAL with a WARN.
    pub(crate) fn claim_group_by_nobody(self) -> Result {
        // SAFETY: The group is valid and has a member. Of an owner, the core looks at the address
        // alone.
        to_result(unsafe { bindings::iommu_group_claim_dma_owner(self.group(), ptr::null_mut()) })
    }

    /// Claims the device for nobody.
    ///
    /// # Errors
    ///
    /// EINVAL with a WARN.
    pub(crate) fn claim_by_nobody(self) -> Result {
        // SAFETY: As above.
        to_result(unsafe { bindings::iommu_device_claim_dma_owner(self.device(), ptr::null_mut()) })
    }

    /// Attaches the group by the function for a handle, without one.
    ///
    /// # Errors
    ///
    /// EINVAL.
    pub(crate) fn attach_without_handle(self, domain: &UserDomain) -> Result {
        // SAFETY: Domain and group are valid, the group has a member, and a null handle is refused
        // before anything else, so that the domain is not referred to afterwards.
        to_result(unsafe {
            ffi::iommu_attach_group_handle(domain.as_raw(), self.group(), ptr::null_mut())
        })
    }

    /// Replaces the group's domain by none.
    ///
    /// # Errors
    ///
    /// EINVAL.
    pub(crate) fn replace_by_nothing(self) -> Result {
        Dud::without_owner()?.lend(|dud| {
            // SAFETY: The group is valid and has a member. A null domain is refused before anything
            // else.
            unsafe { ffi::iommu_replace_group_handle(self.group(), ptr::null_mut(), dud.handle()) }
        })
    }

    /// Replaces the group's domain, without a handle.
    ///
    /// # Errors
    ///
    /// EINVAL.
    pub(crate) fn replace_without_handle(self, domain: &UserDomain) -> Result {
        // SAFETY: As in `attach_without_handle`.
        to_result(unsafe {
            ffi::iommu_replace_group_handle(self.group(), domain.as_raw(), ptr::null_mut())
        })
    }

    /// Attaches the group to a domain that nothing can be attached to.
    ///
    /// # Errors
    ///
    /// EBUSY where it is on a consumer's domain or a member is being reset, else ENODEV.
    pub(crate) fn attach_unattachable(self) -> Result {
        Dud::of(self.0)?.lend(|dud| {
            // SAFETY: Both are valid, and the group has a member. `lend` keeps a domain that the
            // core takes.
            unsafe { bindings::iommu_attach_group(dud.domain(), self.group()) }
        })
    }

    /// Replaces the group's domain by one that nothing can be attached to.
    ///
    /// # Errors
    ///
    /// EBUSY where a member is being reset, else ENODEV.
    pub(crate) fn replace_by_unattachable(self) -> Result {
        Dud::of(self.0)?.lend(|dud| {
            // SAFETY: As above, also for the handle.
            unsafe { ffi::iommu_replace_group_handle(self.group(), dud.domain(), dud.handle()) }
        })
    }

    /// Attaches the group to a domain of nobody's.
    ///
    /// # Errors
    ///
    /// EBUSY where it is on a consumer's domain, else EINVAL.
    pub(crate) fn attach_of_nobodys(self) -> Result {
        Dud::without_owner()?.lend(|dud| {
            // SAFETY: As in `attach_unattachable`.
            unsafe { bindings::iommu_attach_group(dud.domain(), self.group()) }
        })
    }

    /// The handle of the group's domain, as of a domain of another type.
    ///
    /// # Errors
    ///
    /// ENOENT where there is none, EBUSY where there is one.
    pub(crate) fn handle_of_other_type(self) -> Result {
        let uses = self.0.live_group().uses();
        // SAFETY: The group is valid. A handle that came with the domain is kept in `uses`, and so
        // is the domain that is read from it.
        let found = from_err_ptr(unsafe {
            ffi::iommu_attach_handle_get(self.group(), RID, bindings::IOMMU_DOMAIN_NESTED)
        });
        drop(uses);
        found.map(|_| ())
    }

    /// Writes a word into the type of the default domain that is none.
    ///
    /// # Errors
    ///
    /// EINVAL.
    pub(crate) fn set_unknown_type(self) -> Result {
        // SAFETY: The device of an endpoint is valid and a member of a group.
        let answer = unsafe { ffi::group_type_store(self.device(), c"nested".as_char_ptr()) };
        match answer < 0 {
            // CAST: An errno is small.
            true => to_result(answer as c_int),
            false => Ok(()),
        }
    }

    /// Attaches a group whose only member is behind no IOMMU.
    ///
    /// # Errors
    ///
    /// EINVAL.
    pub(crate) fn attach_group_without_iommu(self, domain: &UserDomain) -> Result {
        // SAFETY: No precondition.
        let group = from_err_ptr(unsafe { bindings::iommu_group_alloc() })?;
        let device = stranger();
        // SAFETY: Both are valid, and the device is in no group.
        let mut result = to_result(unsafe { bindings::iommu_group_add_device(group, device) });
        if result.is_ok() {
            // SAFETY: The group has a member. One that is behind no IOMMU has no operations that
            // the core could call, which it makes sure of.
            result = to_result(unsafe { bindings::iommu_attach_group(domain.as_raw(), group) });
            // SAFETY: It was added above.
            unsafe { bindings::iommu_group_remove_device(device) };
        }
        // SAFETY: The reference is the one that `iommu_group_alloc` returned.
        unsafe { bindings::iommu_group_put(group) };
        result
    }
}

impl Misuse<'_> {
    /// Maps a page by flags that no page table can be made with.
    ///
    /// # Errors
    ///
    /// EINVAL, with a WARN for the first time since boot.
    pub(crate) fn map_with_odd_flags(self, domain: &UserDomain, iova: usize) -> Result {
        let gfp = bindings::GFP_KERNEL | ODD_FLAG;
        let prot = bindings::IOMMU_READ as c_int;
        // SAFETY: The domain is valid, and the core makes sure of the flags.
        to_result(unsafe {
            bindings::iommu_map(domain.as_raw(), iova, PAGE as u64, PAGE, prot, gfp)
        })
    }

    /// Maps a page into a domain that cannot map.
    ///
    /// # Errors
    ///
    /// ENODEV with two WARNs: of the map, and of the unmap that undoes it.
    pub(crate) fn map_unmappable(self) -> Result {
        Dud::of(self.0)?.map()
    }

    /// Unmaps a page of a domain that cannot unmap, with a WARN.
    ///
    /// # Errors
    ///
    /// ERANGE if that unmapped anything.
    pub(crate) fn unmap_unmappable(self) -> Result {
        match Dud::of(self.0)?.unmap() {
            0 => Ok(()),
            _ => Err(ERANGE),
        }
    }
}
