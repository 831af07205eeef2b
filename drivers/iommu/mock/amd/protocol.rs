// SPDX-License-Identifier: GPL-2.0

//! Ways to change where DMA goes.

use super::{
    super::{
        hw::{
            amd::{
                dte::{
                    self,
                    Dte, //
                },
                tag, //
            },
            step::Note, //
        },
        unit::{
            Space as _,
            Target, //
        },
    },
    device::{
        Books,
        Device,
        Named,
        Wiring, //
    },
    iommu::{
        Iommu,
        ALL, //
    },
    linux,
    space::AmdSpace,
    store128,
    users::{
        User,
        Users, //
    }, //
};

/// A way; all that can fail has been done before. The books are locked.
pub(super) struct Protocol {
    pub(super) name: &'static str,
    /// Whether the endpoint has PASIDs in such a way that it cannot have a guest's.
    pub(super) has_pasids: fn(&Wiring, &Books) -> bool,
    /// Sends DMA without PASID elsewhere.
    pub(super) attach: fn(&Iommu, &Move<'_>),
    /// Sends the DMA of a PASID elsewhere.
    pub(super) set_pasid: fn(&Iommu, &PasidMove<'_>),
    /// Gives the users of a host page table its new top.
    pub(super) change_top: fn(&Iommu, &AmdSpace, &Users),
    /// Has hardware mark for the users of a host page table what is written, or no longer.
    pub(super) change_dirty: fn(&Iommu, &AmdSpace, &Users),
}

/// All of them; the first is what Linux does.
pub(super) const PROTOCOLS: [Protocol; 2] = [linux::PROTOCOL, store128::PROTOCOL];

/// A move of DMA without PASID.
pub(super) struct Move<'a> {
    pub(super) device: &'a Device,
    /// `None` for what firmware or a former kernel has left.
    pub(super) from: Option<&'a Target<AmdSpace>>,
    /// What Linux takes for that.
    pub(super) named: Option<&'a Named>,
    pub(super) to: &'a Target<AmdSpace>,
    /// Levels of the guest page tables of PASIDs, if any is in use.
    pub(super) pasids: Option<u32>,
}

/// A move of the DMA of a PASID.
pub(super) struct PasidMove<'a> {
    pub(super) device: &'a Device,
    pub(super) pasid: u32,
    /// Address of the GCR3 table's entry.
    pub(super) slot: u64,
    pub(super) from: Option<&'a AmdSpace>,
    pub(super) to: Option<&'a AmdSpace>,
    /// What the device table entry becomes, if that depends on which PASIDs are in use.
    pub(super) entry: Option<Dte>,
}

impl Move<'_> {
    /// Calls `f` with the entry for a target. Meanwhile a host page table cannot get a new top, and
    /// nobody else changes the entry.
    pub(super) fn with_entry(&self, to: &Target<AmdSpace>, f: impl FnOnce(&Dte)) {
        let users = match to {
            Target::Paging(space) => Some(space.users().lock()),
            Target::Blocked | Target::Identity => None,
        };
        let host = users.as_ref().and_then(|users| users.host);
        let _entry = self.device.entry.lock();
        f(&self.device.wiring.entry(to, host, self.pasids));
    }
}

impl Move<'_> {
    /// Whether the depth of guest page tables becomes another one.
    pub(super) fn changes_depth(&self, old: &Dte) -> bool {
        let mut changes = false;
        self.with_entry(self.to, |new| changes = changes_depth(old, new));
        changes
    }
}

/// Whether both entries have guest page tables, of different depths.
pub(super) fn changes_depth(old: &Dte, new: &Dte) -> bool {
    let mode = |entry: &Dte| entry.get(dte::GUEST_PAGING_MODE);
    old.is(dte::GV) && new.is(dte::GV) && mode(old) != mode(new)
}

impl Iommu {
    /// Notes whose a tag of guest translations is.
    pub(super) fn note_guest_tag(&self, device: &Device, pasid: u32, space: Option<&AmdSpace>) {
        let tag = tag::guest(device.wiring.domain, pasid);
        self.machine.note(match space {
            Some(space) => Note::Tagged(space.number(), tag),
            None => Note::Untagged(tag),
        });
    }

    /// Has all of a PASID forgotten, entries of GCR3 tables included, and waits.
    /// `amd_iommu_dev_flush_pasid_pages()`.
    pub(super) fn flush_pasid(&self, device: &Device, pasid: u32) {
        self.flush_pages(device.wiring.domain, Some(pasid), ALL, true);
        self.flush_kept(&device.wiring, Some(pasid), ALL);
        self.wait();
    }
}

impl AmdSpace {
    /// Calls `f` with what the entry of a user has to become for another top, or as it is tracked
    /// what is written, unless the entry is not that of this space, or no longer. `takes` says
    /// whether an entry is taken for one of the DomainID under which the user is on it.
    pub(super) fn with_new_entry(
        &self,
        users: &Users,
        user: &User,
        takes: impl FnOnce(&Dte, u16) -> bool,
        f: impl FnOnce(&Dte),
    ) {
        let (Some(host), Some(domain)) = (users.host, self.host_domain()) else {
            return;
        };
        let wiring = user.wiring();
        let (domain, new) = match &user.guest {
            Some(guest) => (guest.domain, wiring.nested_entry(guest, host)),
            None => (domain, wiring.host_entry(domain, host)),
        };
        let [device, _] = wiring.names;
        let _entry = user.device.entry.lock();
        if takes(&self.iommu().load(device), domain) {
            f(&new);
        }
    }
}

/// Whether an entry sends DMA to a host page table, under a DomainID.
pub(super) fn is_on(entry: &Dte, domain: u16) -> bool {
    let translating = entry.is(dte::V) && entry.is(dte::TV) && entry.is(dte::MODE);
    translating && entry.get(dte::DOMAIN_ID) == u64::from(domain)
}
