// SPDX-License-Identifier: GPL-2.0

//! A group of the kernel's core, and what that core believes of its members.

use super::{
    consumer::Uses,
    device::device,
    domain::RawDomain, //
};
use crate::{
    iommu::{
        Domain,
        EndpointId, //
    },
    kapi::{
        new_mutex,
        Mutex, //
    },
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        from_result,
        to_result, //
    },
    prelude::*,
    sync::Arc, //
};

/// A group. It may have lost its last member.
///
/// # Invariants
///
/// `raw` is a group, on which this holds a reference. Its members are endpoints of ours.
#[pin_data(PinnedDrop)]
pub(crate) struct Group {
    raw: NonNull<bindings::iommu_group>,
    #[pin]
    uses: Mutex<Uses>,
}

// SAFETY: The core's operations on a group may run on any thread.
unsafe impl Send for Group {}
// SAFETY: As above, and they take the group's mutex.
unsafe impl Sync for Group {}

/// Which domain the core believes a member is on.
#[derive(Clone)]
pub(crate) enum Believed {
    /// None, as after a failed probe.
    Nothing,
    /// One of ours.
    On(Arc<Domain>),
    /// Another driver's.
    Foreign,
}

/// A member of a group, as the core sees it.
#[derive(Clone)]
pub(crate) struct Member {
    /// The device.
    pub(crate) endpoint: EndpointId,
    /// The domain it is on, which is the blocking domain while it is being reset.
    pub(crate) believed: Believed,
}

impl Group {
    /// Makes a group without members.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new() -> Result<Arc<Self>> {
        // SAFETY: No precondition.
        let raw = from_err_ptr(unsafe { bindings::iommu_group_alloc() })?;
        let raw = NonNull::new(raw).ok_or(ENOMEM)?;
        // INVARIANT: The reference is the one that `iommu_group_alloc` returned. Only `Groups`
        // makes groups, and it hands them out for endpoints only.
        let init = pin_init!(Self {
            raw,
            uses <- new_mutex!(Uses::new(), "ccore::Group::uses"),
        });
        Arc::pin_init(init, GFP_KERNEL)
    }

    pub(super) fn as_raw(&self) -> *mut bindings::iommu_group {
        self.raw.as_ptr()
    }

    /// What the core refers to for the sake of consumers.
    pub(super) fn uses(&self) -> &Mutex<Uses> {
        &self.uses
    }

    /// Takes another reference, for the core to put.
    pub(super) fn share(&self) -> *mut bindings::iommu_group {
        // SAFETY: By the type invariant, `raw` is a group.
        unsafe { bindings::iommu_group_ref_get(self.as_raw()) }
    }

    /// Number of the group in `/sys/kernel/iommu_groups`.
    pub(crate) fn number(&self) -> i32 {
        // SAFETY: By the type invariant, `raw` is a group.
        unsafe { bindings::iommu_group_id(self.as_raw()) }
    }

    /// The members, in the core's order. Takes the group's mutex.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn members(&self) -> Result<KVec<Member>> {
        let mut members = KVec::new();
        let data = ptr::from_mut::<KVec<Member>>(&mut members).cast();
        // SAFETY: By the type invariant, `raw` is a group, and `data` is what `note_member` wants.
        let result = to_result(unsafe {
            bindings::iommu_group_for_each_dev(self.as_raw(), data, Some(note_member))
        });
        result.map(|()| members)
    }
}

#[pinned_drop]
impl PinnedDrop for Group {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant, this reference is ours.
        unsafe { bindings::iommu_group_put(self.as_raw()) };
    }
}

/// # Safety
///
/// Called by `iommu_group_for_each_dev` for a member of a [`Group`] with the address of a vector of
/// members.
unsafe extern "C" fn note_member(dev: *mut bindings::device, data: *mut c_void) -> c_int {
    // SAFETY: By the contract of this function.
    let members = unsafe { &mut *data.cast::<KVec<Member>>() };
    // SAFETY: The group's mutex is held, without which `dev` cannot be released.
    let Some(device) = (unsafe { device(dev) }) else {
        return 0;
    };
    // SAFETY: The group's mutex is held, which this function asks for, and `dev` is a member.
    let domain = unsafe { bindings::iommu_driver_get_domain_for_dev(dev) };
    // SAFETY: A group does not leave a domain without its mutex, and what it is on is not freed.
    let believed = match (domain.is_null(), unsafe { RawDomain::from_raw(domain) }) {
        (true, _) => Believed::Nothing,
        (false, Some(domain)) => Believed::On(domain.domain().clone()),
        (false, None) => Believed::Foreign,
    };
    let member = Member {
        endpoint: device.id(),
        believed,
    };
    from_result(|| Ok(members.push(member, GFP_KERNEL).map(|()| 0)?))
}
