// SPDX-License-Identifier: GPL-2.0

//! What follows when a device could not be brought where it must be.
//!
//! That it may happen at all is what the 2022 s390 thread is about: firmware that recovers a
//! function refuses to have its translation changed.

use super::{
    member::{
        Belief,
        Park, //
    },
    state::State, //
};

/// What a group makes of a member that refused a move that must succeed. Whatever it is, the member
/// is blocked, one WARN is raised for the move, and the others arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// Nothing more. A kernel driver may bind, and a move to where the group is already calls no
    /// driver, so that the member stays blocked until the group goes elsewhere. As the kernel's
    /// core does it.
    LeaveBlocked,
    /// It counts as parked: no kernel driver may bind (R0.6), and any move, also one to where the
    /// group is already, tries the member again.
    #[default]
    RecordParked,
}

impl State {
    /// Whether a member is not where the group is, in a way that the group has to heed. One that
    /// its driver could not even block always is.
    pub(super) fn has_strays(&self) -> bool {
        self.members.iter().any(|member| match member.belief {
            Belief::Lost(_) => true,
            Belief::Parked(Park::FailedReturn) => self.recovery == Recovery::RecordParked,
            Belief::OnDomain(_) | Belief::Deferred | Belief::Parked(Park::Reset) => false,
        })
    }
}
