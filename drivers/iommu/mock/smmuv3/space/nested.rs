// SPDX-License-Identifier: GPL-2.0

//! What is nested: a guest's stage 1 on top of a stage 2.
//!
//! The guest's part is played here, too: it has a table of CDs with one CD, its page tables are in
//! memory that stage 2 maps 1:1, and it has invalidations of its own sent for what it unmaps: those
//! of the TLB, then ATS.

use super::{
    super::{
        super::hw::{
            machine::Machine,
            model::Words,
            smmuv3::{
                command::{
                    self,
                    op, //
                },
                ste::s1dss,
                Smmuv3, //
            },
        },
        entries::{
            self,
            Abilities,
            CdTable, //
        },
        flush,
    },
    Smmuv3Space,
    Space as _,
    Stage, //
};
use crate::{
    iommu::Prot,
    pgtable::{
        Armv8Stage1,
        PageTable, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

const PAGE: u64 = 1 << 12;

/// See the module.
pub(super) struct Guest {
    parent: Arc<Smmuv3Space>,
    cds: u64,
}

impl Guest {
    /// The stage 2.
    pub(super) fn parent(&self) -> &Smmuv3Space {
        &self.parent
    }

    /// Its VMID.
    pub(super) fn vmid(&self) -> u16 {
        self.parent.id.get()
    }

    /// The STE of whoever is on it.
    pub(super) fn ste(&self, can: Abilities) -> Words {
        let table = CdTable {
            at: self.cds,
            s1cdmax: 0,
            s1fmt: 0,
        };
        entries::nested_ste(&table, s1dss::SSID0, &self.parent.as_stage2(), can)
    }

    /// Lets stage 2 map all memory that page tables of the guest are in.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn back(&self, tables: &PageTable<Armv8Stage1>) -> Result {
        tables.for_each_table(&mut |at, _, _| {
            match self.parent.iova_to_phys(at) {
                Some(_) => Ok(()),
                None => self.parent.map(at, at, PAGE, 1, Prot::RW).result, //
            }
        })
    }

    /// What the guest has invalidated.
    pub(super) fn flush(&self, machine: &Machine<Smmuv3>, asid: u16, range: flush::Range) {
        machine.barrier();
        flush::guest(machine, self.vmid(), asid, range);
        machine.wait();
        flush::kept(machine, self.parent.invs().lock().all());
    }

    /// The guest gives an ASID up.
    pub(super) fn leave(&self, machine: &Machine<Smmuv3>, asid: u16) {
        machine.submit(command::tlbi(op::TLBI_NH_ASID, self.vmid(), asid));
        machine.wait();
        machine.free(self.cds);
    }
}

impl Smmuv3Space {
    /// Makes an empty stage 1 table that is nested in a stage 2.
    ///
    /// # Errors
    ///
    /// EINVAL where `parent` is no parent, ENOSPC without an ASID, ENOMEM.
    pub(in super::super) fn nested(parent: &Arc<Self>) -> Result<Arc<Self>> {
        let id = parent.guest.as_ref().ok_or(EINVAL)?.take()?;
        let tables = Arc::pin_init(PageTable::new(4), GFP_KERNEL)?;
        let cds = parent.machine.alloc(8, 0)?;
        let guest = Guest {
            parent: parent.clone(),
            cds,
        };
        guest.back(&tables)?;
        let (memory, stage) = (tables.clone(), Stage::Nested(tables, guest));
        let space = Self::new(&parent.machine, stage, memory, id, None)?;
        parent.machine.store(cds, &space.cd())?;
        Ok(space)
    }
}
