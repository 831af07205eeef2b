// SPDX-License-Identifier: GPL-2.0

//! Lets the new space take the old one's identifier over, so that nothing but the root changes:
//! one store of 64 bits, also where the root and the identifier are not read in one go.
//!
//! While hardware may have either root, the IOTLB has pages of both spaces under one tag. That is
//! sound exactly if
//! - both spaces are of the same stage, so that the roots are in the same word and all the rest of
//!   the entry is equal;
//! - this is the only attachment of the old space: any other user of the tag would reach pages of
//!   the new one;
//! - this is the only attachment of the new space: another user of it is known by an identifier
//!   of its own, which a space has only one of.
//!
//! Then nobody but the one whose access may be answered by old or new meets such a line, both
//! spaces are flushed under that tag while it lasts, and one flush behind the wait for the PASID
//! cache ends it. No other attachment of either space begins meanwhile, which `Dmar::dids` sees to.
//!
//! So this does nothing for a group of several endpoints, whose members share both spaces, nor for
//! blocked and identity. All that is done as Linux does, but with the lists in the safe order.
//! [`sacrificial_did`](super::sacrificial_did) does not have these conditions.

use super::{
    super::{
        super::{
            hw::{
                step::Note,
                vtd::entry::pasid::P, //
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
    let took_over = match (space(change.from), space(change.to)) {
        (Some(from), Some(to)) => take_over(change, from, to),
        _ => false,
    };
    if !took_over {
        handshake::in_order(change);
    }
}

fn take_over(change: &Change<'_>, from: &VtdSpace, to: &VtdSpace) -> bool {
    let (dmar, pasid) = (change.dmar, change.pasid());
    match (from.through(), to.through()) {
        (Through::First(_), Through::First(_)) | (Through::Second(_), Through::Second(_)) => (),
        _ => return false,
    }
    let mut dids = dmar.dids.lock();
    let Some(did) = dids.of(from.number()) else {
        return false;
    };
    let old = change.entry();
    if P.get(&old) == 0 || !dids.is_sole(from.number()) || !dids.is_sole(to.number()) {
        return false;
    }

    to.assign(change.cached(did));
    dmar.note(Note::Listed(to.number(), change.who));
    let goal = Goal::Translate {
        did,
        through: to.through(),
        marks: to.marks(),
    };
    // One word differs: that with the root.
    for ((new, old), at) in goal
        .pasid_entry()
        .iter()
        .zip(old)
        .zip((change.at..).step_by(8))
    {
        if *new != old {
            dmar.store(at, &[*new]);
        }
    }
    change.forget_entry(did);
    dmar.invalidate([change.translations(&old)]);
    change.forget_kept();
    from.unassign(change.cached(did));
    dmar.note(Note::Unlisted(from.number(), change.who));

    let own = dids.exchange(from.number(), to.number());
    if let Some(own) = own {
        dmar.note(Note::Untagged(to.key(own, pasid).tag()));
    }
    dmar.note(Note::Tagged(to.number(), to.key(did, pasid).tag()));
    drop(dids);
    from.withdraw();
    true
}
