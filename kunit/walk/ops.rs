// SPDX-License-Identifier: GPL-2.0

//! The operations of a walk: which to choose, how to do them, and how they can end.

use super::{
    coverage::Outcome,
    handle,
    pasid,
    place::Place,
    DEFAULT_TYPES,
    DOMAINS, //
};
use crate::{
    group::{
        Endpoint,
        Owner,
        Ownership, //
    },
    mock::fault::Op as Call,
    random::Random,
};
use core::{
    borrow::Borrow,
    num::NonZeroU64, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The kind of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Attach,
    AttachWith,
    Replace,
    Detach,
    Claim,
    ReleaseClaims,
    ClaimDevice,
    ReleaseDevice,
    UseDefault,
    UnuseDefault,
    AttachPasid,
    ReplacePasid,
    DetachPasid,
    ResetPrepare,
    ResetDone,
    SetDefaultType,
    Plug,
    Unplug,
}

impl Kind {
    pub(super) const ALL: [Kind; 18] = [
        Kind::Attach,
        Kind::AttachWith,
        Kind::Replace,
        Kind::Detach,
        Kind::Claim,
        Kind::ReleaseClaims,
        Kind::ClaimDevice,
        Kind::ReleaseDevice,
        Kind::UseDefault,
        Kind::UnuseDefault,
        Kind::AttachPasid,
        Kind::ReplacePasid,
        Kind::DetachPasid,
        Kind::ResetPrepare,
        Kind::ResetDone,
        Kind::SetDefaultType,
        Kind::Plug,
        Kind::Unplug,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Attach => "attach",
            Kind::AttachWith => "attach with handle",
            Kind::Replace => "replace",
            Kind::Detach => "detach",
            Kind::Claim => "claim",
            Kind::ReleaseClaims => "release claims",
            Kind::ClaimDevice => "claim device",
            Kind::ReleaseDevice => "release device",
            Kind::UseDefault => "use default",
            Kind::UnuseDefault => "unuse default",
            Kind::AttachPasid => "attach PASID",
            Kind::ReplacePasid => "replace PASID",
            Kind::DetachPasid => "detach PASID",
            Kind::ResetPrepare => "reset prepare",
            Kind::ResetDone => "reset done",
            Kind::SetDefaultType => "set default type",
            Kind::Plug => "plug",
            Kind::Unplug => "unplug",
        }
    }

    /// Whether the operation can end like that at all, in a group of that many devices of a family
    /// with or without PASIDs.
    pub(super) fn reaches(self, outcome: Outcome, members: u32, pasids: bool) -> bool {
        match self {
            Kind::AttachPasid | Kind::ReplacePasid if !pasids => outcome == Outcome::Refused,
            // There is never one to detach.
            Kind::DetachPasid if !pasids => outcome == Outcome::Warned,
            // It is a PASID that cannot be blocked.
            Kind::ResetPrepare if !pasids => matches!(outcome, Outcome::Done | Outcome::Failed),
            Kind::Attach
            | Kind::AttachWith
            | Kind::Replace
            | Kind::Claim
            | Kind::ClaimDevice
            | Kind::AttachPasid
            | Kind::ReplacePasid
            | Kind::SetDefaultType => match outcome {
                Outcome::Done | Outcome::Refused | Outcome::Failed => true,
                // A WARN takes one device that fails and one that cannot be put back.
                Outcome::Warned => members > 1,
            },
            Kind::ResetPrepare => outcome != Outcome::Refused,
            Kind::UseDefault => matches!(outcome, Outcome::Done | Outcome::Refused),
            Kind::Detach
            | Kind::ReleaseClaims
            | Kind::ReleaseDevice
            | Kind::UnuseDefault
            | Kind::DetachPasid
            | Kind::ResetDone
            | Kind::Unplug => matches!(outcome, Outcome::Done | Outcome::Warned),
            Kind::Plug => match outcome {
                // The walk itself plugs a device where there is none.
                Outcome::Done => members > 1,
                Outcome::Refused | Outcome::Failed => true,
                Outcome::Warned => false,
            },
        }
    }

    /// The call that has to fail for it to fail.
    pub(super) fn callback(self, random: &mut Random) -> Call {
        match self {
            Kind::AttachPasid | Kind::ReplacePasid | Kind::DetachPasid => Call::SetPasid,
            Kind::ResetPrepare | Kind::ResetDone => random.pick([Call::SetPasid, Call::Attach]),
            Kind::SetDefaultType => random.pick([Call::Alloc, Call::Attach, Call::Attach]),
            Kind::Plug => random.pick([Call::Probe, Call::Attach, Call::SetPasid]),
            _ => Call::Attach,
        }
    }
}

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op {
    kind: Kind,
    /// Index of the device among those present.
    at: u32,
    /// Slot of the user domain.
    domain: u32,
    /// PASID or owner or type.
    number: u32,
}

impl Op {
    pub(super) fn kind(self) -> Kind {
        self.kind
    }

    /// Whether it warns where it is misused.
    pub(super) fn may_warn(self) -> bool {
        matches!(
            self.kind,
            Kind::Detach
                | Kind::ReleaseClaims
                | Kind::ReleaseDevice
                | Kind::UnuseDefault
                | Kind::DetachPasid
                | Kind::ResetDone
                | Kind::Unplug
        )
    }
}

/// What a user of the group can know.
pub(super) struct View {
    pub(super) present: u32,
    pub(super) members: u32,
    pub(super) owner: Ownership,
    /// A user's domain is attached.
    pub(super) attached: bool,
    /// PASIDs that a user's domain is attached to.
    pub(super) pasids: u32,
    /// The family has PASIDs at all.
    pub(super) has_pasids: bool,
    pub(super) recovering: u32,
}

/// Chooses an operation: mostly one that leads to `wanted`, sometimes any.
pub(super) fn choose(random: &mut Random, view: &View, wanted: Kind, outcome: Outcome) -> Op {
    let kind = match random.chance(20) {
        true => random.pick(Kind::ALL),
        false => towards(random, view, wanted, outcome),
    };
    Op {
        kind,
        at: random.below(view.present),
        domain: random.below(DOMAINS as u32),
        number: random.below(4),
    }
}

/// What to do now so that `wanted` can end with `outcome` soon: it itself where its state is there.
fn towards(random: &mut Random, view: &View, wanted: Kind, outcome: Outcome) -> Kind {
    let owned = matches!(view.owner, Ownership::User { .. });
    let used = matches!(view.owner, Ownership::Kernel { .. });
    let free = view.owner == Ownership::Free;
    if outcome == Outcome::Refused {
        return wanted;
    }
    let needs_rest = !matches!(wanted, Kind::ResetDone | Kind::Unplug | Kind::ResetPrepare);
    if needs_rest && view.recovering != 0 {
        return Kind::ResetDone;
    }
    let needs_all = !matches!(wanted, Kind::Plug | Kind::Unplug | Kind::UnuseDefault);
    if needs_all && view.present < view.members && random.chance(70) {
        return Kind::Plug;
    }
    let unused = |then| match (view.attached, view.pasids != 0) {
        (true, _) => Kind::Detach,
        (_, true) => Kind::DetachPasid,
        (false, false) => then,
    };
    let attach = random.pick([Kind::Attach, Kind::AttachWith, Kind::Replace]);
    match wanted {
        Kind::Attach | Kind::AttachWith if view.attached => Kind::Detach,
        Kind::Detach if !view.attached => attach,
        Kind::Claim | Kind::ClaimDevice | Kind::UseDefault | Kind::SetDefaultType if owned => {
            unused(Kind::ReleaseClaims)
        }
        Kind::Claim | Kind::ClaimDevice | Kind::SetDefaultType if used => {
            unused(Kind::UnuseDefault)
        }
        Kind::Claim | Kind::ClaimDevice | Kind::UseDefault | Kind::SetDefaultType => unused(wanted),
        Kind::ReleaseClaims | Kind::ReleaseDevice if used => unused(Kind::UnuseDefault),
        Kind::ReleaseClaims | Kind::ReleaseDevice if free => {
            unused(random.pick([Kind::Claim, Kind::ClaimDevice]))
        }
        Kind::ReleaseClaims | Kind::ReleaseDevice => unused(wanted),
        Kind::UnuseDefault if owned => unused(Kind::ReleaseClaims),
        Kind::UnuseDefault if free => unused(Kind::UseDefault),
        Kind::UnuseDefault => unused(wanted),
        Kind::ReplacePasid | Kind::DetachPasid | Kind::ResetPrepare | Kind::ResetDone
            if view.has_pasids && view.pasids == 0 =>
        {
            Kind::AttachPasid
        }
        Kind::ResetDone if view.recovering == 0 => Kind::ResetPrepare,
        Kind::Plug if view.present == view.members && view.members > 1 => Kind::Unplug,
        Kind::Unplug if outcome == Outcome::Warned && free && !view.attached => attach,
        _ => wanted,
    }
}

/// Does it. The outer error is the walk's own.
pub(super) fn perform(place: &mut impl Place, op: Op) -> Result<Result> {
    let Op {
        kind,
        at,
        domain,
        number,
    } = op;
    let at = at as usize;
    let owner = Owner(NonZeroU64::new(1 + u64::from(number & 1)).ok_or(EINVAL)?);
    // Detaching mostly names what is attached, as a user would.
    let group = place.group().clone();
    let current = group.lock().current().cloned();
    let done =
        |result: core::result::Result<(), crate::iommu::AttachError>| result.map_err(Error::from);
    let result = match kind {
        Kind::Attach => done(group.attach(&place.domain(domain)?)),
        Kind::AttachWith => done(group.attach_with(&place.domain(domain)?, handle(number)?)),
        Kind::Replace => {
            let handle = match number {
                0 => None,
                _ => Some(handle(number)?),
            };
            done(group.replace(&place.domain(domain)?, handle).map(|_| ()))
        }
        Kind::Detach => {
            let named = place.domain(domain)?;
            let held =
                current.filter(|current| place.domains().any(|user| Arc::ptr_eq(user, current)));
            group.detach(held.filter(|_| number != 0).as_ref().unwrap_or(&named));
            Ok(())
        }
        Kind::Claim => done(group.claim(owner)),
        Kind::ReleaseClaims => {
            group.release_claims();
            Ok(())
        }
        Kind::ClaimDevice => done(place.endpoint(at)?.claim(owner)),
        Kind::ReleaseDevice => {
            place.endpoint(at)?.release_claim();
            Ok(())
        }
        Kind::UseDefault => place.endpoint(at)?.use_default(),
        Kind::UnuseDefault => {
            place.endpoint(at)?.unuse_default();
            Ok(())
        }
        Kind::AttachPasid => {
            let domain = place.domain(domain)?;
            let endpoint = place.endpoint(at)?;
            done(endpoint.attach_pasid(&domain, pasid(1 + number)?, Some(handle(number)?)))
        }
        Kind::ReplacePasid => {
            let domain = place.domain(domain)?;
            let endpoint = place.endpoint(at)?;
            let handle = handle(number)?;
            done(
                endpoint
                    .replace_pasid(&domain, pasid(1 + number)?, handle)
                    .map(|_| ()),
            )
        }
        Kind::DetachPasid => {
            let named = place.domain(domain)?;
            let (number, held) = {
                let state = group.lock();
                let entry = state.pasid_entries().first();
                let entry = entry.filter(|_| number != 0);
                match entry {
                    Some(entry) => (entry.pasid(), entry.domain().clone()),
                    None => (pasid(1 + number)?, named),
                }
            };
            place.endpoint(at)?.detach_pasid(&held, number);
            Ok(())
        }
        Kind::ResetPrepare => done(place.endpoint(at)?.reset_prepare()),
        Kind::ResetDone => {
            let parked = group
                .lock()
                .members()
                .iter()
                .position(|m| m.reset_depth() != 0);
            // Mostly a device that is being reset.
            let at = parked.filter(|_| number != 0).unwrap_or(at);
            let endpoint = match parked.filter(|_| number != 0) {
                Some(_) => {
                    let state = group.lock();
                    let device = state.members().get(at).ok_or(ENODEV)?.device().clone();
                    drop(state);
                    let mut all = place.present().iter().map(Borrow::<Endpoint>::borrow);
                    all.find(|e| Arc::ptr_eq(e.device(), &device))
                        .ok_or(ENODEV)?
                }
                None => place.endpoint(at)?,
            };
            endpoint.reset_done();
            Ok(())
        }
        Kind::SetDefaultType => {
            let wanted = DEFAULT_TYPES.get(number as usize).copied().flatten();
            group.set_default_type(wanted)
        }
        Kind::Plug => {
            let present = |id: &u32| {
                let mut all = place.present().iter().map(Borrow::<Endpoint>::borrow);
                all.any(|e| e.device().id().0 == *id)
            };
            let missing = (0..place.members()).find(|id| !present(id));
            match missing {
                Some(id) => place.plug(id),
                // An endpoint that there is not.
                None => place.plug(place.members()),
            }
        }
        Kind::Unplug => place.unplug(at),
    };
    Ok(result)
}
