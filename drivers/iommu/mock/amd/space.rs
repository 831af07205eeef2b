// SPDX-License-Identifier: GPL-2.0

//! Page tables: host ones (v1), which grow at the top, with a DomainID of their own; guest ones
//! (v2), which are cached under the DomainID and PASID of each of their users; or those of a guest
//! that are nested in host ones.

mod nested;

use self::nested::Nested;
use super::{
    super::{
        hw::{
            amd::tag,
            frozen::Frozen,
            step::Note,
            Memory, //
        },
        unit::Space, //
    },
    device::Device,
    iommu::{
        Iommu,
        ALL, //
    },
    users::{
        Guest,
        List,
        Users, //
    }, //
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
        Mutex, //
    },
    pgtable::{
        AmdV1,
        PageTable,
        Top,
        User,
        X86FirstStage, //
    },
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

/// Levels that host page tables start with, as in Linux.
const HOST_LEVELS: u32 = 3;

enum Words {
    Host {
        words: Arc<PageTable<AmdV1>>,
        domain: u16,
    },
    Guest {
        words: Arc<PageTable<X86FirstStage>>,
        levels: u32,
    },
    Nested {
        words: Arc<PageTable<X86FirstStage>>,
        nested: Nested,
    },
}

/// See the module.
pub(crate) struct AmdSpace {
    number: u64,
    words: Words,
    /// The words, as the machine knows them.
    memory: Arc<dyn Memory>,
    /// Who uses it; of what is nested, that of its parent, as a guest knows by itself.
    list: Arc<List>,
    iommu: Arc<Iommu>,
    /// Its DomainID is not for others afterwards.
    reserved: bool,
}

/// Does the same with either kind of words.
macro_rules! with_words {
    ($space:expr, $words:ident => $do:expr) => {
        match &$space.words {
            Words::Host { words: $words, .. } => $do,
            Words::Guest { words: $words, .. } => $do,
            Words::Nested { words: $words, .. } => $do,
        }
    };
}

impl AmdSpace {
    /// Makes an empty host page table.
    ///
    /// # Errors
    ///
    /// ENOSPC without a DomainID, ENOMEM.
    pub(super) fn new_host(iommu: &Arc<Iommu>) -> Result<Self> {
        let words = Arc::pin_init(PageTable::<AmdV1>::new(HOST_LEVELS), GFP_KERNEL)?;
        let memory = words.clone();
        let number = next_number();
        let domain = iommu.take_id()?;
        let list = List::new(number, Some((domain, words.top())));
        // From here on the drop gives the DomainID back.
        let space = Self {
            number,
            words: Words::Host { words, domain },
            memory,
            list: list.inspect_err(|_| iommu.give_id(domain))?,
            iommu: iommu.clone(),
            reserved: false,
        };
        let note = Note::Tagged(space.number, tag::host(domain));
        iommu.machine.note(note);
        iommu.machine.add_tables(space.memory.clone())?;
        Ok(space)
    }

    /// Makes an empty guest page table with 4 or 5 levels.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new_guest(iommu: &Arc<Iommu>, levels: u32) -> Result<Self> {
        let words = Arc::pin_init(PageTable::<X86FirstStage>::new(levels), GFP_KERNEL)?;
        let memory = words.clone();
        let number = next_number();
        let space = Self {
            number,
            words: Words::Guest { words, levels },
            memory,
            list: List::new(number, None)?,
            iommu: iommu.clone(),
            reserved: false,
        };
        iommu.machine.add_tables(space.memory.clone())?;
        Ok(space)
    }

    /// Makes the host page table of a former kernel, which maps the first GiB to `to`. Nobody gets
    /// its DomainID afterwards, as in Linux, which does not know what is cached under it.
    ///
    /// # Errors
    ///
    /// ENOSPC, ENOMEM.
    pub(super) fn new_former(iommu: &Arc<Iommu>, to: u64) -> Result<Self> {
        let mut space = Self::new_host(iommu)?;
        space.reserved = true;
        space.map(0, to, 1 << 30, 1, Prot::RW).result?;
        Ok(space)
    }

    /// The DomainID of a host page table.
    pub(super) fn host_domain(&self) -> Option<u16> {
        match &self.words {
            Words::Host { domain, .. } => Some(*domain),
            Words::Guest { .. } | Words::Nested { .. } => None,
        }
    }

    /// Levels of a guest page table.
    pub(super) fn guest_levels(&self) -> Option<u32> {
        match &self.words {
            Words::Guest { levels, .. } => Some(*levels),
            Words::Host { .. } | Words::Nested { .. } => None,
        }
    }

    /// Address of the root of a guest page table.
    pub(super) fn guest_root(&self) -> Option<u64> {
        match &self.words {
            Words::Guest { words, .. } => Some(words.top().root),
            Words::Host { .. } | Words::Nested { .. } => None,
        }
    }

    /// What entries say of a guest that is nested.
    pub(super) fn guest(&self) -> Option<Guest> {
        Some(self.nested()?.guest)
    }

    /// The host page table that a guest is nested in.
    pub(crate) fn parent(&self) -> Option<&Arc<Self>> {
        Some(&self.nested()?.parent)
    }

    fn nested(&self) -> Option<&Nested> {
        match &self.words {
            Words::Nested { nested, .. } => Some(nested),
            Words::Host { .. } | Words::Guest { .. } => None,
        }
    }

    /// Address of the root as it is in memory.
    pub(super) fn root(&self) -> u64 {
        with_words!(self, words => words.top().root)
    }

    /// Its instance.
    pub(super) fn iommu(&self) -> &Iommu {
        &self.iommu
    }

    /// Who uses it.
    pub(super) fn list_of_users(&self) -> &Arc<List> {
        &self.list
    }

    /// Those that use it.
    pub(super) fn users(&self) -> &Mutex<Users> {
        &self.list.users
    }

    /// Makes a place on the list for a user.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn reserve(&self, device: &Arc<Device>, pasid: Option<u32>) -> Result {
        let mut users = self.users().lock();
        users.reserve(device, pasid, self.guest())
    }

    /// Gives a place on the list back, where it was not used.
    pub(super) fn give_place_back(&self, device: &Device) {
        let mut users = self.users().lock();
        users.unlist(device, None, self.guest_number());
    }

    /// Puts a user on the list that has a place there.
    pub(super) fn list(&self, device: &Device, pasid: Option<u32>) {
        let guest = self.guest_number();
        self.list.list(&self.iommu, device, pasid, guest);
    }

    /// Takes a user off the list. `before` is done under the lock of the list, so that the user
    /// gets every flush that others begin before.
    pub(super) fn unlist(&self, device: &Device, pasid: Option<u32>, before: impl FnOnce(&Users)) {
        let guest = self.guest_number();
        self.list.unlist(&self.iommu, device, pasid, guest, before);
    }

    fn guest_number(&self) -> Option<u64> {
        Some(self.guest()?.number)
    }

    /// Has all translations forgotten for all users, and waits.
    pub(super) fn flush_all(&self, users: &Users) {
        self.list.flush(&self.iommu, users, ALL, true);
    }
}

/// A number that no other space has.
fn next_number() -> u64 {
    static NEXT: Atomic<u64> = Atomic::new(1);
    NEXT.fetch_add(1, Relaxed)
}

impl User for AmdSpace {
    fn flush(&self, gather: &Gather) {
        let range = gather.range().unwrap_or(ALL);
        let (iommu, pde) = (&self.iommu, gather.cuts_tables());
        match self.nested() {
            Some(nested) => nested.flush(iommu, range, pde),
            None => self.list.flush(iommu, &self.users().lock(), range, pde),
        }
    }

    fn top_changed(&self, top: Top) {
        let mut users = self.users().lock();
        if let (Words::Host { .. }, Some(host)) = (&self.words, &mut users.host) {
            host.top = top;
        }
        (self.iommu.protocol.change_top)(&self.iommu, self, &users);
    }
}

impl Space for AmdSpace {
    fn number(&self) -> u64 {
        self.number
    }

    fn page_sizes(&self) -> u64 {
        with_words!(self, words => words.page_sizes())
    }

    fn aperture(&self) -> Aperture {
        with_words!(self, words => words.aperture())
    }

    fn map(&self, iova: u64, paddr: u64, page: u64, count: u64, prot: Prot) -> Progress {
        let (mapped, result) =
            with_words!(self, words => words.map(self, iova, paddr, page, count, prot));
        let result = result.map_err(Error::from).and_then(|()| self.back());
        Progress { mapped, result }
    }

    fn unmap(&self, iova: u64, page: u64, count: u64, gather: &mut Gather) -> u64 {
        let size = page.saturating_mul(count);
        with_words!(self, words => words.unmap(iova, size, gather))
    }

    fn iova_to_phys(&self, iova: u64) -> Option<u64> {
        let at = with_words!(self, words => words.iova_to_phys(iova))?;
        match self.parent() {
            Some(parent) => parent.iova_to_phys(at),
            None => Some(at),
        }
    }

    fn sync(&self, gather: &Gather) {
        User::flush(self, gather);
        with_words!(self, words => words.give_back(gather));
    }

    fn forget_all(&self) {
        self.iommu.machine.forget_translations();
    }

    fn give_back(&self, gather: &Gather) {
        with_words!(self, words => words.give_back(gather));
    }

    /// For all that use it and that will.
    fn set_dirty_tracking(&self, enable: bool) -> Result {
        self.host_domain().ok_or_else(errno::eopnotsupp)?;
        let mut users = self.users().lock();
        let host = users.host.as_mut().ok_or_else(errno::eopnotsupp)?;
        if host.dirty != enable {
            host.dirty = enable;
            (self.iommu.protocol.change_dirty)(&self.iommu, self, &users);
        }
        Ok(())
    }

    fn read_and_clear_dirty(
        &self,
        (first, last): (u64, u64),
        keep: bool,
        found: &mut dyn FnMut(u64, u64),
    ) -> Result {
        with_words!(self, words => words.dirty(first, last, !keep, found));
        Ok(())
    }

    fn freeze(&self, into: &mut Frozen) -> Result {
        if let Some(parent) = self.parent() {
            parent.freeze(into)?;
        }
        with_words!(self, words => {
            words.for_each_table(&mut |at, count, read| into.add(at, count, read))
        })
    }
}

impl Drop for AmdSpace {
    fn drop(&mut self) {
        let machine = &self.iommu.machine;
        machine.note(Note::Freed(self.number));
        machine.remove_tables(&self.memory);
        if let Some(nested) = self.nested() {
            nested.leave(&self.iommu);
        }
        if let Some(domain) = self.host_domain().filter(|_| !self.reserved) {
            machine.note(Note::Untagged(tag::host(domain)));
            self.iommu.give_id(domain);
        }
    }
}
