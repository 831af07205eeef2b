// SPDX-License-Identifier: GPL-2.0

//! Replaces an entry by stores of 128 bits, which is as much as hardware reads in one go.
//!
//! An entry has two chunks that matter: the first has P, PGTT, the identifier and the root of the
//! second stage; the other has the root of the first stage, and is ignored unless PGTT is
//! first-stage or nested. So where the old entry or the new one ignores it, one store of the first
//! chunk goes from one to the other:
//! - both ignore it: nothing else to do;
//! - only the old one does: it is written before, and the entry forgotten, as else a reader might
//!   have got hold of the second chunk before it was written and of the first one after;
//! - only the new one does: it is emptied afterwards.
//!
//! Where both use it and it differs (first-stage to first-stage, and nested with either), the
//! identifier and the root are in different chunks, no store changes both, and either order makes
//! hardware cache pages of one space under the identifier of the other. There the entry is torn
//! down as in Linux, and the endpoint blocked in between.
//!
//! Hardware may have the old entry or the new one afterwards. What it has of the old one is tagged
//! with the old identifier, so it is that which the PASID cache has to be flushed for; the IOTLB
//! then too, under the old identifier and behind a wait, as an old entry that is still there may
//! fill it again. What the endpoint keeps itself goes last, as it was answered by either.

use super::{
    super::{
        super::hw::{
            model::Words,
            vtd::entry::pasid::{
                DID,
                P,
                PGTT,
                PGTT_FIRST,
                PGTT_NESTED, //
            }, //
        },
        change::Change,
        goal::Goal,
    },
    handshake, //
};

/// Bytes of a chunk.
const CHUNK: u64 = 16;

pub(super) fn update(change: &Change<'_>) {
    change.list();
    let (old, new) = (change.entry(), change.goal.pasid_entry());
    if !replace(change, &old, &new) {
        handshake::tear_down(change);
        set(change, &new);
    }
    change.unlist();
    change.put();
}

/// The two chunks that matter.
fn chunks(words: &Words) -> ([u64; 2], [u64; 2]) {
    let [a, b, c, d, ..] = *words;
    ([a, b], [c, d])
}

/// Whether an entry has a use for its second chunk.
fn uses_second(words: &Words) -> bool {
    matches!(PGTT.get(words), PGTT_FIRST | PGTT_NESTED)
}

/// Replaces an entry that is present by another one. Returns whether that can be.
fn replace(change: &Change<'_>, old: &Words, new: &Words) -> bool {
    if P.get(old) == 0 || P.get(new) == 0 {
        return false;
    }
    let (dmar, at, did) = (change.dmar, change.at, DID.get(old) as u16);
    let ((_, old_second), (first, second)) = (chunks(old), chunks(new));
    match (uses_second(old), uses_second(new)) {
        (true, true) if old_second != second => return false,
        (false, true) => {
            dmar.store(at.saturating_add(CHUNK), &second);
            change.forget_entry(did);
        }
        _ => (),
    }
    dmar.store(at, &first);
    change.forget_entry(did);
    dmar.invalidate([change.translations(old)]);
    change.forget_kept();
    if !uses_second(new) && old_second != [0; 2] {
        dmar.store(at.saturating_add(CHUNK), &[0; 2]);
    }
    true
}

/// Fills an entry that is not present.
fn set(change: &Change<'_>, new: &Words) {
    if change.goal == Goal::Blocked {
        return;
    }
    let (first, second) = chunks(new);
    if second != [0; 2] {
        change.dmar.store(change.at.saturating_add(CHUNK), &second);
        // As in `replace`: no reader has one chunk from before and the other from after.
        change.forget_entry(change.goal.did());
    }
    change.dmar.store(change.at, &first);
    handshake::now_present(change);
}
