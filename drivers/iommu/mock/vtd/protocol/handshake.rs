// SPDX-License-Identifier: GPL-2.0

//! What Linux does in scalable mode: never change an entry that is present. Blocks in between.
//!
//! Source: `drivers/iommu/intel/pasid.c`, `intel_pasid_tear_down_entry()` and the setters, which
//! the VT-d specification calls the invalidation handshake; `iommu.c`, whence the order of the
//! lists comes. Without PASID an endpoint leaves the list of the old space before its entry is
//! cleared, and joins that of the new one after its entry is set. Whoever unmaps in between flushes
//! nothing for an endpoint that still, or already, translates. With a PASID it is the other way
//! round.
//!
//! Linux also blocks an endpoint before it checks whether the new domain fits, and before it has an
//! identifier for it. The contract here wants that first, and has it.

use super::super::{
    super::hw::vtd::{
        entry::pasid::{
            DID,
            P,
            WORDS, //
        },
        Descriptor,
    },
    change::Change,
    goal::Goal,
};

pub(super) fn update(change: &Change<'_>) {
    match change.who.pasid {
        None => {
            change.unlist();
            tear_down(change);
            change.put();
            set(change);
            change.list();
        }
        Some(_) => in_order(change),
    }
}

/// The safe order, whatever the PASID: listed as long as there may be a translation.
pub(super) fn in_order(change: &Change<'_>) {
    change.list();
    tear_down(change);
    set(change);
    change.unlist();
    change.put();
}

/// Makes an entry not present, has it forgotten, and then empties it.
pub(super) fn tear_down(change: &Change<'_>) {
    let (dmar, at, old) = (change.dmar, change.at, change.entry());
    if P.get(&old) == 0 {
        return;
    }
    dmar.set(at, P, 0);
    dmar.barrier();
    change.forget_entry(DID.get(&old) as u16);
    dmar.invalidate([change.translations(&old)]);
    change.forget_kept();
    clear(change);
}

fn clear(change: &Change<'_>) {
    for address in (change.at..).step_by(8).take(WORDS as usize) {
        change.dmar.store(address, &[0]);
    }
}

/// Fills an entry that is not present, and makes it so with the last store.
pub(super) fn set(change: &Change<'_>) {
    if change.goal == Goal::Blocked {
        return;
    }
    let (dmar, at) = (change.dmar, change.at);
    clear(change);
    change
        .goal
        .each_pasid_field(|field, value| dmar.set(at, field, value));
    dmar.barrier();
    dmar.set(at, P, 1);
    now_present(change);
}

/// Has the entry forgotten that was not present, where hardware remembers such a thing
/// (`pasid_flush_caches()`).
pub(super) fn now_present(change: &Change<'_>) {
    if change.dmar.registers().caching_mode {
        let (did, pasid) = (change.goal.did(), change.pasid());
        change.forget_entry(did);
        change
            .dmar
            .invalidate([Descriptor::PasidIotlb { did, pasid }]);
    }
}
