// SPDX-License-Identifier: GPL-2.0

//! Where operations are done: by a walker alone, or by one of several threads.

use super::{
    ops::View,
    Walker, //
};
use crate::{
    group::{
        Endpoint,
        Group, //
    },
    iommu::Domain,
};
use core::borrow::Borrow;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A group, its devices and the domains of its users, as whoever works on them knows them.
pub(super) trait Place {
    /// How a device is kept.
    type Held: Borrow<Endpoint>;

    /// The group.
    fn group(&self) -> &Arc<Group>;

    /// Devices that it may have at most.
    fn members(&self) -> u32;

    /// Devices that are there.
    fn present(&self) -> &[Self::Held];

    /// User domains that there are.
    fn domains(&self) -> impl Iterator<Item = &Arc<Domain>>;

    /// The user domain in a slot.
    fn domain(&mut self, slot: u32) -> Result<Arc<Domain>>;

    /// Probes device `id`.
    fn plug(&mut self, id: u32) -> Result;

    /// Releases the device at `at`.
    fn unplug(&mut self, at: usize) -> Result;

    /// Whether its family has PASIDs.
    fn has_pasids(&self) -> bool;

    /// The device at `at`.
    fn endpoint(&self, at: usize) -> Result<&Endpoint> {
        Ok(self.present().get(at).ok_or(ENODEV)?.borrow())
    }

    /// What a user of the group can know.
    fn view(&self) -> View {
        let state = self.group().lock();
        let is_users = |current| self.domains().any(|domain| Arc::ptr_eq(domain, current));
        View {
            present: self.present().len() as u32,
            members: self.members(),
            owner: state.owner(),
            attached: state.current().is_some_and(is_users),
            pasids: state.pasid_entries().len() as u32,
            has_pasids: self.has_pasids(),
            recovering: state.recovering() as u32,
        }
    }
}

impl Place for Walker {
    type Held = Endpoint;

    fn group(&self) -> &Arc<Group> {
        &self.group
    }

    fn members(&self) -> u32 {
        self.members
    }

    fn present(&self) -> &[Endpoint] {
        self.fixture.endpoints()
    }

    fn domains(&self) -> impl Iterator<Item = &Arc<Domain>> {
        self.domains.iter().flatten()
    }

    /// Made when it is first needed.
    fn domain(&mut self, slot: u32) -> Result<Arc<Domain>> {
        let fixture = &self.fixture;
        let other = slot == 0;
        let slot = self.domains.get_mut(slot as usize).ok_or(EINVAL)?;
        if slot.is_none() {
            fixture.faults().clear();
            *slot = Some(match other {
                true => fixture.other_domain()?,
                false => fixture.domain()?,
            });
        }
        slot.clone().ok_or(EINVAL)
    }

    fn plug(&mut self, id: u32) -> Result {
        self.fixture.plug(id)
    }

    fn unplug(&mut self, at: usize) -> Result {
        self.fixture.unplug(at).map(|_| ())
    }

    fn has_pasids(&self) -> bool {
        self.fixture.mock().features().pasid
    }
}
