// SPDX-License-Identifier: GPL-2.0

//! The books of a stream, and where its entries are (struct arm_smmu_master in Linux).

use super::{
    super::{
        endpoint::EndpointConfig,
        hw::{
            machine::Machine,
            model::{
                Command,
                Requester,
                Words, //
            },
            smmuv3::{
                cd,
                command,
                ste::{
                    self,
                    config,
                    s1dss, //
                },
                Smmuv3, //
            },
        },
        unit::Target,
    },
    entries::CdTable,
    entry_writer::{
        self,
        Place, //
    },
    space::Smmuv3Space,
    used::Ste, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// See the module.
pub(super) struct Stream {
    sid: u32,
    /// One more than the largest SubstreamID; 0 for none.
    ssids: u32,
    s1cdmax: u32,
    /// The table of CDs that is in the STE or would be.
    table: u64,
    /// Another one, without valid CDs, for protocols that need it.
    spare: Option<u64>,
    /// The endpoint is capable of ATS.
    pub(super) ats: bool,
    /// And it is on.
    pub(super) ats_enabled: bool,
    /// Where DMA without SubstreamID goes.
    pub(super) rid: Target<Smmuv3Space>,
    /// Where DMA with a SubstreamID goes.
    pub(super) pasids: KVec<(u32, Arc<Smmuv3Space>)>,
}

impl Stream {
    /// Makes the books of a stream that is passed through, with `tables` tables of CDs.
    ///
    /// # Errors
    ///
    /// EINVAL for more PASIDs than there are, ENOMEM.
    pub(super) fn new(
        machine: &Machine<Smmuv3>,
        sid: u32,
        endpoint: &EndpointConfig,
        tables: usize,
    ) -> Result<Self> {
        if endpoint.max_pasids > 1 << 20 {
            return Err(EINVAL);
        }
        let cds = endpoint.max_pasids.max(1).next_power_of_two();
        let new_table = || machine.alloc((cds as usize).saturating_mul(8), 0);
        Ok(Self {
            sid,
            ssids: endpoint.max_pasids,
            s1cdmax: cds.ilog2(),
            table: new_table()?,
            spare: match tables {
                1 => None,
                _ => Some(new_table()?),
            },
            ats: endpoint.resettable,
            ats_enabled: false,
            rid: Target::Identity,
            pasids: KVec::new(),
        })
    }

    /// Its StreamID.
    pub(super) fn sid(&self) -> u32 {
        self.sid
    }

    /// How its DMA arrives.
    pub(super) fn requester(&self, pasid: Option<u32>) -> Requester {
        let id = self.sid;
        Requester { id, pasid }
    }

    /// The table of CDs.
    pub(super) fn table(&self) -> CdTable {
        CdTable {
            at: self.table,
            s1cdmax: self.s1cdmax.into(),
            s1fmt: 0,
        }
    }

    /// Makes the other table the one that is to be in the STE.
    pub(super) fn swap_tables(&mut self) {
        if let Some(spare) = &mut self.spare {
            core::mem::swap(spare, &mut self.table);
        }
    }

    /// There is a CD for a SubstreamID.
    pub(super) fn has_ssid(&self, ssid: u32) -> bool {
        ssid != 0 && ssid < self.ssids
    }

    /// SubstreamIDs are in use.
    pub(super) fn uses_ssids(&self) -> bool {
        !self.pasids.is_empty()
    }

    /// The STE is one with CDs, or one that can be made so while DMA without SubstreamID goes on.
    pub(super) fn can_have_ssids(&self) -> bool {
        match &self.rid {
            Target::Blocked | Target::Identity => true,
            Target::Paging(space) => space.is_stage1(),
        }
    }

    /// The S1DSS by which DMA without SubstreamID goes where it has to.
    pub(super) fn s1dss(&self) -> u64 {
        match &self.rid {
            Target::Blocked => s1dss::TERMINATE,
            Target::Identity => s1dss::BYPASS,
            Target::Paging(_) => s1dss::SSID0,
        }
    }

    /// Hardware uses the table of CDs.
    ///
    /// # Errors
    ///
    /// EFAULT.
    pub(super) fn cds_in_ste(&self, machine: &Machine<Smmuv3>) -> Result<bool> {
        let ste = self.ste(machine).load()?;
        Ok(ste::CONFIG.get(&ste) == config::S1_TRANS)
    }

    /// All valid CDs, with their SubstreamIDs.
    ///
    /// # Errors
    ///
    /// EFAULT, ENOMEM.
    pub(super) fn valid_cds(&self, machine: &Machine<Smmuv3>) -> Result<KVec<(u32, Words)>> {
        let ssids = Iterator::chain(
            core::iter::once(0),
            self.pasids.iter().map(|(ssid, _)| *ssid),
        );
        let mut cds = KVec::with_capacity(self.pasids.len().saturating_add(1), GFP_KERNEL)?;
        for ssid in ssids {
            let words = self.cd(machine, ssid).load()?;
            if cd::V.is_set(&words) {
                cds.push((ssid, words), GFP_KERNEL)?;
            }
        }
        Ok(cds)
    }

    /// The STE.
    pub(super) fn ste<'a>(&self, machine: &'a Machine<Smmuv3>) -> InMemory<'a> {
        InMemory {
            machine,
            at: machine.model().ste(self.sid),
            forget: command::cfgi_ste(self.sid),
        }
    }

    /// Writes the STE.
    ///
    /// # Errors
    ///
    /// EFAULT.
    pub(super) fn write_ste(&self, machine: &Machine<Smmuv3>, to: &Words) -> Result {
        entry_writer::write::<Ste>(&mut self.ste(machine), to)?;
        // It will be needed soon.
        machine.submit(command::prefetch_config(self.sid));
        Ok(())
    }

    /// A CD.
    pub(super) fn cd<'a>(&self, machine: &'a Machine<Smmuv3>, ssid: u32) -> InMemory<'a> {
        self.cd_of(machine, self.table, ssid)
    }

    /// A CD of the other table.
    pub(super) fn spare_cd<'a>(&self, machine: &'a Machine<Smmuv3>, ssid: u32) -> InMemory<'a> {
        // Without another table its address is that of none.
        self.cd_of(machine, self.spare.unwrap_or(0), ssid)
    }

    fn cd_of<'a>(&self, machine: &'a Machine<Smmuv3>, table: u64, ssid: u32) -> InMemory<'a> {
        let offset = u64::from(ssid).saturating_mul(cd::BYTES);
        InMemory {
            machine,
            at: table.saturating_add(offset),
            forget: command::cfgi_cd(self.sid, ssid),
        }
    }
}

/// An entry, and the command that makes hardware forget it.
pub(super) struct InMemory<'a> {
    machine: &'a Machine<Smmuv3>,
    at: u64,
    forget: Command,
}

impl Place for InMemory<'_> {
    fn load(&self) -> Result<Words> {
        let mut words = Words::default();
        for (at, word) in (self.at..).step_by(8).zip(&mut words) {
            *word = self.machine.load(at)?;
        }
        Ok(words)
    }

    fn store(&mut self, index: usize, word: u64) -> Result {
        let at = self.at.saturating_add(8 * index as u64);
        self.machine.store(at, &[word])
    }

    fn barrier(&mut self) {
        self.machine.barrier();
    }

    fn sync(&mut self) {
        self.machine.submit(self.forget);
        self.machine.wait();
    }
}
