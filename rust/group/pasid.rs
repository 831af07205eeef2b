// SPDX-License-Identifier: GPL-2.0

//! Domains for the PASIDs of a group's devices. Members without PASIDs are skipped everywhere.

use super::{
    defect::Defect,
    handle::Handle,
    member::Member,
    probe::Endpoint,
    state::State,
    warning::Warning, //
};
use crate::{
    iommu::{
        AttachError,
        Domain,
        Pasid, //
    },
    kapi::errno,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What is attached to a PASID.
pub(crate) struct Entry {
    pasid: Pasid,
    pub(super) domain: Arc<Domain>,
    pub(super) handle: Option<Arc<Handle>>,
}

impl Entry {
    /// The PASID.
    pub(crate) fn pasid(&self) -> Pasid {
        self.pasid
    }

    /// Where its DMA goes.
    pub(crate) fn domain(&self) -> &Arc<Domain> {
        &self.domain
    }
}

/// The PASIDs in use, in ascending order.
pub(super) struct PasidTable(KVec<Entry>);

impl PasidTable {
    pub(super) fn new() -> Self {
        Self(KVec::new())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, pasid: Pasid) -> Option<&Entry> {
        self.0.get(self.find(pasid).ok()?)
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.0
    }

    fn find(&self, pasid: Pasid) -> Result<usize, usize> {
        self.0.binary_search_by_key(&pasid, |entry| entry.pasid)
    }

    /// Makes room for one more, so that [`Self::insert`] cannot fail.
    fn reserve(&mut self) -> Result {
        Ok(self.0.reserve(1, GFP_KERNEL)?)
    }

    fn insert(&mut self, entry: Entry) {
        if let Err(at) = self.find(entry.pasid) {
            // Room was reserved.
            if self.0.push_within_capacity(entry).is_ok() {
                if let Some(tail) = self.0.get_mut(at..) {
                    tail.rotate_right(1);
                }
            }
        }
    }

    fn remove(&mut self, pasid: Pasid) {
        if let Ok(at) = self.find(pasid) {
            let _ = self.0.remove(at);
        }
    }
}

impl Endpoint {
    /// Sends what the devices of the group tag with `pasid` to `domain`. Takes the group's mutex.
    ///
    /// # Errors
    ///
    /// ENODEV where the device was released; EOPNOTSUPP where the driver has no PASIDs or cannot
    /// block them; Incompatible for another driver's domain; EBUSY while a member is being reset,
    /// or where the PASID is in use; EINVAL where a member that has PASIDs does not have this one;
    /// ENOMEM; the driver's. Nothing has changed then.
    pub(crate) fn attach_pasid(
        &self,
        domain: &Arc<Domain>,
        pasid: Pasid,
        handle: Option<Arc<Handle>>,
    ) -> Result<(), AttachError> {
        let mut state = self.group().lock();
        state.find(self.device())?;
        self.check_pasid_domain(domain)?;
        if state.recovering() != 0 {
            return Err(AttachError::Failed(EBUSY));
        }
        let lacks = |m: &Member| m.has_pasids() && pasid.get() >= m.device.max_pasids();
        if state.members.iter().any(lacks) {
            return Err(AttachError::Failed(EINVAL));
        }
        if state.pasids.get(pasid).is_some() {
            return Err(AttachError::Failed(EBUSY));
        }
        state.pasids.reserve()?;
        state.set_pasid_all(pasid, domain, None)?;
        state.pasids.insert(Entry {
            pasid,
            domain: domain.clone(),
            handle,
        });
        Ok(())
    }

    /// Sends what is tagged with a PASID in use to another domain. Returns the former handle. Takes
    /// the group's mutex.
    ///
    /// With the domain it is on, only the handle changes.
    ///
    /// # Errors
    ///
    /// As [`Self::attach_pasid`]; EINVAL where the PASID is not in use; EINVAL and a WARN where
    /// `handle` is there already. Domain and handle are the old ones then.
    pub(crate) fn replace_pasid(
        &self,
        domain: &Arc<Domain>,
        pasid: Pasid,
        handle: Arc<Handle>,
    ) -> Result<Option<Arc<Handle>>, AttachError> {
        let mut state = self.group().lock();
        state.find(self.device())?;
        self.check_pasid_domain(domain)?;
        if state.recovering() != 0 {
            return Err(AttachError::Failed(EBUSY));
        }
        let entry = state.pasids.get(pasid).ok_or(EINVAL)?;
        let same = |present: &Arc<Handle>| Arc::ptr_eq(present, &handle);
        if entry.handle.as_ref().is_some_and(same) {
            state.warn(Warning::SameHandle);
            return Err(AttachError::Failed(EINVAL));
        }
        let old = entry.domain.clone();
        if !Arc::ptr_eq(&old, domain) {
            state.set_pasid_all(pasid, domain, Some(&old))?;
        }
        let at = state.pasids.find(pasid).map_err(|_| EINVAL)?;
        let entry = state.pasids.0.get_mut(at).ok_or(EINVAL)?;
        entry.domain = domain.clone();
        Ok(entry.handle.replace(handle))
    }

    /// Ends the use of a PASID on `domain` and returns its handle. Takes the group's mutex.
    ///
    /// Cannot fail; a driver that does draws a WARN for each device. Where the PASID is not on
    /// `domain`, a WARN is all that happens; and nothing at all where the devices have gone.
    pub(crate) fn detach_pasid(&self, domain: &Arc<Domain>, pasid: Pasid) -> Option<Arc<Handle>> {
        let mut state = self.group().lock();
        let there = |entry: &Entry| Arc::ptr_eq(&entry.domain, domain);
        if !state.pasids.get(pasid).is_some_and(there) {
            if !state.members.is_empty() {
                state.warn(Warning::PasidNotAttached);
            }
            return None;
        }
        state.block_pasid(pasid, domain, |member| !member.is_reset());
        let at = state.pasids.find(pasid).ok()?;
        let handle = state.pasids.0.get_mut(at)?.handle.take();
        state.pasids.remove(pasid);
        handle
    }

    fn check_pasid_domain(&self, domain: &Domain) -> Result<(), AttachError> {
        let driver = self.device().driver();
        if !driver.features().pasid || driver.blocked().is_none() {
            return Err(AttachError::Failed(errno::eopnotsupp()));
        }
        if domain.key() != driver.key() {
            return Err(AttachError::Incompatible);
        }
        Ok(())
    }
}

impl State {
    /// The PASIDs in use.
    pub(crate) fn pasid_entries(&self) -> &[Entry] {
        self.pasids.entries()
    }

    /// Moves `pasid` of all members from `old` to `domain`, or of none.
    fn set_pasid_all(
        &mut self,
        pasid: Pasid,
        domain: &Arc<Domain>,
        old: Option<&Arc<Domain>>,
    ) -> Result<(), AttachError> {
        let capable = |m: &&Member| m.has_pasids() && pasid.get() < m.device.max_pasids();
        let set = |m: &Member, to, from| m.device.driver().set_pasid(&m.device, pasid, to, from);

        let mut members = self.members.iter().enumerate();
        let failed = members.find_map(|(index, member)| {
            let member = Some(member).filter(capable)?;
            let error = set(member, domain, old).err()?;
            Some((index, error))
        });
        let Some((failing, error)) = failed else {
            return Ok(());
        };
        if self.seeded.has(Defect::PasidUnwindSkipped) {
            return Err(error);
        }
        let (mut reverts, mut blocks) = (0, 0);
        for member in self.members.iter().take(failing).filter(capable) {
            if let Some(old) = old {
                if set(member, old, Some(domain)).is_ok() {
                    continue;
                }
                reverts += 1;
            }
            let blocked = member.device.driver().blocked();
            if blocked.is_none_or(|blocked| set(member, blocked, Some(domain)).is_err()) {
                blocks += 1;
            }
        }
        self.warn_times(Warning::FailedPasidRevert, reverts);
        self.warn_times(Warning::FailedPasidBlock, blocks);
        Err(error)
    }

    /// Blocks `pasid`, which is on `domain`, of the members that `which` names.
    pub(super) fn block_pasid(
        &mut self,
        pasid: Pasid,
        domain: &Arc<Domain>,
        which: impl Fn(&Member) -> bool,
    ) {
        let mut failed = 0;
        for member in &self.members {
            let device = &member.device;
            if !which(member) || pasid.get() >= device.max_pasids() {
                continue;
            }
            let driver = device.driver();
            let blocked = driver.blocked().ok_or(AttachError::Failed(ENODEV));
            let set = |blocked| driver.set_pasid(device, pasid, blocked, Some(domain));
            if blocked.and_then(set).is_err() {
                failed += 1;
            }
        }
        self.warn_times(Warning::FailedPasidBlock, failed);
    }

    pub(super) fn warn_times(&mut self, warning: Warning, times: u32) {
        for _ in 0..times {
            self.warn(warning);
        }
    }
}
