// SPDX-License-Identifier: GPL-2.0

//! Goes from one space to another by way of an identifier that nobody else has, one word of 64
//! bits at a time.
//!
//! The identifier and the root are in different words, and for the first stage in words that are
//! not even read in one go. A change of either alone makes hardware cache pages under the wrong
//! tag. So a third identifier is lent for the time of the change, and what is cached under that is
//! given up with it:
//!
//! 1. the old root under the lent identifier;
//! 2. the new root under the lent identifier;
//! 3. the new root under its own.
//!
//! Behind each store the entry is forgotten, so that never more than two neighbours of this list
//! are to be had, and the old root is never under the new identifier, nor the new root under the
//! old one. In the end the old and the lent identifier are flushed. All along both spaces are
//! flushed under the lent one too. Hitless for any two spaces of one stage, whoever else uses them,
//! and however small the pieces are in which an entry is read.
//!
//! The identifier is not literally never used again: there are too few. It goes back to the others
//! behind the flush. Where none is to be had, and for changes from or to anything else than a space
//! of the same stage, this is what Linux does, but with the lists in the safe order.

use super::{
    super::{
        super::{
            hw::{
                model::Words,
                step::Note,
                vtd::entry::pasid::{
                    DID,
                    P, //
                }, //
            },
            unit::Space as _,
        },
        change::{
            space,
            Change, //
        },
        goal::{
            Goal,
            Through, //
        },
        space::VtdSpace,
    },
    handshake, //
};

pub(super) fn update(change: &Change<'_>) {
    if let (Some(from), Some(to)) = (space(change.from), space(change.to)) {
        if let Some(lent) = lend(change, from, to) {
            go(change, from, to, lent);
            return;
        }
    }
    handshake::in_order(change);
}

/// Gets an identifier, if it is of use.
fn lend(change: &Change<'_>, from: &VtdSpace, to: &VtdSpace) -> Option<u16> {
    match (from.through(), to.through()) {
        (Through::First(_), Through::First(_)) | (Through::Second(_), Through::Second(_)) => (),
        _ => return None,
    }
    if P.get(&change.entry()) == 0 {
        return None;
    }
    change.dmar.dids.lock().borrow().ok()
}

fn go(change: &Change<'_>, from: &VtdSpace, to: &VtdSpace, lent: u16) {
    let (dmar, pasid, old) = (change.dmar, change.pasid(), change.entry());
    let by = |did| match change.goal {
        Goal::Translate { through, marks, .. } => Goal::Translate {
            did,
            through,
            marks,
        }
        .pasid_entry(),
        other => other.pasid_entry(),
    };
    let mut between = old;
    DID.set(&mut between, lent.into());

    let tag = to.key(lent, pasid).tag();
    dmar.note(Note::Tagged(from.number(), tag));
    change.list();
    from.assign(change.cached(lent));
    to.assign(change.cached(lent));
    let did = DID.get(&old) as u16;
    store_difference(change, &old, &between);
    change.forget_entry(did);
    dmar.note(Note::Tagged(to.number(), tag));
    store_difference(change, &between, &by(lent));
    change.forget_entry(lent);
    store_difference(change, &by(lent), &by(change.goal.did()));
    change.forget_entry(lent);

    let flushed = [change.translations(&old), change.translations(&between)];
    dmar.invalidate(flushed);
    change.forget_kept();
    to.unassign(change.cached(lent));
    from.unassign(change.cached(lent));
    change.unlist();
    change.put();
    let mut dids = dmar.dids.lock();
    dmar.note(Note::Untagged(tag));
    dids.give_back(lent);
}

/// Writes the words that differ: one, by the way in which this goes.
fn store_difference(change: &Change<'_>, old: &Words, new: &Words) {
    for ((new, old), at) in new.iter().zip(old).zip((change.at..).step_by(8)) {
        if new != old {
            change.dmar.store(at, &[*new]);
        }
    }
}
