// SPDX-License-Identifier: GPL-2.0

//! The WARNs of the core. They are part of its contract: each place is counted per group.

use super::state::State;
use crate::kapi::warn;
use kernel::prelude::*;

/// A place that warns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Warning {
    /// A move that must succeed has failed: detach, or release of ownership.
    FailedReturn,
    /// A member could not be put back after another one failed.
    FailedRevert,
    /// The first default domain could not be attached to every member.
    FailedDefault,
    /// A member could not be attached again after its reset.
    FailedRestore,
    /// A PASID could not be blocked.
    FailedPasidBlock,
    /// A PASID could not be put back after another member failed.
    FailedPasidRevert,
    /// A PASID could not be attached again after a reset.
    FailedPasidRestore,
    /// Return to a default domain that is not there.
    NoDefault,
    /// Detach of a domain that is not the current one.
    NotCurrent,
    /// Detach of a device from a group of several.
    NotSingleton,
    /// A PASID was detached that is not attached, or from another domain.
    PasidNotAttached,
    /// A handle was to replace itself.
    SameHandle,
    /// Ownership was released that nobody had, or while attachments were left.
    BadRelease,
    /// A kernel driver's use ended that never began, or while attachments were left.
    BadUnuse,
    /// The last member left while the group was owned or away from its default domain.
    LeftInUse,
    /// A device was named that is not a member.
    NotMember,
    /// A reset ended that never began.
    UnbalancedReset,
    /// Drivers ask for translation by a kernel that has no layer for it.
    NoDmaLayer,
}

impl Warning {
    /// Number of places.
    pub(crate) const COUNT: usize = Self::NoDmaLayer as usize + 1;

    /// What the WARN says.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::FailedReturn => "a move that must succeed failed; failing devices are blocked",
            Self::FailedRevert => "a device could not be put back; it is blocked",
            Self::FailedDefault => "the first default domain could not be attached",
            Self::FailedRestore => "a device could not be attached after its reset; it is blocked",
            Self::FailedPasidBlock => "a PASID could not be blocked",
            Self::FailedPasidRevert => "a PASID could not be put back",
            Self::FailedPasidRestore => "a PASID could not be attached after a reset",
            Self::NoDefault => "there is no default domain to return to",
            Self::NotCurrent => "detach of a domain that is not the current one",
            Self::NotSingleton => "detach of a device whose group has not exactly one",
            Self::PasidNotAttached => "detach of a PASID that is not on this domain",
            Self::SameHandle => "replace of a handle by itself",
            Self::BadRelease => "release of ownership that is not held or still in use",
            Self::BadUnuse => "end of a use that never began, or with attachments left",
            Self::LeftInUse => "the last device left an owned group, or not on its default domain",
            Self::NotMember => "the device is not a member of the group",
            Self::UnbalancedReset => "reset done without reset prepare",
            Self::NoDmaLayer => "a device needs a translated default domain, and there is none",
        }
    }
}

impl State {
    /// Raises one WARN and counts it.
    pub(super) fn warn(&mut self, warning: Warning) {
        if let Some(count) = self.warnings.get_mut(warning as usize) {
            *count = count.saturating_add(1);
        }
        warn::warn(fmt!("iommu-mock: group {}: {}", self.key.0, warning.text()));
    }

    /// How often this WARN was raised for the group.
    pub(crate) fn warned(&self, warning: Warning) -> u32 {
        self.warnings.get(warning as usize).copied().unwrap_or(0)
    }
}
