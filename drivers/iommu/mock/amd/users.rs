// SPDX-License-Identifier: GPL-2.0

//! Who translates by a space, and so has to be told of what changes in it.

use super::{
    super::hw::amd::dte::Dte,
    device::{
        Device,
        Wiring, //
    },
    iommu::{
        Iommu,
        ALL, //
    }, //
};
use crate::{
    kapi::{
        new_mutex,
        Mutex, //
    },
    pgtable::Top,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The list of a space. It may outlive the space, as the books of Linux can name one that is gone.
#[pin_data]
pub(super) struct List {
    /// Number of the space.
    pub(super) number: u64,
    /// DomainID of a host page table.
    pub(super) domain: Option<u16>,
    #[pin]
    pub(super) users: Mutex<Users>,
}

/// DMA of an endpoint: without PASID, or with one.
pub(super) struct User {
    pub(super) device: Arc<Device>,
    pub(super) pasid: Option<u32>,
    /// What the entry has of a guest that is nested in the space.
    pub(super) guest: Option<Guest>,
    /// It is on the list. Until then it only has a place there.
    listed: bool,
}

/// The users of a space. Linux: `protection_domain::lock`, `dev_list`.
pub(super) struct Users {
    users: KVec<User>,
    /// What entries get of a host page table.
    pub(super) host: Option<HostTable>,
    /// DomainIDs of guests that are nested in the space. Linux: `viommu_list`, `gdomid_array`.
    domains: KVec<Domain>,
}

/// What entries say of a host page table.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostTable {
    /// Root and depth; always those of the hardware, while the page table may still be growing.
    pub(super) top: Top,
    /// Hardware marks what is written.
    pub(super) dirty: bool,
}

/// What is nested in a space, as far as entries say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guest {
    /// Number of the nested space.
    pub(super) number: u64,
    /// The entry that the guest has written.
    pub(super) entry: Dte,
    /// The DomainID that stands for the guest's.
    pub(super) domain: u16,
}

/// A DomainID of a guest. Linux: `guest_domain_mapping_info`.
struct Domain {
    guest: u16,
    /// The one that stands for it.
    host: u16,
    /// Spaces with it.
    users: u32,
}

impl List {
    /// Makes an empty one; of a host page table, with its DomainID and its top.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new(number: u64, host: Option<(u16, Top)>) -> Result<Arc<Self>> {
        let users = Users {
            users: KVec::new(),
            host: host.map(|(_, top)| HostTable { top, dirty: false }),
            domains: KVec::new(),
        };
        let list = pin_init!(Self {
            number,
            domain: host.map(|(domain, _)| domain),
            users <- new_mutex!(users, "amd::List::users"),
        });
        Arc::pin_init(list, GFP_KERNEL)
    }

    /// Puts a user on the list that has a place there.
    pub(super) fn list(
        &self,
        iommu: &Iommu,
        device: &Device,
        pasid: Option<u32>,
        guest: Option<u64>,
    ) {
        self.users.lock().list(device, pasid, guest);
        for space in Iterator::chain(guest.into_iter(), [self.number]) {
            iommu.note_listed(space, &device.wiring, pasid, true);
        }
    }

    /// Takes a user off the list, behind what is to be done under its lock.
    pub(super) fn unlist(
        &self,
        iommu: &Iommu,
        device: &Device,
        pasid: Option<u32>,
        guest: Option<u64>,
        before: impl FnOnce(&Users),
    ) {
        let mut users = self.users.lock();
        before(&users);
        users.unlist(device, pasid, guest);
        // It may be there a second time, on the way to a guest or from there.
        let own = Some(self.number).filter(|_| !users.lists(device, pasid));
        for space in Iterator::chain(guest.into_iter(), own) {
            iommu.note_listed(space, &device.wiring, pasid, false);
        }
    }

    /// Has a range of translations forgotten for all users, behind that what they keep themselves,
    /// and waits. `__domain_flush_pages()`.
    ///
    /// DomainIDs of guests are flushed in any case, as in Linux; but nobody waits where nobody is
    /// listed, as in Linux too (`domain_flush_complete()`).
    pub(super) fn flush(&self, iommu: &Iommu, users: &Users, range: (u64, u64), pde: bool) {
        let host = |domain| iommu.flush_pages(domain, None, range, pde);
        let mut used = false;
        for user in users.listed() {
            match self.domain {
                Some(domain) if !used => host(domain),
                Some(_) => (),
                None => {
                    let pasid = Some(user.pasid.unwrap_or(0));
                    iommu.flush_pages(user.wiring().domain, pasid, range, pde);
                }
            }
            used = true;
        }
        users.domains.iter().for_each(|domain| host(domain.host));
        for user in users.listed() {
            let pasid = self.domain.is_none().then_some(user.pasid.unwrap_or(0));
            // What a guest's addresses come to is not known here.
            let range = user.guest.map_or(range, |_| ALL);
            iommu.flush_kept(user.wiring(), pasid, range);
        }
        if used {
            iommu.wait();
        }
    }
}

impl User {
    /// Whether it is this one; `guest` is the number of what is nested.
    fn is(&self, device: &Device, pasid: Option<u32>, guest: Option<u64>) -> bool {
        let guests = self.guest.map(|guest| guest.number);
        self.is_of(device, pasid) && guests == guest
    }

    fn is_of(&self, device: &Device, pasid: Option<u32>) -> bool {
        self.device.wiring.names == device.wiring.names && self.pasid == pasid
    }

    pub(super) fn wiring(&self) -> &Wiring {
        &self.device.wiring
    }
}

impl Users {
    /// Makes a place for a user, so that it can be listed without fail.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn reserve(
        &mut self,
        device: &Arc<Device>,
        pasid: Option<u32>,
        guest: Option<Guest>,
    ) -> Result {
        let number = guest.map(|guest| guest.number);
        if !self.users.iter().any(|user| user.is(device, pasid, number)) {
            let user = User {
                device: device.clone(),
                pasid,
                guest,
                listed: false,
            };
            self.users.push(user, GFP_KERNEL)?;
        }
        Ok(())
    }

    /// Puts a user on the list that has a place there.
    pub(super) fn list(&mut self, device: &Device, pasid: Option<u32>, guest: Option<u64>) {
        let mut users = self.users.iter_mut();
        if let Some(user) = users.find(|user| user.is(device, pasid, guest)) {
            user.listed = true;
        }
    }

    /// Takes a user, or its place, off the list.
    pub(super) fn unlist(&mut self, device: &Device, pasid: Option<u32>, guest: Option<u64>) {
        self.users.retain(|user| !user.is(device, pasid, guest));
    }

    /// Whether the DMA is on the list, be it of a guest or not.
    pub(super) fn lists(&self, device: &Device, pasid: Option<u32>) -> bool {
        self.listed().any(|user| user.is_of(device, pasid))
    }

    /// Those on the list.
    pub(super) fn listed(&self) -> impl Iterator<Item = &User> + '_ {
        self.users.iter().filter(|user| user.listed)
    }

    /// The DomainID that stands for a guest's, and whether that is new. `take` takes one.
    ///
    /// # Errors
    ///
    /// Those of `take`, ENOMEM.
    pub(super) fn map_domain(
        &mut self,
        guest: u16,
        take: impl FnOnce() -> Result<u16>,
    ) -> Result<(u16, bool)> {
        if let Some(known) = self.domains.iter_mut().find(|known| known.guest == guest) {
            known.users = known.users.saturating_add(1);
            return Ok((known.host, false));
        }
        self.domains.reserve(1, GFP_KERNEL)?;
        let host = take()?;
        let domain = Domain {
            guest,
            host,
            users: 1,
        };
        // There is room.
        let _ = self.domains.push_within_capacity(domain);
        Ok((host, true))
    }

    /// Ends what [`Self::map_domain`] began; whether nobody has that DomainID any more.
    pub(super) fn unmap_domain(&mut self, host: u16) -> bool {
        let mut last = false;
        self.domains.retain(|domain| {
            if domain.host == host {
                domain.users = domain.users.saturating_sub(1);
                last = domain.users == 0;
            }
            domain.host != host || domain.users != 0
        });
        last
    }
}
