// SPDX-License-Identifier: GPL-2.0

//! Replaces an entry of legacy mode, which has 128 bits, by one store.
//!
//! Hardware that reads entries in one go has the old one or the new one; what it has of the old one
//! is tagged with the old identifier, which is then flushed from the context cache and, behind a
//! wait, from the IOTLB, and in the end from the endpoint's own TLB. Goes from anything to
//! anything, blocked included.

use super::{
    super::{
        super::hw::vtd::entry::context::{
            DID,
            P, //
        },
        change::Change,
    },
    legacy, //
};

pub(super) fn update(change: &Change<'_>) {
    change.list();
    let old = change.entry();
    change
        .dmar
        .store(change.at, &change.goal.context_entry(change.ats));
    match P.get(&old) {
        0 => legacy::now_present(change),
        _ => {
            let did = DID.get(&old) as u16;
            legacy::forget(change, did, did);
            change.forget_kept();
        }
    }
    change.unlist();
    change.put();
}
