// SPDX-License-Identifier: GPL-2.0

//! What Linux 7.2 does: from one page table to another by way of blocked; to what is nested
//! straight, and without a word to the books.
//!
//! Source: [`drivers/iommu/amd/iommu.c`](srctree/drivers/iommu/amd/iommu.c),
//! [`nested.c`](srctree/drivers/iommu/amd/nested.c), which nothing calls yet; hardware families,
//! 3.2. Linux gets the GCR3 table and its DomainID with each attach, and frees them with each
//! detach; here an endpoint keeps them, so that nothing can fail. What Linux does not have at all,
//! PASIDs next to blocked DMA and the replacement of one's page table, is put together of steps
//! that it has.

use super::{
    super::{
        hw::amd::dte::{
            self,
            Dte, //
        },
        unit::Target, //
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
    protocol::{
        is_on,
        Move,
        PasidMove,
        Protocol, //
    },
    space::AmdSpace,
    users::{
        User,
        Users, //
    },
};

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "linux",
    has_pasids,
    attach,
    set_pasid,
    change_top,
    change_dirty,
};

/// Changes one entry, in the order in which hardware that reads all of it at once sees nothing but
/// the old and the new. `update_dte256()`.
pub(super) fn update_dte256(iommu: &Iommu, device: u32, new: &Dte) {
    let flush = || {
        iommu.flush_entry(device);
        iommu.wait();
    };
    let old = iommu.load(device);
    if !old.is(dte::V) || (new.is(dte::V) && !old.is(dte::GV)) {
        iommu.store_high(device, new);
        iommu.store_low(device, new);
        flush();
    } else if !new.is(dte::V) || !new.is(dte::GV) {
        iommu.store_low(device, new);
        iommu.store_high(device, new);
        flush();
    } else if old.get(dte::GUEST_PAGING_MODE) != new.get(dte::GUEST_PAGING_MODE) {
        // Without V: DMA passes untranslated until the end.
        iommu.store_low(device, &Dte::default());
        flush();
        iommu.store_high(device, new);
        iommu.store_low(device, new);
        flush();
    } else {
        iommu.store_low(device, new);
    }
}

/// `clone_aliases()`.
fn clone_alias(iommu: &Iommu, wiring: &Wiring) {
    let [device, alias] = wiring.names;
    update_dte256(iommu, alias, &iommu.load(device));
}

/// `amd_iommu_update_dte()`.
fn update_dte(iommu: &Iommu, wiring: &Wiring, new: &Dte) {
    let [device, _] = wiring.names;
    update_dte256(iommu, device, new);
    clone_alias(iommu, wiring);
    iommu.flush_entries(wiring);
    iommu.wait();
}

/// `set_dte_entry()`.
fn set_dte_entry(iommu: &Iommu, wiring: &Wiring, new: &Dte) {
    let [device, _] = wiring.names;
    // CAST: The field has 16 bits.
    let old_domain = iommu.load(device).get(dte::DOMAIN_ID) as u16;
    update_dte(iommu, wiring, new);
    if old_domain != 0 {
        iommu.flush_pages(old_domain, None, ALL, true);
        iommu.wait();
    }
}

/// `update_gcr3()`.
fn update_gcr3(iommu: &Iommu, device: &Device, pasid: u32, slot: u64, root: Option<u64>) {
    iommu.store_gcr3(slot, root);
    iommu.flush_pasid(device, pasid);
}

/// `dev_data->pasid_enabled`: whoever has PASIDs gets them enabled with a GCR3 table.
fn has_pasids(wiring: &Wiring, books: &Books) -> bool {
    let own = match &books.rid {
        Some(Target::Identity) => true,
        Some(Target::Paging(space)) => space.guest_root().is_some(),
        Some(Target::Blocked) | None => false,
    };
    own && wiring.max_pasids != 0 || books.pasid_levels().is_some()
}

/// `amd_iommu_attach_device()`, `blocked_domain_attach_device()`, `nested_attach_device()`.
fn attach(iommu: &Iommu, go: &Move<'_>) {
    let wiring = &go.device.wiring;
    if let Some(Target::Paging(from)) = go.from {
        if from.parent().is_some() {
            // A nested domain has no list. It only had a place on one, for other protocols.
            from.give_place_back(go.device);
        }
    }
    match go.to {
        Target::Paging(space) if space.parent().is_some() => {
            space.note_if_waited_for(go.device);
            go.with_entry(go.to, |new| update_dte(iommu, wiring, new));
            return;
        }
        _ if go.named.is_some_and(|named| named.is(go.to)) => return,
        _ => (),
    }
    if let Some(named) = go.named {
        detach(iommu, go, named);
    }
    match go.to {
        Target::Blocked => {
            go.with_entry(go.to, |new| update_dte(iommu, wiring, new));
            return;
        }
        Target::Identity => (),
        Target::Paging(space) => {
            if let root @ Some(_) = space.guest_root() {
                iommu.note_guest_tag(go.device, 0, Some(space));
                update_gcr3(iommu, go.device, 0, wiring.gcr3_0, root);
            }
            space.list(go.device, None);
        }
    }
    go.with_entry(go.to, |new| set_dte_entry(iommu, wiring, new));
}

/// `detach_device()`.
fn detach(iommu: &Iommu, go: &Move<'_>, from: &Named) {
    let wiring = &go.device.wiring;
    go.with_entry(&Target::Blocked, |new| update_dte(iommu, wiring, new));
    let Named::Space(list) = from else {
        iommu.flush_pages(wiring.identity, None, ALL, true);
        iommu.flush_kept(wiring, None, ALL);
        iommu.wait();
        return;
    };
    let clear_gcr3 = || {
        if list.domain.is_none() {
            update_gcr3(iommu, go.device, 0, wiring.gcr3_0, None);
            iommu.note_guest_tag(go.device, 0, None);
        }
    };
    // Linux does not have PASIDs that go on; GCR3[0] would be used until the end.
    let go_on = go.pasids.is_some();
    if go_on {
        clear_gcr3();
    }
    list.unlist(iommu, go.device, None, None, |users| {
        list.flush(iommu, users, ALL, true);
    });
    if !go_on {
        clear_gcr3();
    }
}

/// `iommu_sva_set_dev_pasid()`, `amd_iommu_remove_dev_pasid()`. The lock of the list is held from
/// before the GCR3 table is changed, so that it does not matter that Linux lists the device later.
fn set_pasid(iommu: &Iommu, go: &PasidMove<'_>) {
    let (device, pasid, slot) = (go.device, go.pasid, go.slot);
    let update_entry = || {
        if let Some(new) = &go.entry {
            let _entry = device.entry.lock();
            update_dte(iommu, &device.wiring, new);
        }
    };
    if let Some(from) = go.from {
        from.unlist(device, Some(pasid), |_| {
            update_gcr3(iommu, device, pasid, slot, None);
        });
        iommu.note_guest_tag(device, pasid, None);
    }
    update_entry();
    if let Some(to) = go.to {
        to.list(device, Some(pasid));
        iommu.note_guest_tag(device, pasid, Some(to));
        update_gcr3(iommu, device, pasid, slot, to.guest_root());
    }
}

/// Whether an entry is taken for that of a user. Who is listed is, also if it has become nested
/// since.
fn takes(entry: &Dte, domain: u16) -> bool {
    is_on(entry, domain) || entry.is(dte::GV) && entry.is(dte::MODE)
}

/// `amd_iommu_set_dirty_tracking()`. The entries of aliases are left behind.
fn change_dirty(iommu: &Iommu, space: &AmdSpace, users: &Users) {
    for user in users.listed() {
        space.with_new_entry(users, user, takes, |new| {
            let [device, _] = user.wiring().names;
            iommu.store_dirty(device, new);
            iommu.flush_entries(user.wiring());
        });
    }
    space.flush_all(users);
}

/// `amd_iommu_change_top()`.
fn change_top(iommu: &Iommu, space: &AmdSpace, users: &Users) {
    for user in users.listed() {
        space.with_new_entry(users, user, takes, |new| {
            set_dte_entry(iommu, user.wiring(), new);
            clone_alias(iommu, user.wiring());
        });
    }
    for wiring in users.listed().map(User::wiring) {
        iommu.flush_entries(wiring);
    }
    iommu.wait();
}
