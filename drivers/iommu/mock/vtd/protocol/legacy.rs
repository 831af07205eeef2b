// SPDX-License-Identifier: GPL-2.0

//! What Linux does in legacy mode: never change an entry that is present. Blocks in between.
//!
//! Source: `drivers/iommu/intel/iommu.c`, `domain_context_clear_one()`,
//! `domain_context_mapping_one()` and `context_setup_pass_through()`. The order of the lists is
//! that of [`handshake`](super::handshake) without PASID, with what follows from it.

use super::super::{
    super::hw::vtd::{
        entry::context::{
            DID,
            P,
            WORDS, //
        },
        Descriptor, NOT_PRESENT_DID,
    },
    change::Change,
    goal::Goal,
};

pub(super) fn update(change: &Change<'_>) {
    change.unlist();
    tear_down(change);
    change.put();
    set(change);
    change.list();
}

/// Makes hardware forget the entry under an identifier, and then what it found by it.
pub(super) fn forget(change: &Change<'_>, entry: u16, translations: u16) {
    // CAST: A source id has 16 bits.
    let sid = change.who.id as u16;
    let device = Descriptor::ContextDevice {
        did: entry,
        sid,
        fm: 0,
    };
    change.dmar.invalidate([device]);
    let did = translations;
    change.dmar.invalidate([Descriptor::IotlbDomain { did }]);
}

fn tear_down(change: &Change<'_>) {
    let (dmar, at, old) = (change.dmar, change.at, change.entry());
    if P.get(&old) == 0 {
        return;
    }
    dmar.set(at, P, 0);
    dmar.barrier();
    let did = DID.get(&old) as u16;
    forget(change, did, did);
    change.forget_kept();
    clear(change);
}

fn clear(change: &Change<'_>) {
    for address in (change.at..).step_by(8).take(WORDS as usize) {
        change.dmar.store(address, &[0]);
    }
}

fn set(change: &Change<'_>) {
    if change.goal == Goal::Blocked {
        return;
    }
    let (dmar, at) = (change.dmar, change.at);
    clear(change);
    change
        .goal
        .each_context_field(change.ats, |field, value| dmar.set(at, field, value));
    dmar.barrier();
    dmar.set(at, P, 1);
    now_present(change);
}

/// Has the entry forgotten that was not present, where hardware remembers such a thing
/// (`context_present_cache_flush()`).
pub(super) fn now_present(change: &Change<'_>) {
    if change.dmar.registers().caching_mode {
        forget(change, NOT_PRESENT_DID, change.goal.did());
    }
}
