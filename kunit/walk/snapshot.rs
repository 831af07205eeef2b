// SPDX-License-Identifier: GPL-2.0

//! The state of a group as numbers, to see whether it has changed.

use crate::{
    group::{
        Belief,
        Ownership,
        Park,
        State, //
    },
    iommu::{
        DefaultType,
        Domain, //
    },
    recorder::Tag,
    walk::MAX_MEMBERS,
};
use kernel::sync::Arc;

/// Members and PASIDs that are looked at; a walk has no more.
const SLOTS: usize = MAX_MEMBERS as usize;

/// See the module. Equal snapshots mean that a failed operation changed nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot {
    pub(super) warnings: u32,
    current: Option<Tag>,
    default: Option<Tag>,
    default_type: Option<DefaultType>,
    owner: Ownership,
    handle: Option<u64>,
    members: [Option<(u32, u32, u32)>; SLOTS],
    pasids: [Option<(u32, Tag)>; SLOTS],
}

impl PartialEq for Snapshot {
    /// Ignores WARNs, which are counted apart.
    fn eq(&self, other: &Self) -> bool {
        let state = |s: &Self| (s.current, s.default, s.default_type, s.owner, s.handle);
        state(self) == state(other) && self.members == other.members && self.pasids == other.pasids
    }
}

impl Snapshot {
    pub(super) fn take(state: &State) -> Self {
        let tag = |domain: Option<&Arc<Domain>>| domain.map(Tag::of);
        let mut snapshot = Self {
            warnings: state.warnings(),
            current: tag(state.current()),
            default: tag(state.default()),
            default_type: state.default_type(),
            owner: state.owner(),
            handle: state.handle().map(|handle| handle.cookie()),
            members: [None; SLOTS],
            pasids: [None; SLOTS],
        };
        for (slot, member) in snapshot.members.iter_mut().zip(state.members()) {
            // Going forth and back may fence a device or end that, and block one that was lost.
            let belief = match member.belief() {
                Belief::OnDomain(_) => 0,
                Belief::Deferred => 1,
                Belief::Parked(Park::Reset) => 2,
                Belief::Parked(Park::FailedReturn) | Belief::Lost(_) => 3,
            };
            *slot = Some((member.device().id().0, belief, member.reset_depth()));
        }
        for (slot, entry) in snapshot.pasids.iter_mut().zip(state.pasid_entries()) {
            *slot = Some((entry.pasid().get(), Tag::of(entry.domain())));
        }
        snapshot
    }
}
