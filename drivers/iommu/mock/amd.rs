// SPDX-License-Identifier: GPL-2.0

//! The driver of AMD-Vi.
//!
//! Domains have host page tables (v1), or guest ones (v2) if they are to be attached to PASIDs, as
//! in Linux. A domain of the second kind can be attached with and without PASID. Tables of a guest
//! can be nested in host page tables. An endpoint that is resettable has an IOTLB of its own (ATS),
//! which is in use from the start.

mod device;
mod ids;
mod iommu;
mod linux;
mod protocol;
mod space;
mod store128;
mod users;

pub(crate) use self::space::AmdSpace;

use self::{
    device::{
        Books,
        Device,
        Wiring, //
    },
    iommu::Iommu,
    protocol::{
        Move,
        PasidMove,
        PROTOCOLS, //
    },
};
use super::{
    endpoint::{
        EndpointConfig,
        InstanceConfig, //
    },
    hw::{
        amd::{
            dte::{
                self,
                Dte,
                GCR3_ENTRIES, //
            },
            AmdVi, //
        },
        machine::{
            Inspect,
            Machine, //
        },
        model::{
            Next,
            Requester, //
        },
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
        PagingFlags, //
    },
    kapi::errno,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The largest GLX: PASIDs have 20 bits.
const GLX_MAX: u32 = 2;

/// See the module.
pub(crate) struct AmdUnit {
    iommu: Arc<Iommu>,
    devices: KVec<Arc<Device>>,
}

/// Makes the device table as firmware leaves it: not an entry is valid, so that all DMA passes
/// untranslated.
fn new_machine(endpoints: &[EndpointConfig]) -> Result<Arc<Machine<AmdVi>>> {
    let last = u32::try_from(endpoints.len())?.saturating_sub(1);
    let [_, alias] = device::names(last)?;
    let machine = Machine::new(|entries| {
        let words = (alias as usize + 1) * dte::WORDS as usize;
        Ok(AmdVi {
            device_table: entries.alloc(words, 0)?,
            devices: alias + 1,
            fetch_unit: dte::WORDS,
            glx_max: GLX_MAX,
            host_range_drops_guest: true,
            in_order: true,
            alias_bits: device::ALIAS,
        })
    });
    Arc::pin_init(machine, GFP_KERNEL)
}

/// The levels of a GCR3 table for so many PASIDs, less one.
fn glx(max_pasids: u32) -> Result<u32> {
    match max_pasids {
        0..=0x200 => Ok(0),
        0x201..=0x4_0000 => Ok(1),
        0x4_0001..=0x10_0000 => Ok(2),
        _ => Err(EINVAL),
    }
}

fn new_device(
    iommu: &Arc<Iommu>,
    number: u32,
    identity: u16,
    config: &EndpointConfig,
) -> Result<Arc<Device>> {
    let glx = glx(config.max_pasids)?;
    let gcr3 = iommu.machine.alloc(GCR3_ENTRIES, 0)?;
    let wiring = Wiring {
        names: device::names(number)?,
        max_pasids: config.max_pasids,
        ats: config.resettable,
        domain: iommu.take_id()?,
        identity,
        gcr3,
        glx,
        gcr3_0: iommu.gcr3_slot(gcr3, glx, 0)?,
        // A bit less than the levels cover, as the highest one is a sign where there is a PASID.
        levels: match config.bits {
            0..=47 => 4,
            _ => 5,
        },
    };
    let mut former = None;
    if config.deferred {
        let space = Arc::new(AmdSpace::new_former(iommu, FORMER_KERNEL)?, GFP_KERNEL)?;
        let host = space.users().lock().host;
        let entry = wiring.entry(&Target::Paging(space.clone()), host, None);
        for device in wiring.names {
            iommu.store_low(device, &entry);
        }
        former = Some(space);
    }
    Arc::pin_init(Device::new(wiring, former), GFP_KERNEL)
}

impl AmdUnit {
    fn device(&self, endpoint: u32) -> Result<&Arc<Device>> {
        let at = usize::try_from(endpoint)?;
        self.devices.get(at).ok_or(ENODEV)
    }

    fn attach_rid(
        &self,
        device: &Arc<Device>,
        books: &mut Books,
        to: &Target<AmdSpace>,
    ) -> Result<(), AttachError> {
        match (&books.rid, to) {
            (Some(Target::Identity), Target::Identity) => return Ok(()),
            (Some(Target::Paging(from)), Target::Paging(to)) if Arc::ptr_eq(from, to) => {
                return Ok(());
            }
            _ => (),
        }
        if let Target::Paging(space) = to {
            space.reserve(device, None)?;
        }
        let go = Move {
            device,
            from: books.rid.as_ref(),
            named: books.named.as_ref(),
            to,
            pasids: books.pasid_levels(),
        };
        (self.iommu.protocol.attach)(&self.iommu, &go);
        books.set_rid(to);
        Ok(())
    }

    fn attach_pasid(
        &self,
        device: &Arc<Device>,
        books: &mut Books,
        pasid: u32,
        to: Option<&Arc<AmdSpace>>,
    ) -> Result<(), AttachError> {
        let from = books.pasid(pasid).cloned();
        let same = match (&from, to) {
            (Some(from), Some(to)) => Arc::ptr_eq(from, to),
            (None, None) => true,
            _ => false,
        };
        if same {
            return Ok(());
        }
        let wiring = &device.wiring;
        let slot = self.iommu.gcr3_slot(wiring.gcr3, wiring.glx, pasid)?;
        if let Some(to) = to {
            books.pasids.reserve(1, GFP_KERNEL)?;
            to.reserve(device, Some(pasid))?;
        }
        let before = books.pasid_levels();
        books.pasids.retain(|(number, _)| *number != pasid);
        if let Some(to) = to {
            // There is room.
            let _ = books.pasids.push_within_capacity((pasid, to.clone()));
        }
        // Without a page table of its own, DMA without PASID goes by an entry that says whether
        // there are PASIDs.
        let rid = books.rid.as_ref();
        let fixed = rid.filter(|rid| !matches!(rid, Target::Paging(_)));
        let entry = |pasids| fixed.map(|rid| wiring.entry(rid, None, pasids));
        let after = entry(books.pasid_levels());
        let go = PasidMove {
            device,
            pasid,
            slot,
            from: from.as_deref(),
            to: to.map(|to| &**to),
            entry: after.filter(|_| entry(before) != after),
        };
        (self.iommu.protocol.set_pasid)(&self.iommu, &go);
        Ok(())
    }

    /// Makes an empty guest page table of 4 or 5 levels, whatever an endpoint would have.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new_guest_space(&self, levels: u32) -> Result<Arc<AmdSpace>> {
        let space = AmdSpace::new_guest(&self.iommu, levels)?;
        Ok(Arc::new(space, GFP_KERNEL)?)
    }

    /// Makes an empty page table of a guest that is nested in a host page table, with the entry
    /// that the guest writes, but for the pointer to its GCR3 table. Mapping in it is what the
    /// guest does, and flushing what it asks for.
    ///
    /// # Errors
    ///
    /// EINVAL for a parent or an entry that cannot be, ENOSPC without a DomainID, ENOMEM.
    pub(crate) fn new_nested(&self, parent: &Arc<AmdSpace>, entry: &Dte) -> Result<Arc<AmdSpace>> {
        if !core::ptr::eq(parent.iommu(), &*self.iommu) {
            return Err(EINVAL);
        }
        let space = AmdSpace::new_nested(parent, entry)?;
        Ok(Arc::new(space, GFP_KERNEL)?)
    }

    fn check_books(
        &self,
        device: &Device,
        books: &Books,
        pasid: Option<u32>,
        to: &Target<AmdSpace>,
    ) -> Result<(), AttachError> {
        let pasids = (self.iommu.protocol.has_pasids)(&device.wiring, books);
        books.check(&device.wiring, pasid, to, pasids)
    }

    /// Writes the part of an entry that is about interrupts, as other code does at any time: word
    /// 2, in one store of 64 bits.
    ///
    /// # Errors
    ///
    /// ENODEV where there is no such endpoint.
    pub(crate) fn interrupt_writer(&self, endpoint: u32, word: u64) -> Result {
        let [device, _] = self.device(endpoint)?.wiring.names;
        self.iommu.store_interrupts(device, word);
        Ok(())
    }
}

impl Drop for AmdUnit {
    fn drop(&mut self) {
        for device in &self.devices {
            device.forget();
        }
    }
}

impl Unit for AmdUnit {
    const NAME: &'static str = "amd";
    const PROTOCOLS: &'static [&'static str] = &[PROTOCOLS[0].name, PROTOCOLS[1].name];
    const PASID: bool = true;
    type Space = AmdSpace;

    fn new(config: &InstanceConfig, endpoints: &[EndpointConfig]) -> Result<Arc<Self>> {
        let protocol = PROTOCOLS.get(config.protocol as usize).ok_or(EINVAL)?;
        let iommu = Iommu::new(new_machine(endpoints)?, protocol);
        let iommu = Arc::pin_init(iommu, GFP_KERNEL)?;
        let identity = iommu.take_id()?;
        let mut devices = KVec::with_capacity(endpoints.len(), GFP_KERNEL)?;
        for (number, endpoint) in (0..).zip(endpoints) {
            let device = new_device(&iommu, number, identity, endpoint)?;
            devices.push(device, GFP_KERNEL)?;
        }
        Ok(Arc::new(Self { iommu, devices }, GFP_KERNEL)?)
    }

    fn new_space(self: &Arc<Self>, endpoint: u32, flags: PagingFlags) -> Result<Arc<AmdSpace>> {
        let wiring = &self.device(endpoint)?.wiring;
        let space = match (flags.pasid, flags.dirty_tracking) {
            (false, _) => AmdSpace::new_host(&self.iommu)?,
            (true, false) => AmdSpace::new_guest(&self.iommu, wiring.levels)?,
            (true, true) => return Err(errno::eopnotsupp()),
        };
        Ok(Arc::new(space, GFP_KERNEL)?)
    }

    fn check(
        &self,
        endpoint: u32,
        pasid: Option<u32>,
        to: &Target<AmdSpace>,
    ) -> Result<(), AttachError> {
        let device = self.device(endpoint)?;
        self.check_books(device, &device.books.lock(), pasid, to)
    }

    fn attach(
        &self,
        endpoint: u32,
        pasid: Option<u32>,
        to: &Target<AmdSpace>,
    ) -> Result<Attached, AttachError> {
        let device = self.device(endpoint)?;
        let mut books = device.books.lock();
        self.check_books(device, &books, pasid, to)?;
        match (pasid, to) {
            (None, _) => self.attach_rid(device, &mut books, to)?,
            (Some(pasid), Target::Paging(space)) => {
                self.attach_pasid(device, &mut books, pasid, Some(space))?;
            }
            (Some(pasid), _) => self.attach_pasid(device, &mut books, pasid, None)?,
        }
        self.iommu.machine.note(Note::Return);
        Ok(Attached::Translating)
    }

    fn release(&self, endpoint: u32, keep: bool) {
        let Ok(device) = self.device(endpoint) else {
            return;
        };
        let mut books = device.books.lock();
        while let Some((pasid, _)) = books.pasids.first() {
            let pasid = *pasid;
            if self.attach_pasid(device, &mut books, pasid, None).is_err() {
                break;
            }
        }
        if !keep {
            // Blocking needs nothing that it could not get.
            let _ = self.attach_rid(device, &mut books, &Target::Blocked);
        }
        self.iommu.machine.note(Note::Return);
    }

    fn marks_dirty(&self) -> bool {
        true
    }

    fn access(&self, endpoint: u32, pasid: Option<u32>, iova: u64, access: Access) -> Reach {
        match self.device(endpoint) {
            Ok(device) => {
                let [from, _] = device.wiring.requesters(pasid);
                self.iommu.machine.access(from, iova, access)
            }
            Err(_) => Reach::Aborted,
        }
    }

    fn seen(&self, endpoint: u32) -> Option<Seen> {
        let device = self.device(endpoint).ok()?;
        let books = device.books.lock();
        let [from, _] = device.wiring.requesters(None);
        Some(match self.iommu.machine.look_up(from) {
            Next::Bypass => Seen::Identity,
            Next::Abort(_) | Next::Fetch(_) => Seen::Blocked,
            Next::Translate(by) => match &books.rid {
                Some(Target::Paging(space)) if space.root() == by.first.root => {
                    Seen::Paging(space.number())
                }
                _ => Seen::Paging(0),
            },
        })
    }

    fn inspect(&self, endpoint: u32) -> Option<(&dyn Inspect, Requester)> {
        let [from, _] = self.device(endpoint).ok()?.wiring.requesters(None);
        Some((&*self.iommu.machine, from))
    }
}

impl Modelled for AmdUnit {
    type Model = AmdVi;

    fn machine(&self) -> &Machine<AmdVi> {
        &self.iommu.machine
    }

    fn requesters(&self, endpoint: u32, pasid: Option<u32>) -> Result<KVec<Requester>> {
        let mut all = KVec::new();
        for from in self.device(endpoint)?.wiring.requesters(pasid) {
            all.push(from, GFP_KERNEL)?;
        }
        Ok(all)
    }
}
