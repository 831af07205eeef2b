// SPDX-License-Identifier: GPL-2.0

//! A device as a member of its group.

use super::transition::{
    Step,
    Was, //
};
use crate::iommu::{
    Attached,
    Device,
    Domain, //
};
use kernel::sync::Arc;

/// Why a member sits on the blocking domain while its group is elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Park {
    /// It is being reset.
    Reset,
    /// It could not be brought where its group went, which raised a WARN. No kernel driver may
    /// bind until the whole group has reached its default domain (R0.6), unless the group's
    /// [`Recovery`](super::recovery::Recovery) is another.
    FailedReturn,
}

/// Where the core believes the DMA of a member goes.
#[derive(Clone)]
pub(crate) enum Belief {
    /// Where the group's current domain sends it; nowhere, if the device is fenced.
    OnDomain(Attached),
    /// Wherever a former kernel sent it: not attached yet.
    Deferred,
    /// Nowhere.
    Parked(Park),
    /// Nobody knows: the driver broke its contract by failing to block the device. It may still
    /// reach the domain held here, which therefore stays alive.
    Lost(Option<Arc<Domain>>),
}

/// A member of a group.
pub(crate) struct Member {
    pub(super) device: Arc<Device>,
    pub(super) belief: Belief,
    /// Calls of reset prepare without their reset done.
    pub(super) reset_depth: u32,
    /// Firmware needs a 1:1 range: the device must never be blocked.
    pub(super) require_direct: bool,
    /// What the latest transition did to it.
    pub(super) step: Step,
    /// What it was before that, if it moved.
    pub(super) was: Was,
}

impl Member {
    pub(super) fn new(device: Arc<Device>) -> Self {
        let belief = match device.driver().is_attach_deferred(&device) {
            true => Belief::Deferred,
            false => Belief::Lost(None),
        };
        Self {
            device,
            belief,
            reset_depth: 0,
            require_direct: false,
            step: Step::Untouched,
            was: Was::Home,
        }
    }

    /// The device.
    pub(crate) fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// Where the core believes its DMA goes.
    pub(crate) fn belief(&self) -> &Belief {
        &self.belief
    }

    /// What the latest transition of the group did to it.
    pub(crate) fn step(&self) -> Step {
        self.step
    }

    /// Nesting of reset prepare.
    pub(crate) fn reset_depth(&self) -> u32 {
        self.reset_depth
    }

    /// Whether firmware forbids to block it.
    pub(crate) fn require_direct(&self) -> bool {
        self.require_direct
    }

    pub(super) fn is_reset(&self) -> bool {
        matches!(self.belief, Belief::Parked(Park::Reset))
    }

    pub(super) fn is_deferred(&self) -> bool {
        matches!(self.belief, Belief::Deferred)
    }

    /// Whether the latest attempt to bring it where its group is has failed.
    pub(super) fn is_astray(&self) -> bool {
        matches!(
            self.belief,
            Belief::Parked(Park::FailedReturn) | Belief::Lost(_)
        )
    }

    pub(super) fn has_pasids(&self) -> bool {
        self.device.max_pasids() != 0
    }
}
