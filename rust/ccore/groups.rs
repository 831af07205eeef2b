// SPDX-License-Identifier: GPL-2.0

//! Which group of the kernel's core stands for which key of a driver.

use super::group::Group;
use crate::{
    iommu::GroupKey,
    kapi::{
        new_mutex,
        Mutex, //
    },
};
use kernel::{
    bindings,
    prelude::*,
    sync::Arc, //
};

struct Entry {
    key: GroupKey,
    group: Arc<Group>,
    /// Devices in it; at least one.
    devices: usize,
}

/// The groups of an instance that have devices.
#[pin_data]
pub(super) struct Groups {
    #[pin]
    entries: Mutex<KVec<Entry>>,
}

impl Groups {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self { entries <- new_mutex!(KVec::new(), "ccore::Groups::entries") })
    }

    /// Adds a device to the group of `key`, which is made if there is none.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn join(&self, key: GroupKey) -> Result<Arc<Group>> {
        let mut entries = self.entries.lock();
        if let Some(entry) = entries.iter_mut().find(|entry| entry.key == key) {
            entry.devices += 1;
            return Ok(entry.group.clone());
        }
        entries.reserve(1, GFP_KERNEL)?;
        let group = Group::new()?;
        let entry = Entry {
            key,
            group: group.clone(),
            devices: 1,
        };
        // Room was reserved.
        let _ = entries.push_within_capacity(entry);
        Ok(group)
    }

    /// Takes a device out of its group. A device that comes after the last one has left forms a
    /// new group.
    pub(super) fn leave(&self, group: *mut bindings::iommu_group) {
        let mut entries = self.entries.lock();
        entries.retain(|entry| {
            if entry.group.as_raw() == group {
                entry.devices -= 1;
            }
            entry.devices != 0
        });
    }

    /// The group that the core calls `group`.
    pub(super) fn find(&self, group: *mut bindings::iommu_group) -> Option<Arc<Group>> {
        let entries = self.entries.lock();
        let entry = entries.iter().find(|entry| entry.group.as_raw() == group)?;
        Some(entry.group.clone())
    }
}
