// SPDX-License-Identifier: GPL-2.0

//! Where our core is meant to differ from the kernel's; see `Documentation/divergences.rst`.

use super::{
    choose::{
        Model,
        Op, //
    },
    Answer,
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
}

impl Divergence {
    pub(super) const ALL: [Divergence; 3] = [
        Divergence::FailedMove,
        Divergence::FirstBind,
        Divergence::ReleaseOfDrivers,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FailedMove => "a device that fails a move it must make is always blocked",
            Self::FirstBind => "the first driver is refused away from the default domain",
            Self::ReleaseOfDrivers => "release of a claim does not end a driver's use",
        }
    }

    /// The difference that an operation must show, if any.
    pub(super) fn expected(
        op: Op,
        model: &Model,
        faulted: bool,
        ours: &Answer,
        _kernel: &Answer,
    ) -> Option<Self> {
        match op {
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
            Self::ReleaseOfDrivers => ours.warned == 1 && kernel.warned == 0,
        }
    }
}
