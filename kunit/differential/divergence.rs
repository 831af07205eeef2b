// SPDX-License-Identifier: GPL-2.0

//! Where our core is meant to differ from the kernel's; see `Documentation/divergences.rst`.

use super::{
    choose::Model,
    ops::Op,
    Answer,
    GroupSays, //
};
use crate::{
    iommu::DefaultType,
    mock::fault::Op as Callback,
    recorder::{
        Call,
        Tag, //
    },
    rig::Scene, //
};
use kernel::prelude::*;

/// A difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Divergence {
    /// A device that cannot be brought where it must is blocked also before the first claim, and
    /// remembered.
    FailedMove,
    /// The first driver to bind is refused, too, while the group is not at home.
    FirstBind,
    /// A claim is not taken for a driver.
    ReleaseOfDrivers,
    /// A handle goes when the group is taken off the domain it came with.
    HandleLeft,
    /// A member that leaves takes its reset along.
    ResetLeft,
    /// A failure leaves deferred devices deferred.
    DeferralLost,
    /// A new member gets the group's PASIDs.
    NewMember,
    /// A driver is told that a device it refused comes from nowhere.
    FromNowhere,
    /// A domain in use turns lazy only where one made lazy would be.
    LazyUntested,
    /// All members are asked whether they may be lazy.
    LazyAsFirst,
}

impl Divergence {
    pub(super) const ALL: [Divergence; 10] = [
        Divergence::FailedMove,
        Divergence::FirstBind,
        Divergence::ReleaseOfDrivers,
        Divergence::HandleLeft,
        Divergence::ResetLeft,
        Divergence::DeferralLost,
        Divergence::NewMember,
        Divergence::FromNowhere,
        Divergence::LazyUntested,
        Divergence::LazyAsFirst,
    ];

    /// Whether it must show there, with PASIDs or without.
    pub(super) fn shows_in(self, scene: Scene, pasids: bool) -> bool {
        match self {
            Self::FailedMove => true,
            Self::FromNowhere => scene == Scene::Untranslated,
            // No driver binds to a function.
            Self::FirstBind => scene != Scene::Resettable,
            // It is too rare elsewhere.
            Self::NewMember => scene == Scene::Untranslated && pasids,
            Self::ReleaseOfDrivers => scene == Scene::Untranslated,
            Self::HandleLeft => scene != Scene::Untranslated,
            Self::ResetLeft => scene == Scene::Resettable,
            Self::DeferralLost => scene == Scene::Deferred,
            Self::LazyUntested | Self::LazyAsFirst => scene == Scene::OneStrict,
        }
    }

    /// Whether it takes many operations.
    pub(super) fn is_rare(self) -> bool {
        matches!(self, Self::ReleaseOfDrivers | Self::FromNowhere)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FailedMove => "a device that fails a move it must make is always blocked",
            Self::FirstBind => "the first driver is refused away from the default domain",
            Self::ReleaseOfDrivers => "release of a claim does not end a driver's use",
            Self::HandleLeft => "a handle goes with the domain it came with",
            Self::ResetLeft => "a member that leaves takes its reset along",
            Self::DeferralLost => "a failure leaves deferred devices deferred",
            Self::NewMember => "a new member gets the group's PASIDs",
            Self::FromNowhere => "a device that was refused comes from nowhere",
            Self::LazyUntested => "going lazy takes the same test at any time",
            Self::LazyAsFirst => "all members are asked whether they may be lazy",
        }
    }

    /// The difference that an operation must show, if any.
    pub(super) fn expected(
        op: Op,
        model: &Model,
        fault: Option<Callback>,
        deferred: bool,
        ours: &Answer,
    ) -> Option<Self> {
        match op {
            _ if fault.is_some() && deferred => Some(Self::DeferralLost),
            Op::Plug { .. } if model.pasids.iter().any(Option::is_some) => Some(Self::NewMember),
            // Refused, and released.
            Op::Plug { .. } if ours.result.is_err() && origins(ours).count() > 1 => {
                Some(Self::FromNowhere)
            }
            Op::SetType { .. }
                if model.handle
                    && (ours.result.is_ok() && !ours.events.is_empty()
                        || were_moved(ours, model)) =>
            {
                Some(Self::HandleLeft)
            }
            // Where there is no domain that could be lazy, a strict one is tried.
            Op::SetType { wanted } if ours.result.is_ok() && fault != Some(Callback::Alloc) => {
                model.is_lazy_in_linux(wanted)
            }
            Op::Unplug { at } if model.is_in_reset(at) => Some(Self::ResetLeft),
            Op::Bind { .. } if model.uses == 0 && model.claims == 0 && model.in_use() => {
                Some(Self::FirstBind)
            }
            Op::ReleaseDevice { .. } if model.uses > 1 => Some(Self::ReleaseOfDrivers),
            Op::Attach { .. }
            | Op::Replace { .. }
            | Op::Detach { .. }
            | Op::Claim
            | Op::ClaimDevice { .. }
            | Op::Release
            | Op::ReleaseDevice { .. }
            | Op::SetType { .. }
            | Op::ResetPrepare { .. }
            | Op::ResetDone { .. }
                if fault.is_some() && ours.warned != 0 =>
            {
                Some(Self::FailedMove)
            }
            _ => None,
        }
    }

    /// Whether both answers are as they must be then.
    pub(super) fn is_shown(self, ours: &Answer, kernel: &Answer, groups: [GroupSays; 2]) -> bool {
        let [here, there] = groups;
        match self {
            // The WARNs are the same; only where the device is left may differ.
            Self::FailedMove => ours.warned == kernel.warned,
            Self::FromNowhere => {
                let (our, their) = (origins(ours).last(), origins(kernel).last());
                kernel.result.is_err() && our == Some(None) && matches!(their, Some(Some(_)))
            }
            Self::NewMember => {
                let neither = ours.result.is_err() && kernel.result.is_err();
                !sets_pasids(kernel) && (sets_pasids(ours) || neither)
            }
            Self::FirstBind => ours.result == Err(EBUSY) && kernel.result.is_ok(),
            Self::DeferralLost => {
                ours.warned == kernel.warned && ours.result.is_ok() == kernel.result.is_ok()
            }
            Self::HandleLeft => {
                here.handle == Err(ENOENT)
                    && there.handle.is_ok()
                    && ours.result == kernel.result
                    && ours.warned == kernel.warned
            }
            Self::ResetLeft => ours.result == kernel.result && ours.warned == kernel.warned,
            Self::ReleaseOfDrivers => ours.warned == 1 && kernel.warned == 0,
            Self::LazyUntested | Self::LazyAsFirst => {
                [here.what, there.what] == [Ok(DefaultType::Dma), Ok(DefaultType::DmaLazy)]
                    && ours.result == kernel.result
                    && ours.events.len() == kernel.events.len()
            }
        }
    }
}

/// Whether all devices were taken off their domain, were it only to be sent back to another.
fn were_moved(answer: &Answer, model: &Model) -> bool {
    let attached = answer.events.iter().map(|event| match event.call {
        Call::Attach { answer, .. } => answer.is_ok(),
        Call::Probe | Call::Release => false,
    });
    let first = attached.take(model.present.len());
    first.filter(|good| *good).count() == model.present.len()
}

fn sets_pasids(answer: &Answer) -> bool {
    let mut events = answer.events.iter();
    events.any(|event| matches!(event.call, Call::Attach { pasid: Some(_), .. }))
}

/// Where the driver was told that devices come from.
fn origins(answer: &Answer) -> impl Iterator<Item = Option<Tag>> + '_ {
    answer.events.iter().filter_map(|event| match event.call {
        Call::Attach { from, .. } => Some(from),
        Call::Probe | Call::Release => None,
    })
}
