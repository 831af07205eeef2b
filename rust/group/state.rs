// SPDX-License-Identifier: GPL-2.0

//! A group and all of its state.

use super::{
    defect::Seeded,
    handle::Handle,
    member::Member,
    owner::Ownership,
    pasid::PasidTable,
    recovery::Recovery,
    warning::Warning, //
};
use crate::{
    iommu::{
        DefaultType,
        Device,
        DmaPolicy,
        Domain,
        GroupKey, //
    },
    kapi::{
        new_mutex,
        Guard,
        Mutex, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Devices that share one current domain.
#[pin_data]
pub(crate) struct Group {
    key: GroupKey,
    #[pin]
    state: Mutex<State>,
}

impl Group {
    pub(super) fn new(
        key: GroupKey,
        policy: Option<Arc<dyn DmaPolicy>>,
        system: DefaultType,
        recovery: Recovery,
    ) -> impl PinInit<Self> {
        let state = State::new(key, policy, system, recovery);
        pin_init!(Self {
            key,
            state <- new_mutex!(state, "Group::state"),
        })
    }

    /// What its devices have in common.
    pub(crate) fn key(&self) -> GroupKey {
        self.key
    }

    /// Takes the group's mutex. May sleep. What the guard gives is the whole state; all operations
    /// on the group go through it or through the methods of [`Group`], which take it themselves.
    pub(crate) fn lock(&self) -> Guard<'_, State> {
        self.state.lock()
    }
}

/// The state of a group, inside its mutex.
///
/// # Invariants of a group nobody works on
///
/// - A member that is neither parked, deferred nor lost sends its DMA where `current` says.
/// - `owner` is a user: the current domain is blocking or was attached by the user.
/// - There are no members: `current`, `default` and `blocking` are `None`.
/// - `default` is there: `current` is there.
pub(crate) struct State {
    pub(super) key: GroupKey,
    /// In the order of their arrival, in which every loop visits them.
    pub(super) members: KVec<Member>,
    /// Written by `transition.rs` only.
    pub(super) current: Option<Arc<Domain>>,
    pub(super) default: Option<Arc<Domain>>,
    /// What `default` is; meaningless without it.
    pub(super) default_type: DefaultType,
    /// Obtained when it is first needed, kept until the last member leaves.
    pub(super) blocking: Option<Arc<Domain>>,
    pub(super) owner: Ownership,
    /// The handle that came with the current user domain.
    pub(super) handle: Option<Arc<Handle>>,
    pub(super) pasids: PasidTable,
    /// WARNs raised for this group, by site.
    pub(super) warnings: [u32; Warning::COUNT],
    /// Who hands out IOVAs; without it no default domain translates.
    pub(super) policy: Option<Arc<dyn DmaPolicy>>,
    /// What devices without an opinion get.
    pub(super) system: DefaultType,
    /// What follows a failed move that must succeed.
    pub(super) recovery: Recovery,
    /// The last member has left for good: a device that comes later forms a new group.
    pub(super) retired: bool,
    pub(super) seeded: Seeded,
}

impl State {
    fn new(
        key: GroupKey,
        policy: Option<Arc<dyn DmaPolicy>>,
        system: DefaultType,
        recovery: Recovery,
    ) -> Self {
        Self {
            key,
            members: KVec::new(),
            current: None,
            default: None,
            default_type: system,
            blocking: None,
            owner: Ownership::Free,
            handle: None,
            pasids: PasidTable::new(),
            warnings: [0; Warning::COUNT],
            policy,
            system,
            recovery,
            retired: false,
            seeded: Seeded::for_new(),
        }
    }

    /// The members, in the order of their arrival.
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// The domain the members share.
    pub(crate) fn current(&self) -> Option<&Arc<Domain>> {
        self.current.as_ref()
    }

    /// The domain while kernel drivers use the devices.
    pub(crate) fn default(&self) -> Option<&Arc<Domain>> {
        self.default.as_ref()
    }

    /// The type of [`Self::default`]; lazy may have become strict when it was set up.
    pub(crate) fn default_type(&self) -> Option<DefaultType> {
        self.default.as_ref().map(|_| self.default_type)
    }

    /// The domain that aborts all DMA, once it was needed.
    pub(crate) fn blocking(&self) -> Option<&Arc<Domain>> {
        self.blocking.as_ref()
    }

    /// Who may use the devices' DMA.
    pub(crate) fn owner(&self) -> Ownership {
        self.owner
    }

    /// The handle that came with the current domain.
    pub(crate) fn handle(&self) -> Option<&Arc<Handle>> {
        self.handle.as_ref()
    }

    /// WARNs raised for this group.
    pub(crate) fn warnings(&self) -> u32 {
        self.warnings.iter().sum()
    }

    /// Members parked by a reset. While there are any, transitions that may fail are refused.
    pub(crate) fn recovering(&self) -> usize {
        self.members.iter().filter(|m| m.is_reset()).count()
    }

    /// Index of `device` among the members.
    ///
    /// # Errors
    ///
    /// ENODEV where it is none, e.g. because it was released.
    pub(super) fn find(&self, device: &Arc<Device>) -> Result<usize> {
        self.members
            .iter()
            .position(|m| Arc::ptr_eq(&m.device, device))
            .ok_or(ENODEV)
    }

    /// Whether a user attached anything by handle or PASID.
    pub(super) fn in_use(&self) -> bool {
        self.handle.is_some() || !self.pasids.is_empty()
    }

    /// Whether the current domain is one that the core chose: none, default or blocking.
    pub(super) fn on_core_domain(&self) -> bool {
        match &self.current {
            None => true,
            Some(current) => {
                is(self.default.as_ref(), current) || is(self.blocking.as_ref(), current)
            }
        }
    }

    /// Whether all members are on the default domain, or deferred on their way to it, as far as the
    /// group has to heed that.
    pub(super) fn is_home(&self) -> bool {
        self.current
            .as_ref()
            .is_some_and(|current| is(self.default.as_ref(), current))
            && !self.has_strays()
    }
}

/// Whether `slot` holds this very domain.
pub(super) fn is(slot: Option<&Arc<Domain>>, domain: &Arc<Domain>) -> bool {
    slot.is_some_and(|held| Arc::ptr_eq(held, domain))
}
