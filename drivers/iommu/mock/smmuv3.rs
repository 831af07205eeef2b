// SPDX-License-Identifier: GPL-2.0

//! The driver of Arm SMMUv3, as drivers/iommu/arm/arm-smmu-v3 in Linux.

mod attach;
pub(crate) mod entries;
pub(crate) mod entry_writer;
mod flush;
mod ids;
pub(crate) mod invs;
mod protocol;
mod space;
mod stream;
pub(crate) mod used;

pub(crate) use self::space::Smmuv3Space;

use self::{
    attach::Attach,
    ids::Ids,
    protocol::{
        Protocol,
        PROTOCOLS, //
    },
    space::Home,
    stream::Stream, //
};
use super::{
    endpoint::{
        EndpointConfig,
        InstanceConfig, //
    },
    hw::{
        machine::{
            Inspect,
            Machine, //
        },
        model::{
            Next,
            Requester, //
        },
        smmuv3::Smmuv3,
        step::Note,
        Access,
        Reach, //
    },
    unit::{
        Modelled,
        Seen,
        Space as _,
        Target,
        Unit,
        FORMER_KERNEL, //
    },
};
use crate::{
    iommu::{
        AttachError,
        Attached,
        PagingFlags,
        Prot, //
    },
    kapi::{
        errno,
        new_mutex,
        Mutex, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// One SMMU.
#[pin_data]
pub(crate) struct Smmuv3Unit {
    home: Home,
    protocol: &'static Protocol,
    /// By StreamID. The lock is what `arm_smmu_asid_lock` is in Linux: attaches exclude each other.
    /// Inside it are, in this order, the locks of invalidation lists, of ids and of the machine.
    #[pin]
    streams: Mutex<KVec<Stream>>,
}

impl Smmuv3Unit {
    /// Makes an empty stage 2 table for `bits` address bits: up to 39 take 3 levels, more take 4.
    ///
    /// # Errors
    ///
    /// ENOSPC without a VMID, ENOMEM.
    pub(crate) fn new_stage2_space(&self, bits: u32) -> Result<Arc<Smmuv3Space>> {
        Smmuv3Space::stage2(&self.home, bits, false)
    }

    /// Makes an empty stage 2 table of 48 bits that others can be nested in.
    ///
    /// # Errors
    ///
    /// ENOSPC without a VMID, ENOMEM.
    pub(crate) fn new_nest_parent(&self) -> Result<Arc<Smmuv3Space>> {
        Smmuv3Space::stage2(&self.home, 48, true)
    }

    /// Makes an empty stage 1 table of a guest, which is nested in `parent`. What it maps to is
    /// translated by that.
    ///
    /// # Errors
    ///
    /// EINVAL where `parent` is no parent, ENOSPC without an ASID, ENOMEM.
    pub(crate) fn new_nested(&self, parent: &Arc<Smmuv3Space>) -> Result<Arc<Smmuv3Space>> {
        Smmuv3Space::nested(parent)
    }

    /// Lets `f` work on a stream.
    fn with<R>(&self, endpoint: u32, f: impl FnOnce(&mut Attach<'_>) -> Result<R>) -> Result<R> {
        let streams = &mut *self.streams.lock();
        let at = usize::try_from(endpoint)?;
        f(&mut Attach {
            machine: &self.home.machine,
            protocol: self.protocol,
            stream: streams.get_mut(at).ok_or(ENODEV)?,
        })
    }

    fn leave_as_firmware_does(&self, id: u32, endpoint: &EndpointConfig) -> Result {
        if !endpoint.deferred {
            return Ok(());
        }
        let former = Smmuv3Space::stage1(&self.home)?;
        former.map(0, FORMER_KERNEL, 1 << 30, 1, Prot::RW).result?;
        self.with(id, |attach| attach.rid(&Target::Paging(former)))?;
        Ok(())
    }
}

impl Unit for Smmuv3Unit {
    const NAME: &'static str = "smmuv3";
    const PROTOCOLS: &'static [&'static str] = &[PROTOCOLS[0].name, PROTOCOLS[1].name];
    const PASID: bool = true;
    type Space = Smmuv3Space;

    fn new(config: &InstanceConfig, endpoints: &[EndpointConfig]) -> Result<Arc<Self>> {
        let protocol = PROTOCOLS.get(config.protocol as usize).ok_or(EINVAL)?;
        let count = endpoints.len().next_power_of_two();
        let machine = Machine::new(|entries| {
            let base = entries.alloc(count.saturating_mul(8), 0)?;
            Ok(Smmuv3::new(base, count.ilog2()))
        });
        let machine = Arc::pin_init(machine, GFP_KERNEL)?;
        for sid in 0..u32::try_from(count)? {
            let ste = match (sid as usize) < endpoints.len() {
                true => entries::bypass_ste(),
                false => entries::abort_ste(),
            };
            machine.store(machine.model().ste(sid), &ste)?;
        }
        let mut streams = KVec::with_capacity(endpoints.len(), GFP_KERNEL)?;
        for (sid, endpoint) in (0u32..).zip(endpoints) {
            let stream = Stream::new(&machine, sid, endpoint, protocol.tables)?;
            streams.push(stream, GFP_KERNEL)?;
        }
        let home = Home {
            machine,
            asids: Arc::pin_init(Ids::new(), GFP_KERNEL)?,
            vmids: Arc::pin_init(Ids::new(), GFP_KERNEL)?,
        };
        let unit = pin_init!(Self {
            home,
            protocol,
            streams <- new_mutex!(streams, "Smmuv3Unit::streams"),
        });
        let unit = Arc::pin_init(unit, GFP_KERNEL)?;
        for (id, endpoint) in (0u32..).zip(endpoints) {
            unit.leave_as_firmware_does(id, endpoint)?;
        }
        Ok(unit)
    }

    fn new_space(self: &Arc<Self>, _endpoint: u32, flags: PagingFlags) -> Result<Arc<Self::Space>> {
        match flags.dirty_tracking {
            false => Smmuv3Space::stage1(&self.home),
            true => Smmuv3Space::marked(&self.home),
        }
    }

    fn check(
        &self,
        endpoint: u32,
        pasid: Option<u32>,
        to: &Target<Smmuv3Space>,
    ) -> Result<(), AttachError> {
        let error = self.with(endpoint, |attach| {
            let stream = &*attach.stream;
            Ok(match (pasid, to) {
                (None, Target::Paging(space)) if !space.is_stage1() => {
                    // A table of CDs must not go away under the PASIDs in it.
                    stream.uses_ssids().then_some(AttachError::Failed(EBUSY))
                }
                (None, _) | (Some(_), Target::Blocked) => None,
                (Some(_), Target::Identity) => Some(AttachError::Failed(errno::eopnotsupp())),
                (Some(_), Target::Paging(space)) if !space.is_stage1() => {
                    Some(AttachError::Incompatible)
                }
                (Some(ssid), Target::Paging(_)) => {
                    let fits = stream.has_ssid(ssid) && stream.can_have_ssids();
                    (!fits).then_some(AttachError::Failed(EINVAL))
                }
            })
        })?;
        error.map_or(Ok(()), Err)
    }

    fn attach(
        &self,
        endpoint: u32,
        pasid: Option<u32>,
        to: &Target<Smmuv3Space>,
    ) -> Result<Attached, AttachError> {
        let former = self.with(endpoint, |attach| match (pasid, to) {
            (None, to) => attach.rid(to),
            (Some(ssid), Target::Paging(space)) => attach.ssid(ssid, space),
            (Some(ssid), Target::Blocked | Target::Identity) => attach.clear_ssid(ssid),
        });
        self.home.machine.note(Note::Return);
        // What is no longer used goes away outside of the lock.
        drop(former?);
        Ok(Attached::Translating)
    }

    fn release(&self, endpoint: u32, keep: bool) {
        let former = self.with(endpoint, |attach| attach.release(keep));
        self.home.machine.note(Note::Return);
        drop(former);
    }

    fn marks_dirty(&self) -> bool {
        true
    }

    fn access(&self, endpoint: u32, pasid: Option<u32>, iova: u64, access: Access) -> Reach {
        let from = Requester {
            id: endpoint,
            pasid,
        };
        self.home.machine.access(from, iova, access)
    }

    fn seen(&self, endpoint: u32) -> Option<Seen> {
        self.with(endpoint, |attach| {
            let from = attach.stream.requester(None);
            Ok(
                match (self.home.machine.look_up(from), &attach.stream.rid) {
                    (Next::Bypass, _) => Seen::Identity,
                    (Next::Translate(by), Target::Paging(space)) if space.is(&by) => {
                        Seen::Paging(space.number())
                    }
                    (Next::Translate(_), _) => Seen::Paging(0),
                    (Next::Abort(_) | Next::Fetch(_), _) => Seen::Blocked,
                },
            )
        })
        .ok()
    }

    fn inspect(&self, endpoint: u32) -> Option<(&dyn Inspect, Requester)> {
        let from = self.with(endpoint, |attach| Ok(attach.stream.requester(None)));
        Some((&*self.home.machine, from.ok()?))
    }
}

impl Modelled for Smmuv3Unit {
    type Model = Smmuv3;

    fn machine(&self) -> &Machine<Smmuv3> {
        &self.home.machine
    }

    fn requesters(&self, endpoint: u32, pasid: Option<u32>) -> Result<KVec<Requester>> {
        let from = self.with(endpoint, |attach| Ok(attach.stream.requester(pasid)))?;
        let mut requesters = KVec::new();
        requesters.push(from, GFP_KERNEL)?;
        Ok(requesters)
    }
}
