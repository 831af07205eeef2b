// SPDX-License-Identifier: GPL-2.0

//! One endpoint: its entries in the remapping tables, and what the driver knows of it.

use super::{
    super::{
        endpoint::EndpointConfig,
        hw::{
            model::Requester,
            vtd::{
                entry::{
                    directory,
                    pasid,
                    root,
                    scalable,
                    PASIDS, //
                },
                Descriptor,
                Mode,
                Pages,
                RID_PASID, //
            }, //
        },
        unit::Target,
    },
    change::device_tlb,
    dmar::Dmar,
    goal::Goal,
    space::VtdSpace,
};
use crate::kapi::{
    new_mutex,
    Mutex, //
};
use kernel::prelude::*;

/// Words of a table of context entries: 256 of two words, or 128 of four.
const CONTEXT_TABLE: usize = 512;

/// The fewest entries of a PASID directory (PDTS of 0).
const DIRECTORY: u32 = 128;

/// One more than the largest PASID there can be.
const PASID_MAX: u32 = 1 << 20;

/// What the entries of an endpoint say.
pub(super) struct Books {
    /// Without PASID.
    pub(super) rid: Target<VtdSpace>,
    /// The context entry is still that of a former kernel.
    pub(super) copied: bool,
    /// By PASID; none of them is blocked.
    pub(super) pasids: KVec<(u32, Target<VtdSpace>)>,
}

/// See the module.
pub(super) struct Function {
    pub(super) sid: u16,
    /// Address bits it can issue.
    pub(super) bits: u32,
    /// It has a device-TLB.
    pub(super) ats: bool,
    /// Address of its context entry.
    context: u64,
    /// Address of its PASID directory; none in legacy mode.
    directory: Option<u64>,
    /// Entries of that.
    entries: u32,
    pub(super) books: Pin<KBox<Mutex<Books>>>,
}

/// The directory of a former kernel, which leads to one PASID entry, or in legacy mode just what
/// that says.
#[derive(Clone, Copy)]
pub(super) struct Former {
    pub(super) goal: Goal,
    pub(super) directory: Option<u64>,
}

/// Address of the context entry of a function, in a table that is made if there is none
/// (`iommu_context_addr()`).
fn context_entry(dmar: &Dmar, sid: u16) -> Result<u64> {
    let (bus, function) = (u64::from(sid >> 8), u64::from(sid & 0xff));
    let root = dmar.registers().root + bus * u64::from(root::WORDS) * 8;
    let (p, pointer, index, bytes) = match dmar.registers().mode {
        Mode::Legacy => (root::P, root::CTP, function, 16),
        Mode::Scalable if function < 0x80 => (root::LP, root::LCTP, function, 32),
        Mode::Scalable => (root::UP, root::UCTP, function & 0x7f, 32),
    };
    let words = dmar.entry(root);
    let table = match p.get(&words) {
        0 => {
            let table = dmar.machine().alloc(CONTEXT_TABLE, 0)?;
            dmar.set(root, pointer, table >> 12);
            dmar.set(root, p, 1);
            table
        }
        _ => pointer.address(&words),
    };
    Ok(table + index * bytes)
}

/// Makes a PASID directory of so many entries.
fn new_directory(dmar: &Dmar, entries: u32) -> Result<u64> {
    dmar.machine().alloc(entries as usize, 0)
}

/// Address of a PASID entry, in a table that is made if there is none. Entries of a directory are
/// never cleared again (`intel_pasid_get_entry()`).
fn pasid_entry(dmar: &Dmar, directory: u64, number: u32) -> Result<u64> {
    use directory::*;
    let at = directory + u64::from(number / PASIDS) * 8;
    let words = dmar.entry(at);
    let table = match P.get(&words) {
        0 => {
            let table = dmar.machine().alloc((PASIDS * pasid::WORDS) as usize, 0)?;
            dmar.barrier();
            dmar.store(at, &[SMPTBLPTR.place(table >> 12) | P.place(1)]);
            table
        }
        _ => SMPTBLPTR.address(&words),
    };
    let index = u64::from(number & (PASIDS - 1));
    Ok(table + index * u64::from(pasid::WORDS) * 8)
}

impl Former {
    /// Makes the tables of a former kernel.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new(dmar: &Dmar, goal: Goal) -> Result<Self> {
        let directory = match dmar.registers().mode {
            Mode::Legacy => None,
            Mode::Scalable => {
                let directory = new_directory(dmar, DIRECTORY)?;
                let entry = pasid_entry(dmar, directory, RID_PASID)?;
                dmar.store(entry, &goal.pasid_entry());
                Some(directory)
            }
        };
        Ok(Self { goal, directory })
    }
}

impl Function {
    /// Makes the entries of an endpoint as firmware, or a former kernel, leaves them; `rid` is what
    /// they say.
    ///
    /// # Errors
    ///
    /// EINVAL where the tables have no room for it, ENOMEM.
    pub(super) fn new(
        dmar: &Dmar,
        id: usize,
        config: &EndpointConfig,
        rid: Target<VtdSpace>,
        former: Option<Former>,
    ) -> Result<Self> {
        let sid = u16::try_from(id).map_err(|_| EINVAL)?;
        if config.max_pasids > PASID_MAX {
            return Err(EINVAL);
        }
        let context = context_entry(dmar, sid)?;
        let entries = config.max_pasids.div_ceil(PASIDS).next_power_of_two();
        let entries = entries.max(DIRECTORY);
        let ats = config.resettable;
        let goal = former.map_or(Goal::PassThrough, |former| former.goal);
        let directory = match dmar.registers().mode {
            Mode::Legacy => {
                dmar.store(context, &goal.context_entry(ats));
                None
            }
            Mode::Scalable => {
                let own = new_directory(dmar, entries)?;
                // That of requests without PASID must not fail to be had later.
                let rid = pasid_entry(dmar, own, RID_PASID)?;
                let directory = former.and_then(|former| former.directory);
                if directory.is_none() {
                    dmar.store(rid, &goal.pasid_entry());
                }
                let size = if directory.is_none() {
                    entries
                } else {
                    DIRECTORY
                };
                set_context(dmar, context, directory.unwrap_or(own), size, ats);
                Some(own)
            }
        };
        let books = Books {
            rid,
            copied: former.is_some() && directory.is_some(),
            pasids: KVec::new(),
        };
        Ok(Self {
            sid,
            bits: config.bits,
            ats,
            context,
            directory,
            entries,
            books: KBox::pin_init(new_mutex!(books, "Function::books"), GFP_KERNEL)?,
        })
    }

    /// How its DMA arrives.
    pub(super) fn requester(&self, pasid: Option<u32>) -> Requester {
        Requester {
            id: self.sid.into(),
            pasid,
        }
    }

    /// Whether there is an entry for a PASID, or can be.
    pub(super) fn reaches(&self, pasid: u32) -> bool {
        pasid != RID_PASID && pasid / PASIDS < self.entries
    }

    /// Address of the entry that says where DMA goes.
    ///
    /// # Errors
    ///
    /// ENOMEM for a PASID far from those that were in use.
    pub(super) fn entry(&self, dmar: &Dmar, pasid: Option<u32>) -> Result<u64> {
        match self.directory {
            Some(directory) => pasid_entry(dmar, directory, pasid.unwrap_or(RID_PASID)),
            None => Ok(self.context),
        }
    }

    /// Replaces the context entry of a former kernel, whose identifiers and PASIDs are not known,
    /// by one that leads to the endpoint's own PASID directory, in which all is blocked
    /// (`device_pasid_table_setup()`).
    pub(super) fn take_over(&self, dmar: &Dmar) {
        let Some(directory) = self.directory else {
            return;
        };
        let device = Descriptor::ContextDevice {
            did: 0,
            sid: self.sid,
            fm: 0,
        };
        dmar.set(self.context, scalable::P, 0);
        dmar.barrier();
        dmar.invalidate([device]);
        dmar.invalidate([Descriptor::PasidCacheGlobal]);
        dmar.invalidate([Descriptor::IotlbGlobal]);
        if self.ats {
            dmar.invalidate([device_tlb(self.sid, RID_PASID, Pages::ALL)]);
        }
        set_context(dmar, self.context, directory, self.entries, self.ats);
        if dmar.registers().caching_mode {
            dmar.invalidate([device]);
            dmar.invalidate([Descriptor::IotlbDomain { did: 0 }]);
        }
    }
}

/// Makes a context entry lead to a PASID directory of so many entries
/// (`context_entry_set_pasid_table()`).
fn set_context(dmar: &Dmar, at: u64, directory: u64, entries: u32, ats: bool) {
    use scalable::*;
    for address in (at..).step_by(8).take(2) {
        dmar.store(address, &[0]);
    }
    dmar.set(at, PASIDDIRPTR, directory >> 12);
    dmar.set(at, PDTS, u64::from(entries.ilog2()).saturating_sub(7));
    dmar.set(at, super::super::hw::vtd::entry::scalable::RID_PASID, 0);
    if ats {
        dmar.set(at, DTE, 1);
    }
    dmar.set(at, PASIDE, 1);
    dmar.set(at, FPD, 0);
    dmar.barrier();
    dmar.set(at, P, 1);
}

impl Books {
    /// What the entry says that DMA is looked up in.
    pub(super) fn get(&self, pasid: Option<u32>) -> Target<VtdSpace> {
        let Some(pasid) = pasid else {
            return self.rid.clone();
        };
        let entry = self.pasids.iter().find(|(number, _)| *number == pasid);
        entry.map_or(Target::Blocked, |(_, target)| target.clone())
    }

    /// Makes room for [`Self::set`].
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn reserve(&mut self) -> Result {
        Ok(self.pasids.reserve(1, GFP_KERNEL)?)
    }

    /// Notes what the entry says now.
    pub(super) fn set(&mut self, pasid: Option<u32>, target: Target<VtdSpace>) {
        let Some(pasid) = pasid else {
            self.rid = target;
            return;
        };
        self.pasids.retain(|(number, _)| *number != pasid);
        if !matches!(target, Target::Blocked) {
            // There is room: see `reserve`.
            let _ = self.pasids.push_within_capacity((pasid, target));
        }
    }
}
