// SPDX-License-Identifier: GPL-2.0

//! Address spaces: page tables, and the list of cache tags that an unmap has to flush.

mod tag;

pub(super) use tag::Cached;

use self::tag::{
    CacheTag,
    TAGS, //
};
use super::{
    super::{
        hw::{
            frozen::Frozen,
            step::Note,
            vtd::Key,
            Memory, //
        },
        unit::Space,
    },
    dmar::Dmar,
    goal::{
        Goal,
        Through, //
    },
    tables::Tables,
};
use crate::{
    iommu::{
        Aperture,
        Gather,
        Progress,
        Prot, //
    },
    kapi::{
        errno,
        new_mutex,
        Mutex, //
    },
    pgtable::User,
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

#[derive(Default)]
struct List {
    tags: KVec<CacheTag>,
    /// Attachments that there is room for, [`TAGS`] each.
    promised: usize,
    /// Each entry that leads here.
    entries: KVec<Entry>,
    /// Hardware marks what is written.
    marks: bool,
}

/// An entry that leads to a space.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// Its address.
    pub(super) at: u64,
    /// The PASID that it is for.
    pub(super) pasid: u32,
    /// Source id of the endpoint, if it has a device-TLB.
    pub(super) device: Option<u16>,
}

/// See the module.
pub(crate) struct VtdSpace {
    number: u64,
    dmar: Arc<Dmar>,
    tables: Tables,
    memory: Arc<dyn Memory>,
    list: Pin<KBox<Mutex<List>>>,
}

impl VtdSpace {
    /// Makes one of these tables, and lets hardware walk them.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new(dmar: &Arc<Dmar>, tables: Tables) -> Result<Arc<Self>> {
        static NEXT: Atomic<u64> = Atomic::new(1);
        let memory = tables.memory();
        let list = new_mutex!(List::default(), "VtdSpace::list");
        let space = Self {
            number: NEXT.fetch_add(1, Relaxed),
            dmar: dmar.clone(),
            tables,
            list: KBox::pin_init(list, GFP_KERNEL)?,
            memory: memory.clone(),
        };
        dmar.machine().add_tables(memory)?;
        Ok(Arc::new(space, GFP_KERNEL)?)
    }

    pub(super) fn is_of(&self, dmar: &Arc<Dmar>) -> bool {
        Arc::ptr_eq(&self.dmar, dmar)
    }

    pub(super) fn tables(&self) -> &Tables {
        &self.tables
    }

    pub(super) fn through(&self) -> Through {
        self.tables.through()
    }

    /// Whether the IOTLB is keyed by PASIDs.
    fn has_first_stage(&self) -> bool {
        !matches!(&self.tables, Tables::Second(_))
    }

    fn parent(&self) -> Option<&VtdSpace> {
        match &self.tables {
            Tables::Nested { parent, .. } => Some(parent),
            Tables::First(_) | Tables::Second(_) => None,
        }
    }

    /// The spaces whose unmapping an attachment of this one concerns: itself and its parent.
    pub(super) fn concerned(&self) -> impl Iterator<Item = &VtdSpace> {
        Iterator::chain(core::iter::once(self), self.parent())
    }

    /// What keys the IOTLB for an identifier and a PASID.
    pub(super) fn key(&self, did: u16, pasid: u32) -> Key {
        match &self.tables {
            Tables::First(_) => Key::First { did, pasid },
            Tables::Second(_) => Key::Second { did },
            Tables::Nested { .. } => Key::Nested { did, pasid },
        }
    }

    /// The PASID as far as it matters to [`Self::key`].
    fn keyed_pasid(&self, pasid: u32) -> u32 {
        match self.has_first_stage() {
            true => pasid,
            false => 0,
        }
    }

    /// Gets ready for an attachment under a PASID, which cannot fail from then on, and returns what
    /// its entry is to say. [`Self::put`] undoes it.
    ///
    /// # Errors
    ///
    /// ENOSPC without an identifier, ENOMEM.
    pub(super) fn hold(&self, pasid: u32) -> Result<Goal> {
        self.promise()?;
        if let Some(parent) = self.parent() {
            parent.promise().inspect_err(|_| self.unpromise())?;
        }
        let mut dids = self.dmar.dids.lock();
        let held = dids.hold(self.number, self.keyed_pasid(pasid));
        if let Ok((did, true)) = held {
            let tag = self.key(did, pasid).tag();
            self.dmar.note(Note::Tagged(self.number, tag));
        }
        drop(dids);
        let (did, _) = held.inspect_err(|_| self.withdraw())?;
        Ok(Goal::Translate {
            did,
            through: self.through(),
            marks: self.marks(),
        })
    }

    /// Ends an attachment under a PASID. Nothing is cached of it.
    pub(super) fn put(&self, pasid: u32) {
        let mut dids = self.dmar.dids.lock();
        if let Some(did) = dids.put(self.number, self.keyed_pasid(pasid)) {
            // Whoever gets it next says so behind this.
            let tag = self.key(did, pasid).tag();
            self.dmar.note(Note::Untagged(tag));
        }
        drop(dids);
        self.withdraw();
    }

    /// The identifier, while the space is attached.
    pub(super) fn did(&self) -> Option<u16> {
        self.dmar.dids.lock().of(self.number)
    }

    /// Whether an entry that leads here, or through here, has what is written marked.
    pub(super) fn marks(&self) -> bool {
        let tables = self.parent().unwrap_or(self);
        let marks = tables.list.lock().marks;
        marks
    }

    /// Notes that an entry leads here.
    pub(super) fn enter(&self, entry: Entry) {
        for space in self.concerned() {
            // There is room: see `promise`.
            let entries = &mut space.list.lock().entries;
            let _ = entries.push_within_capacity(entry);
        }
    }

    /// Undoes [`Self::enter`].
    pub(super) fn leave(&self, at: u64) {
        for space in self.concerned() {
            space.list.lock().entries.retain(|entry| entry.at != at);
        }
    }

    fn promise(&self) -> Result {
        let mut list = self.list.lock();
        let room = list.promised.saturating_add(1).saturating_mul(TAGS);
        let more = room.saturating_sub(list.tags.len());
        list.tags.reserve(more, GFP_KERNEL)?;
        let more = list.promised.saturating_add(1);
        let more = more.saturating_sub(list.entries.len());
        list.entries.reserve(more, GFP_KERNEL)?;
        list.promised = list.promised.saturating_add(1);
        Ok(())
    }

    fn unpromise(&self) {
        let mut list = self.list.lock();
        list.promised = list.promised.saturating_sub(1);
    }

    /// Gives room for an attachment up.
    pub(super) fn withdraw(&self) {
        for space in self.concerned() {
            space.unpromise();
        }
    }

    /// Lets unmapping from now on flush there too (`cache_tag_assign()`).
    pub(super) fn assign(&self, cached: Cached) {
        for space in self.concerned() {
            let mut list = space.list.lock();
            for new in cached.tags(core::ptr::eq(space, self)) {
                match list.tags.iter_mut().find(|tag| tag.is(&new)) {
                    Some(tag) => tag.users = tag.users.saturating_add(1),
                    None => {
                        // There is room: see `promise`.
                        let _ = list.tags.push_within_capacity(new);
                    }
                }
            }
        }
    }

    /// Undoes [`Self::assign`].
    pub(super) fn unassign(&self, cached: Cached) {
        for space in self.concerned() {
            let mut list = space.list.lock();
            for old in cached.tags(core::ptr::eq(space, self)) {
                if let Some(tag) = list.tags.iter_mut().find(|tag| tag.is(&old)) {
                    tag.users = tag.users.saturating_sub(1);
                }
            }
            list.tags.retain(|tag| tag.users != 0);
        }
    }

    /// Flushes what was unmapped under all tags (`cache_tag_flush_range()`): one batch, in which
    /// hardware is trusted to tell device-TLBs behind the IOTLB.
    fn flush_range(&self, range: Option<(u64, u64)>, ih: bool) {
        let pages = tag::pages(range, ih);
        let first_stage = self.has_first_stage();
        let list = self.list.lock();
        let descriptors = list.tags.iter().map(|tag| tag.flush(first_stage, pages));
        self.dmar.invalidate(descriptors);
    }

    /// Flushes what was mapped, which no endpoint can keep yet (`cache_tag_flush_range_np()`).
    fn flush_range_np(&self, range: (u64, u64)) {
        let pages = tag::pages(Some(range), false);
        let first_stage = self.has_first_stage();
        let list = self.list.lock();
        let in_iotlb = list.tags.iter().filter(|tag| tag.is_in_iotlb());
        let descriptors = in_iotlb.map(|tag| tag.flush(first_stage, pages));
        self.dmar.invalidate(descriptors);
    }
}

impl User for VtdSpace {
    fn flush(&self, gather: &Gather) {
        self.flush_range(gather.range(), !gather.cuts_tables());
    }
}

impl Space for VtdSpace {
    fn number(&self) -> u64 {
        self.number
    }

    fn page_sizes(&self) -> u64 {
        self.tables.page_sizes()
    }

    fn aperture(&self) -> Aperture {
        self.tables.aperture()
    }

    fn map(&self, iova: u64, paddr: u64, page: u64, count: u64, prot: Prot) -> Progress {
        self.tables.map(self, (iova, paddr), (page, count), prot)
    }

    fn unmap(&self, iova: u64, page: u64, count: u64, gather: &mut Gather) -> u64 {
        self.tables.unmap(iova, page.saturating_mul(count), gather)
    }

    fn iova_to_phys(&self, iova: u64) -> Option<u64> {
        self.tables.iova_to_phys(iova)
    }

    fn sync(&self, gather: &Gather) {
        self.flush(gather);
        self.tables.give_back(gather);
        self.dmar.note(Note::Return);
    }

    fn forget_all(&self) {
        self.dmar.machine().forget_translations();
    }

    fn give_back(&self, gather: &Gather) {
        self.tables.give_back(gather);
    }

    fn sync_map(&self, iova: u64, size: u64) -> Result {
        // Hardware that caches what is not there has to be told of what is there now, except in
        // tables of the first stage.
        if !self.has_first_stage() && self.dmar.registers().caching_mode {
            let last = iova.saturating_add(size.saturating_sub(1));
            self.flush_range_np((iova, last));
        }
        Ok(())
    }

    /// `intel_iommu_set_dirty_tracking()`; what is nested here is included.
    fn set_dirty_tracking(&self, enable: bool) -> Result {
        if self.has_first_stage() {
            return Err(errno::eopnotsupp());
        }
        let changing = self.dmar.changing.lock();
        let mut list = self.list.lock();
        if list.marks != enable {
            list.marks = enable;
            for entry in &list.entries {
                self.dmar.set_marks(entry, enable);
            }
        }
        drop(changing);
        self.dmar.note(Note::Return);
        Ok(())
    }

    fn read_and_clear_dirty(
        &self,
        range: (u64, u64),
        keep: bool,
        found: &mut dyn FnMut(u64, u64),
    ) -> Result {
        self.tables.dirty(range, !keep, found)
    }

    fn freeze(&self, into: &mut Frozen) -> Result {
        self.tables.freeze(into)
    }
}

impl Drop for VtdSpace {
    fn drop(&mut self) {
        self.dmar.note(Note::Freed(self.number));
        self.dmar.machine().remove_tables(&self.memory);
    }
}
