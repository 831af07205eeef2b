// SPDX-License-Identifier: GPL-2.0

//! Moving a stream, or a SubstreamID of it, from one domain to another (arm_smmu_attach_prepare()
//! to arm_smmu_attach_commit() in Linux).
//!
//! What can fail comes first: the list of the new domain, and room in the books.

use super::{
    super::{
        hw::{
            machine::Machine,
            model::Words,
            smmuv3::Smmuv3,
            step::Note, //
        },
        unit::Target,
    },
    entries::{
        self,
        Abilities, //
    },
    flush,
    protocol::Protocol,
    space::Smmuv3Space,
    stream::Stream, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A stream that is worked on, under the lock of all streams.
pub(super) struct Attach<'a> {
    pub(super) machine: &'a Machine<Smmuv3>,
    pub(super) protocol: &'static Protocol,
    pub(super) stream: &'a mut Stream,
}

/// What an endpoint is no longer on, to be dropped without the lock.
pub(super) type Former = Option<Arc<Smmuv3Space>>;

impl Attach<'_> {
    /// Moves DMA without SubstreamID.
    ///
    /// # Errors
    ///
    /// ENOMEM for a paging domain.
    pub(super) fn rid(&mut self, to: &Target<Smmuv3Space>) -> Result<Former> {
        // Substreams may need ATS, whatever becomes of the rest.
        let wanted = matches!(to, Target::Paging(_)) || self.stream.uses_ssids();
        let can = self.abilities(wanted);
        if let Target::Paging(space) = to {
            self.list(space, None, can)?;
        }
        let former = core::mem::replace(&mut self.stream.rid, to.clone());
        match to {
            Target::Paging(space) if space.is_stage1() => {
                self.write_cd(0, &space.cd())?;
                self.write_cdtable_ste(can)?;
                Ok(self.commit(former, None, can))
            }
            Target::Paging(space) => {
                self.stream.write_ste(self.machine, &space.ste(can))?;
                self.write_cd(0, &Words::default())?;
                Ok(self.commit(former, None, can))
            }
            Target::Blocked | Target::Identity => {
                match (self.stream.uses_ssids(), to) {
                    (true, _) => self.write_cdtable_ste(can)?,
                    (false, Target::Identity) => {
                        let ste = entries::bypass_ste();
                        self.stream.write_ste(self.machine, &ste)?;
                    }
                    (false, _) => self.stream.write_ste(self.machine, &entries::abort_ste())?,
                }
                let former = self.commit(former, None, can);
                self.write_cd(0, &Words::default())?;
                Ok(former)
            }
        }
    }

    /// Moves DMA with a SubstreamID to a domain.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn ssid(&mut self, ssid: u32, to: &Arc<Smmuv3Space>) -> Result<Former> {
        let can = self.abilities(true);
        self.stream.pasids.reserve(1, GFP_KERNEL)?;
        self.list(to, Some(ssid), can)?;
        self.write_cd(ssid, &to.cd())?;
        // Also the first substream leaves the rest of the DMA as it is.
        if !self.stream.cds_in_ste(self.machine)? || self.stream.ats_enabled != can.ats {
            self.write_cdtable_ste(can)?;
        }
        let pasids = &mut self.stream.pasids;
        let former = match pasids.iter_mut().find(|(used, _)| *used == ssid) {
            Some((_, space)) => Target::Paging(core::mem::replace(space, to.clone())),
            None => {
                // There is room.
                let _ = pasids.push_within_capacity((ssid, to.clone()));
                Target::Blocked
            }
        };
        Ok(self.commit(former, Some(ssid), can))
    }

    /// Ends the use of a SubstreamID.
    ///
    /// # Errors
    ///
    /// None, as long as the books are right.
    pub(super) fn clear_ssid(&mut self, ssid: u32) -> Result<Former> {
        let pasids = &mut self.stream.pasids;
        let Some(at) = pasids.iter().position(|(used, _)| *used == ssid) else {
            return Ok(None);
        };
        self.write_cd(ssid, &Words::default())?;
        let (_, former) = self.stream.pasids.remove(at).map_err(|_| EFAULT)?;
        if self.stream.ats_enabled {
            flush::ats(self.machine, self.stream.sid(), Some(ssid));
        }
        self.unlist(&former, Some(ssid));
        if !self.stream.uses_ssids() && !matches!(self.stream.rid, Target::Paging(_)) {
            // The STE needs no CDs any more.
            self.rid(&self.stream.rid.clone())?;
        }
        Ok(Some(former))
    }

    /// Blocks all DMA, but leaves what has no SubstreamID alone where `keep` says so.
    ///
    /// # Errors
    ///
    /// None, as long as the books are right; ENOMEM to keep what is to be dropped later.
    pub(super) fn release(&mut self, keep: bool) -> Result<KVec<Arc<Smmuv3Space>>> {
        let mut former = KVec::new();
        let room = self.stream.pasids.len().saturating_add(1);
        // Without room it is dropped here, which is as good.
        let _ = former.reserve(room, GFP_KERNEL);
        while let Some((ssid, _)) = self.stream.pasids.last() {
            if let Some(space) = self.clear_ssid(*ssid)? {
                let _ = former.push_within_capacity(space);
            }
        }
        if !keep {
            if let Some(space) = self.rid(&Target::Blocked)? {
                let _ = former.push_within_capacity(space);
            }
        }
        Ok(former)
    }

    fn abilities(&self, ats: bool) -> Abilities {
        Abilities {
            ats: ats && self.stream.ats,
            stall: false,
        }
    }

    fn write_cd(&mut self, ssid: u32, to: &Words) -> Result {
        (self.protocol.write_cd)(self.machine, self.stream, ssid, to)
    }

    fn write_cdtable_ste(&mut self, can: Abilities) -> Result {
        let (table, dss) = (self.stream.table(), self.stream.s1dss());
        let ste = entries::cdtable_ste(&table, can, dss);
        self.stream.write_ste(self.machine, &ste)
    }

    /// Makes unmapping in a domain flush for this stream, too.
    fn list(&mut self, space: &Smmuv3Space, ssid: Option<u32>, can: Abilities) -> Result {
        let invs = space.invs_of(self.stream.sid(), ssid, can.ats);
        space.invs().lock().merge(invs.as_slice())?;
        let from = self.stream.requester(ssid);
        for listed in space.listed_with() {
            self.machine.note(Note::Listed(listed, from));
        }
        Ok(())
    }

    /// And no longer. A tag without user is flushed now, as nobody will later.
    fn unlist(&mut self, space: &Smmuv3Space, ssid: Option<u32>) {
        let list = space.invs_of(self.stream.sid(), ssid, self.stream.ats_enabled);
        // The tag is the first of the list. Who else uses it does not change meanwhile, under the
        // lock of all streams.
        let mut tag = list.as_slice().first().copied();
        tag = tag.filter(|tag| space.invs().lock().users(*tag) == 1);
        let flush = || {
            if let Some(tag) = tag {
                flush::tag(self.machine, tag);
            }
        };
        if self.protocol.flush_first {
            flush();
        }
        for inv in list.as_slice() {
            space.invs().lock().unref(*inv);
        }
        let from = self.stream.requester(ssid);
        for listed in space.listed_with() {
            if !self.is_on(listed, ssid) {
                self.machine.note(Note::Unlisted(listed, from));
            }
        }
        if !self.protocol.flush_first {
            flush();
        }
    }

    /// Whether the books list DMA for a space, by its number.
    fn is_on(&self, number: u64, ssid: Option<u32>) -> bool {
        let lists = |space: &Smmuv3Space| space.listed_with().any(|of| of == number);
        match (ssid, &self.stream.rid) {
            (None, Target::Paging(now)) => lists(now),
            (None, _) => false,
            (Some(ssid), _) => {
                let mut used = self.stream.pasids.iter();
                used.any(|(at, now)| *at == ssid && lists(now))
            }
        }
    }

    /// What comes after the entries say where DMA goes now.
    fn commit(&mut self, former: Target<Smmuv3Space>, ssid: Option<u32>, can: Abilities) -> Former {
        let sid = self.stream.sid();
        match (self.stream.ats_enabled, can.ats) {
            (false, false) => (),
            // Old translations must not be used, of the old domain nor of former times.
            (true, true) => flush::ats(self.machine, sid, ssid),
            (false, true) | (true, false) => flush::ats(self.machine, sid, None),
        }
        let Target::Paging(former) = former else {
            self.stream.ats_enabled = can.ats;
            return None;
        };
        self.unlist(&former, ssid);
        self.stream.ats_enabled = can.ats;
        Some(former)
    }
}
