// SPDX-License-Identifier: GPL-2.0

//! References to every object that the core has of a world, to see that they are the last ones once
//! all else has gone.

use crate::{
    group::{
        Group,
        Handle, //
    },
    iommu::{
        Device,
        Domain, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// See the module.
#[derive(Default)]
pub(crate) struct Objects {
    pub(super) groups: KVec<Arc<Group>>,
    pub(super) devices: KVec<Arc<Device>>,
    pub(super) domains: KVec<Arc<Domain>>,
    pub(super) handles: KVec<Arc<Handle>>,
}

/// Keeps a reference, unless it is kept already.
pub(super) fn keep<T: ?Sized>(list: &mut KVec<Arc<T>>, object: &Arc<T>) -> Result {
    if !list.iter().any(|kept| Arc::ptr_eq(kept, object)) {
        list.push(object.clone(), GFP_KERNEL)?;
    }
    Ok(())
}

impl Objects {
    /// Drops them all, and returns how many of them somebody else still holds.
    pub(crate) fn leaked(self) -> usize {
        let gone = |kept: bool| usize::from(!kept);
        let groups = self.groups.into_iter();
        let groups = groups.map(|g| gone(Arc::into_unique_or_drop(g).is_some()));
        let count = groups.sum::<usize>();
        let devices = self.devices.into_iter();
        let devices = devices.map(|d| gone(Arc::into_unique_or_drop(d).is_some()));
        let count = count + devices.sum::<usize>();
        let domains = self.domains.into_iter();
        let domains = domains.map(|d| gone(Arc::into_unique_or_drop(d).is_some()));
        let count = count + domains.sum::<usize>();
        let handles = self.handles.into_iter();
        let handles = handles.map(|h| gone(Arc::into_unique_or_drop(h).is_some()));
        count + handles.sum::<usize>()
    }
}
