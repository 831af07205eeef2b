// SPDX-License-Identifier: GPL-2.0

//! A thread's view of an arena, as it was when it looked.

use super::arena::Arena;
use crate::{
    group::{
        Endpoint,
        Group, //
    },
    iommu::Domain,
    walk::place::Place,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// See the module.
pub(super) struct Actor<'a> {
    arena: &'a Arena,
    group: Arc<Group>,
    present: KVec<Arc<Endpoint>>,
}

impl<'a> Actor<'a> {
    /// Looks; `None` where there is no device.
    pub(super) fn new(arena: &'a Arena) -> Result<Option<Self>> {
        let present = arena.present()?;
        // The last one to have come is in the newest group.
        let group = present.last().map(|endpoint| endpoint.group().clone());
        Ok(group.map(|group| Self {
            arena,
            group,
            present,
        }))
    }
}

impl Place for Actor<'_> {
    type Held = Arc<Endpoint>;

    fn group(&self) -> &Arc<Group> {
        &self.group
    }

    fn members(&self) -> u32 {
        self.arena.members
    }

    fn present(&self) -> &[Arc<Endpoint>] {
        &self.present
    }

    fn domains(&self) -> impl Iterator<Item = &Arc<Domain>> {
        self.arena.domains.iter()
    }

    fn domain(&mut self, slot: u32) -> Result<Arc<Domain>> {
        let domain = self.arena.domains.get(slot as usize);
        domain.cloned().ok_or(EINVAL)
    }

    fn plug(&mut self, id: u32) -> Result {
        self.arena.plug(id)
    }

    fn unplug(&mut self, at: usize) -> Result {
        self.arena.unplug(self.present.get(at).ok_or(ENODEV)?)
    }

    fn has_pasids(&self) -> bool {
        self.arena.fixture.mock().features().pasid
    }
}
