// SPDX-License-Identifier: GPL-2.0

//! The driver of Intel VT-d.
//!
//! Domains have page tables of the second stage, those that can be attached to PASIDs of the first.
//! Linux prefers the first stage for all where hardware has both; this way each is in use.
//!
//! An endpoint that is resettable has a device-TLB (ATS), which is in use from the start.

mod change;
mod dids;
mod dmar;
mod function;
mod goal;
mod protocol;
mod space;
mod tables;

pub(crate) use self::space::VtdSpace;

use self::{
    change::Change,
    dmar::Dmar,
    function::{
        Books,
        Former,
        Function, //
    },
    goal::{
        Goal,
        Through, //
    },
    protocol::Protocol,
    space::Entry,
    tables::Tables, //
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
        step::Note,
        vtd::{
            Mode,
            Order,
            Registers,
            RID_PASID, //
        },
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
    kapi::errno,
    pgtable::{
        PageTable,
        X86FirstStage, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What hardware may be that no instance is told to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hardware {
    /// See [`Registers::fetch_unit`].
    pub(crate) fetch_unit: u32,
    /// See [`Registers::caching_mode`].
    pub(crate) caching_mode: bool,
    /// See [`Registers::order`].
    pub(crate) order: Order,
}

impl Default for Hardware {
    /// What Linux takes for granted.
    fn default() -> Self {
        Self {
            fetch_unit: 2,
            caching_mode: false,
            order: Order::Linux,
        }
    }
}

/// See the module.
pub(crate) struct VtdUnit {
    dmar: Arc<Dmar>,
    protocol: &'static Protocol,
    functions: KVec<Function>,
}

impl VtdUnit {
    /// Like [`Unit::new`], for hardware that differs.
    ///
    /// # Errors
    ///
    /// EINVAL for a protocol, fetch unit, source id or PASID that cannot be, ENOMEM.
    pub(crate) fn with(
        config: &InstanceConfig,
        endpoints: &[EndpointConfig],
        hardware: Hardware,
    ) -> Result<Arc<Self>> {
        let protocol = Protocol::of(config.protocol).ok_or(EINVAL)?;
        if !matches!(hardware.fetch_unit, 1 | 2 | 4 | 8) {
            return Err(EINVAL);
        }
        let registers = Registers {
            mode: protocol.mode,
            root: 0,
            fetch_unit: hardware.fetch_unit,
            caching_mode: hardware.caching_mode,
            order: hardware.order,
        };
        let dmar = Arc::pin_init(Dmar::new(registers), GFP_KERNEL)?;
        let former = match endpoints.iter().any(|endpoint| endpoint.deferred) {
            true => Some(former_kernel(&dmar)?),
            false => None,
        };
        let mut functions = KVec::with_capacity(endpoints.len(), GFP_KERNEL)?;
        for (id, endpoint) in endpoints.iter().enumerate() {
            let former = former.as_ref().filter(|_| endpoint.deferred);
            let (rid, former) = match former {
                Some((space, former)) => {
                    space.hold(RID_PASID)?;
                    (Target::Paging(space.clone()), Some(*former))
                }
                None => (Target::Identity, None),
            };
            let function = Function::new(&dmar, id, endpoint, rid, former)?;
            functions.push(function, GFP_KERNEL)?;
        }
        if let Some((space, _)) = former {
            space.put(RID_PASID);
        }
        let unit = Self {
            dmar,
            protocol,
            functions,
        };
        Ok(Arc::new(unit, GFP_KERNEL)?)
    }

    fn function(&self, endpoint: u32) -> Result<&Function> {
        let endpoint = usize::try_from(endpoint)?;
        self.functions.get(endpoint).ok_or(ENODEV)
    }

    /// Levels of page tables with which all of an endpoint's addresses can be mapped.
    fn levels(&self, endpoint: u32) -> Result<u32> {
        match self.function(endpoint)?.bits {
            ..=48 => Ok(4),
            _ => Ok(5),
        }
    }

    /// Makes an empty page table of the first stage that fits an endpoint.
    ///
    /// # Errors
    ///
    /// ENODEV where there is no such endpoint, EOPNOTSUPP in legacy mode, ENOMEM.
    pub(crate) fn new_first_stage_space(&self, endpoint: u32) -> Result<Arc<VtdSpace>> {
        if self.protocol.mode == Mode::Legacy {
            return Err(errno::eopnotsupp());
        }
        VtdSpace::new(&self.dmar, Tables::first(self.levels(endpoint)?)?)
    }

    /// Makes an empty page table of the second stage that fits an endpoint.
    ///
    /// # Errors
    ///
    /// ENODEV where there is no such endpoint, ENOMEM.
    pub(crate) fn new_second_stage_space(&self, endpoint: u32) -> Result<Arc<VtdSpace>> {
        VtdSpace::new(&self.dmar, Tables::second(self.levels(endpoint)?)?)
    }

    /// Puts page tables of a guest on top of a space of the second stage, which has to map them to
    /// where they are. Mapping in the new space is what the guest does, and flushing what it asks
    /// for.
    ///
    /// # Errors
    ///
    /// EINVAL for a parent that cannot be one, ENOMEM.
    pub(crate) fn new_nested(
        &self,
        parent: &Arc<VtdSpace>,
        guest: Arc<PageTable<X86FirstStage>>,
    ) -> Result<Arc<VtdSpace>> {
        let second = matches!(parent.through(), Through::Second(_));
        if !second || !parent.is_of(&self.dmar) || self.protocol.mode == Mode::Legacy {
            return Err(EINVAL);
        }
        let parent = parent.clone();
        VtdSpace::new(&self.dmar, Tables::Nested { guest, parent })
    }

    /// Moves an endpoint or a PASID of it. On error everything is as it was.
    fn go(
        &self,
        function: &Function,
        books: &mut Books,
        pasid: Option<u32>,
        to: &Target<VtdSpace>,
    ) -> Result {
        let dmar = &*self.dmar;
        let number = pasid.unwrap_or(RID_PASID);
        let _changing = dmar.changing.lock();
        let at = function.entry(dmar, pasid)?;
        // Only for a PASID that comes to something: what leads back cannot fail.
        if pasid.is_some() && !matches!(to, Target::Blocked) {
            books.reserve()?;
        }
        let goal = match to {
            Target::Blocked => Goal::Blocked,
            Target::Identity => Goal::PassThrough,
            Target::Paging(space) => space.hold(number)?,
        };
        if books.copied {
            function.take_over(dmar);
            if let Target::Paging(former) = &books.rid {
                former.put(number);
            }
            books.rid = Target::Blocked;
            books.copied = false;
        }
        let from = books.get(pasid);
        (self.protocol.update)(&Change {
            dmar,
            who: function.requester(pasid),
            ats: function.ats,
            at,
            from: &from,
            to,
            goal,
        });
        if let Target::Paging(from) = &from {
            from.leave(at);
        }
        if let Target::Paging(to) = to {
            to.enter(Entry {
                at,
                pasid: number,
                device: function.ats.then_some(function.sid),
            });
        }
        books.set(pasid, to.clone());
        Ok(())
    }
}

/// The tables of a former kernel, which map the first GiB to [`FORMER_KERNEL`], with one attachment
/// too many, that keeps them while nobody uses them yet.
fn former_kernel(dmar: &Arc<Dmar>) -> Result<(Arc<VtdSpace>, Former)> {
    let space = VtdSpace::new(dmar, Tables::second(4)?)?;
    space.map(0, FORMER_KERNEL, 1 << 30, 1, Prot::RW).result?;
    let former = Former::new(dmar, space.hold(RID_PASID)?)?;
    Ok((space, former))
}

fn is_same(a: &Target<VtdSpace>, b: &Target<VtdSpace>) -> bool {
    match (a, b) {
        (Target::Blocked, Target::Blocked) | (Target::Identity, Target::Identity) => true,
        (Target::Paging(a), Target::Paging(b)) => Arc::ptr_eq(a, b),
        _ => false,
    }
}

impl Unit for VtdUnit {
    const NAME: &'static str = "vtd";
    const PROTOCOLS: &'static [&'static str] = protocol::NAMES;
    const PASID: bool = true;
    type Space = VtdSpace;

    fn new(config: &InstanceConfig, endpoints: &[EndpointConfig]) -> Result<Arc<Self>> {
        Self::with(config, endpoints, Hardware::default())
    }

    fn has_pasids(&self) -> bool {
        self.protocol.mode == Mode::Scalable
    }

    fn new_space(self: &Arc<Self>, endpoint: u32, flags: PagingFlags) -> Result<Arc<VtdSpace>> {
        match self.protocol.mode {
            // Only the second stage has marks that Linux reads.
            Mode::Scalable if flags.pasid && !flags.dirty_tracking => {
                self.new_first_stage_space(endpoint)
            }
            // In legacy mode Linux takes the flag and refuses the PASID.
            Mode::Scalable | Mode::Legacy => self.new_second_stage_space(endpoint),
        }
    }

    fn check(
        &self,
        endpoint: u32,
        pasid: Option<u32>,
        to: &Target<VtdSpace>,
    ) -> Result<(), AttachError> {
        let function = self.function(endpoint)?;
        if let (Some(pasid), Target::Identity | Target::Paging(_)) = (pasid, to) {
            if self.protocol.mode == Mode::Legacy {
                return Err(errno::eopnotsupp().into());
            }
            if !function.reaches(pasid) {
                return Err(EINVAL.into());
            }
            if function.books.lock().copied {
                return Err(EBUSY.into());
            }
        }
        let Target::Paging(space) = to else {
            return Ok(());
        };
        let second = matches!(space.through(), Through::Second(_));
        if !space.is_of(&self.dmar) || (self.protocol.mode == Mode::Legacy && !second) {
            return Err(AttachError::Incompatible);
        }
        Ok(())
    }

    fn attach(
        &self,
        endpoint: u32,
        pasid: Option<u32>,
        to: &Target<VtdSpace>,
    ) -> Result<Attached, AttachError> {
        let function = self.function(endpoint)?;
        let mut books = function.books.lock();
        // Linux blocks and sets again, which its core never asks for.
        let from = books.get(pasid);
        if !is_same(&from, to) {
            self.go(function, &mut books, pasid, to)?;
        }
        self.dmar.note(Note::Return);
        drop(books);
        // What nobody else refers to goes behind the return, as a core would have it.
        drop(from);
        Ok(Attached::Translating)
    }

    fn release(&self, endpoint: u32, keep: bool) {
        let Ok(function) = self.function(endpoint) else {
            return;
        };
        let first = || {
            function
                .books
                .lock()
                .pasids
                .first()
                .map(|(pasid, _)| *pasid)
        };
        while let Some(pasid) = first() {
            if self
                .attach(endpoint, Some(pasid), &Target::Blocked)
                .is_err()
            {
                break;
            }
        }
        if !keep {
            let _ = self.attach(endpoint, None, &Target::Blocked);
        }
    }

    fn marks_dirty(&self) -> bool {
        // Entries of legacy mode have no place for it.
        self.protocol.mode == Mode::Scalable
    }

    fn access(&self, endpoint: u32, pasid: Option<u32>, iova: u64, access: Access) -> Reach {
        let Ok(function) = self.function(endpoint) else {
            return Reach::Aborted;
        };
        let from = function.requester(pasid);
        self.dmar.machine().access(from, iova, access)
    }

    fn seen(&self, endpoint: u32) -> Option<Seen> {
        let function = self.function(endpoint).ok()?;
        let books = function.books.lock();
        let by = match self.dmar.machine().look_up(function.requester(None)) {
            Next::Bypass => return Some(Seen::Identity),
            Next::Abort(_) | Next::Fetch(_) => return Some(Seen::Blocked),
            Next::Translate(by) => by,
        };
        let number = match &books.rid {
            Target::Paging(space) if space.through().is(&by) => space.number(),
            _ => 0,
        };
        Some(Seen::Paging(number))
    }

    fn inspect(&self, endpoint: u32) -> Option<(&dyn Inspect, Requester)> {
        let function = self.function(endpoint).ok()?;
        Some((self.dmar.machine(), function.requester(None)))
    }
}

impl Modelled for VtdUnit {
    type Model = Registers;

    fn machine(&self) -> &Machine<Registers> {
        self.dmar.machine()
    }

    fn requesters(&self, endpoint: u32, pasid: Option<u32>) -> Result<KVec<Requester>> {
        let mut requesters = KVec::new();
        let function = self.function(endpoint)?;
        requesters.push(function.requester(pasid), GFP_KERNEL)?;
        Ok(requesters)
    }
}
