// SPDX-License-Identifier: GPL-2.0

//! Where our core is meant to differ from the kernel's; see `Documentation/divergences.rst`.

use super::{
    choose::Model,
    ops::Op,
    Answer, //
};
use crate::rig::Scene;
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
}

impl Divergence {
    pub(super) const ALL: [Divergence; 6] = [
        Divergence::FailedMove,
        Divergence::FirstBind,
        Divergence::ReleaseOfDrivers,
        Divergence::HandleLeft,
        Divergence::ResetLeft,
        Divergence::DeferralLost,
    ];

    /// Whether it must show there.
    pub(super) fn shows_in(self, scene: Scene) -> bool {
        match self {
            Self::FailedMove => true,
            // No driver binds to a function.
            Self::FirstBind => scene != Scene::Resettable,
            // It is too rare elsewhere.
            Self::ReleaseOfDrivers => scene == Scene::Untranslated,
            Self::HandleLeft => scene != Scene::Untranslated,
            Self::ResetLeft => scene == Scene::Resettable,
            Self::DeferralLost => scene == Scene::Deferred,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FailedMove => "a device that fails a move it must make is always blocked",
            Self::FirstBind => "the first driver is refused away from the default domain",
            Self::ReleaseOfDrivers => "release of a claim does not end a driver's use",
            Self::HandleLeft => "a handle goes with the domain it came with",
            Self::ResetLeft => "a member that leaves takes its reset along",
            Self::DeferralLost => "a failure leaves deferred devices deferred",
        }
    }

    /// The difference that an operation must show, if any.
    pub(super) fn expected(
        op: Op,
        model: &Model,
        faulted: bool,
        deferred: bool,
        ours: &Answer,
    ) -> Option<Self> {
        match op {
            _ if faulted && deferred => Some(Self::DeferralLost),
            Op::SetType { .. } if model.handle && ours.result.is_ok() => Some(Self::HandleLeft),
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
                if faulted && ours.warned != 0 =>
            {
                Some(Self::FailedMove)
            }
            _ => None,
        }
    }

    /// Whether both answers are as they must be then.
    pub(super) fn is_shown(self, ours: &Answer, kernel: &Answer) -> bool {
        match self {
            // The WARNs are the same; only where the device is left may differ.
            Self::FailedMove => ours.warned == kernel.warned,
            Self::FirstBind => ours.result == Err(EBUSY) && kernel.result.is_ok(),
            Self::DeferralLost => {
                ours.warned == kernel.warned && ours.result.is_ok() == kernel.result.is_ok()
            }
            Self::HandleLeft | Self::ResetLeft => {
                ours.result == kernel.result && ours.warned == kernel.warned
            }
            Self::ReleaseOfDrivers => ours.warned == 1 && kernel.warned == 0,
        }
    }
}
