// SPDX-License-Identifier: GPL-2.0

//! Who translates by a space, and so has to be told of what changes in it.

use super::device::{
    Device,
    Wiring, //
};
use crate::pgtable::Top;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// DMA of an endpoint: without PASID, or with one.
pub(super) struct User {
    pub(super) device: Arc<Device>,
    pub(super) pasid: Option<u32>,
    /// It is on the list. Until then it only has a place there.
    listed: bool,
}

/// The users of a space. Linux: `protection_domain::lock`, `dev_list`.
pub(super) struct Users {
    users: KVec<User>,
    /// What entries get of a host page table.
    pub(super) host: Option<HostTable>,
}

/// What entries say of a host page table.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostTable {
    /// Root and depth; always those of the hardware, while the page table may still be growing.
    pub(super) top: Top,
    /// Hardware marks what is written.
    pub(super) dirty: bool,
}

impl User {
    fn is(&self, device: &Device, pasid: Option<u32>) -> bool {
        self.device.wiring.names == device.wiring.names && self.pasid == pasid
    }

    pub(super) fn wiring(&self) -> &Wiring {
        &self.device.wiring
    }
}

impl Users {
    pub(super) fn new(top: Option<Top>) -> Self {
        Self {
            users: KVec::new(),
            host: top.map(|top| HostTable { top, dirty: false }),
        }
    }

    /// Makes a place for a user, so that it can be listed without fail.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn reserve(&mut self, device: &Arc<Device>, pasid: Option<u32>) -> Result {
        if !self.users.iter().any(|user| user.is(device, pasid)) {
            let user = User {
                device: device.clone(),
                pasid,
                listed: false,
            };
            self.users.push(user, GFP_KERNEL)?;
        }
        Ok(())
    }

    /// Puts a user on the list that has a place there.
    pub(super) fn list(&mut self, device: &Device, pasid: Option<u32>) {
        let user = self.users.iter_mut().find(|user| user.is(device, pasid));
        if let Some(user) = user {
            user.listed = true;
        }
    }

    /// Takes a user, or its place, off the list.
    pub(super) fn unlist(&mut self, device: &Device, pasid: Option<u32>) {
        self.users.retain(|user| !user.is(device, pasid));
    }

    /// Those on the list.
    pub(super) fn listed(&self) -> impl Iterator<Item = &User> + '_ {
        self.users.iter().filter(|user| user.listed)
    }
}
