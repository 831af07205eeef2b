// SPDX-License-Identifier: GPL-2.0

//! Straight from old to new: all that an entry says of DMA without PASID is in its low half, which
//! one store replaces. Only another guest paging mode needs both halves, and DMA blocked between.
//!
//! The new space is told of its user first, and the old one last, behind the flush of its DomainID.

use super::{
    super::{
        hw::amd::dte::{
            self,
            Dte, //
        },
        unit::Target, //
    },
    device::Wiring,
    iommu::{
        Iommu,
        ALL, //
    },
    protocol::{
        changes_depth,
        is_on,
        Move,
        PasidMove,
        Protocol, //
    },
    space::AmdSpace,
    users::Users, //
};
use kernel::sync::Arc;

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "store128",
    has_pasids: |_, books| books.pasid_levels().is_some(),
    attach,
    set_pasid,
    change_top,
    change_dirty,
};

/// Changes the entries of an endpoint and of its alias, with as few stores as that takes, and
/// waits until the old ones are forgotten.
fn update(iommu: &Iommu, wiring: &Wiring, new: &Dte) {
    let [device, _] = wiring.names;
    let mut old = iommu.load(device);
    if changes_depth(&old, new) {
        block(iommu, wiring);
        old = iommu.load(device);
    }
    if old.low() == new.low() {
        return;
    }
    // Without GV the guest paging mode does not matter, before or after.
    let high =
        new.is(dte::GV) && old.get(dte::GUEST_PAGING_MODE) != new.get(dte::GUEST_PAGING_MODE);
    for device in wiring.names {
        if high {
            iommu.store_high(device, new);
        }
        iommu.store_low(device, new);
    }
    iommu.flush_entries(wiring);
    iommu.wait();
}

/// Blocks all DMA, PASIDs included. The guest paging mode stays as it is.
fn block(iommu: &Iommu, wiring: &Wiring) {
    for device in wiring.names {
        iommu.store_low(device, &Dte::clear());
    }
    iommu.flush_entries(wiring);
    iommu.wait();
}

/// The guest page table of a target.
fn guest(target: Option<&Target<AmdSpace>>) -> Option<&Arc<AmdSpace>> {
    match target? {
        Target::Paging(space) => Some(space).filter(|space| space.guest_root().is_some()),
        Target::Blocked | Target::Identity => None,
    }
}

fn attach(iommu: &Iommu, go: &Move<'_>) {
    let (device, wiring) = (go.device, &go.device.wiring);
    let [id, _] = wiring.names;
    let old = iommu.load(id);
    let (from_guest, to_guest) = (guest(go.from), guest(Some(go.to)));
    if let Target::Paging(space) = go.to {
        space.list(device, None);
    }
    if let Some(space) = to_guest {
        iommu.note_guest_tag(device, 0, Some(space));
        let changes = from_guest.is_some() && go.changes_depth(&old);
        if changes {
            // No root must be walked with the depth of the other: not the new one with the old
            // depth, nor the old one, of which the entry may be remembered, with the new depth.
            block(iommu, wiring);
        }
        iommu.store_gcr3(wiring.gcr3_0, space.guest_root());
        if changes {
            iommu.flush_pasid(device, 0);
        }
    }
    go.with_entry(go.to, |new| update(iommu, wiring, new));
    if from_guest.is_some() && to_guest.is_none() {
        iommu.store_gcr3(wiring.gcr3_0, None);
    }
    flush_old(iommu, wiring, &old);
    if from_guest.is_some() && to_guest.is_none() {
        iommu.note_guest_tag(device, 0, None);
    }
    if let Some(Target::Paging(space)) = go.from {
        space.unlist(device, None, |_| ());
    }
}

/// Has translations forgotten that are not to be used any more, and waits.
fn flush_old(iommu: &Iommu, wiring: &Wiring, old: &Dte) {
    if old.is(dte::MODE) {
        // That is also all of a guest. CAST: The field has 16 bits.
        iommu.flush_pages(old.get(dte::DOMAIN_ID) as u16, None, ALL, true);
        iommu.wait();
    } else if old.is(dte::GV) && old.is(dte::GIOV) {
        iommu.flush_pages(wiring.domain, Some(0), ALL, true);
        // The entry may be the old one.
        iommu.flush_kept(wiring, Some(0), ALL);
        iommu.wait();
    }
}

fn set_pasid(iommu: &Iommu, go: &PasidMove<'_>) {
    let (device, pasid) = (go.device, go.pasid);
    let update_entry = || {
        if let Some(new) = &go.entry {
            let wiring = &device.wiring;
            let [id, _] = wiring.names;
            let _entry = device.entry.lock();
            let old = iommu.load(id);
            update(iommu, wiring, new);
            // That there is nothing at GCR3[0] may be remembered, too.
            flush_old(iommu, wiring, &old);
        }
    };
    // A PASID that is new has nothing in the GCR3 table yet.
    if go.from.is_none() {
        update_entry();
    }
    if let Some(to) = go.to {
        to.list(device, Some(pasid));
        iommu.note_guest_tag(device, pasid, Some(to));
    }
    if let (Some(_), Some(_), Some(new)) = (go.from, go.to, &go.entry) {
        let [id, _] = device.wiring.names;
        let _entry = device.entry.lock();
        if changes_depth(&iommu.load(id), new) {
            // As with the attach.
            block(iommu, &device.wiring);
        }
    }
    iommu.store_gcr3(go.slot, go.to.and_then(AmdSpace::guest_root));
    iommu.flush_pasid(device, pasid);
    if let Some(from) = go.from {
        if go.to.is_none() {
            iommu.note_guest_tag(device, pasid, None);
        }
        from.unlist(device, Some(pasid), |_| ());
        update_entry();
    }
}

fn change_dirty(iommu: &Iommu, space: &AmdSpace, users: &Users) {
    change_top(iommu, space, users);
    space.flush_all(users);
}

fn change_top(iommu: &Iommu, space: &AmdSpace, users: &Users) {
    let mut changed = false;
    for user in users.listed() {
        space.with_new_entry(users, user, is_on, |new| {
            for device in user.wiring().names {
                iommu.store_low(device, new);
            }
            iommu.flush_entries(user.wiring());
            changed = true;
        });
    }
    if changed {
        iommu.wait();
    }
}
