// SPDX-License-Identifier: GPL-2.0

//! Page tables: host ones (v1), which grow at the top, with a DomainID of their own; or guest ones
//! (v2), which are cached under the DomainID and PASID of each of their users.

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
    users::Users, //
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
}

/// See the module.
pub(crate) struct AmdSpace {
    number: u64,
    words: Words,
    /// The words, as the machine knows them.
    memory: Arc<dyn Memory>,
    users: Pin<KBox<Mutex<Users>>>,
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
        let top = words.top();
        let users = new_mutex!(Users::new(Some(top)), "amd::AmdSpace::users");
        let users = KBox::pin_init(users, GFP_KERNEL)?;
        let domain = iommu.take_id()?;
        // From here on the drop gives the DomainID back.
        let space = Self {
            number: next_number(),
            words: Words::Host { words, domain },
            memory,
            users,
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
        let users = new_mutex!(Users::new(None), "amd::AmdSpace::users");
        let space = Self {
            number: next_number(),
            words: Words::Guest { words, levels },
            memory,
            users: KBox::pin_init(users, GFP_KERNEL)?,
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
            Words::Guest { .. } => None,
        }
    }

    /// Levels of a guest page table.
    pub(super) fn guest_levels(&self) -> Option<u32> {
        match &self.words {
            Words::Host { .. } => None,
            Words::Guest { levels, .. } => Some(*levels),
        }
    }

    /// Address of the root of a guest page table.
    pub(super) fn guest_root(&self) -> Option<u64> {
        match &self.words {
            Words::Host { .. } => None,
            Words::Guest { words, .. } => Some(words.top().root),
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

    /// Those that use it.
    pub(super) fn users(&self) -> &Mutex<Users> {
        &self.users
    }

    /// Puts a user on the list that has a place there.
    pub(super) fn list(&self, device: &Device, pasid: Option<u32>) {
        self.users.lock().list(device, pasid);
        let wiring = &device.wiring;
        self.iommu.note_listed(self, wiring, pasid, true);
    }

    /// Takes a user off the list. `before` is done under the lock of the list, so that the user
    /// gets every flush that others begin before.
    pub(super) fn unlist(&self, device: &Device, pasid: Option<u32>, before: impl FnOnce(&Users)) {
        let mut users = self.users.lock();
        before(&users);
        users.unlist(device, pasid);
        let wiring = &device.wiring;
        self.iommu.note_listed(self, wiring, pasid, false);
    }

    /// Has a range of translations forgotten for all users, behind that what they keep themselves,
    /// and waits. `__domain_flush_pages()`.
    pub(super) fn flush(&self, users: &Users, range: (u64, u64), pde: bool) {
        if users.listed().next().is_none() {
            return;
        }
        match &self.words {
            Words::Host { domain, .. } => self.iommu.flush_pages(*domain, None, range, pde),
            Words::Guest { .. } => {
                for user in users.listed() {
                    let pasid = Some(user.pasid.unwrap_or(0));
                    let domain = user.wiring().domain;
                    self.iommu.flush_pages(domain, pasid, range, pde);
                }
            }
        }
        for user in users.listed() {
            let guest = self.guest_levels().is_some();
            let pasid = guest.then_some(user.pasid.unwrap_or(0));
            self.iommu.flush_kept(user.wiring(), pasid, range);
        }
        self.iommu.wait();
    }

    /// Has all translations forgotten for all users, and waits.
    pub(super) fn flush_all(&self, users: &Users) {
        self.flush(users, ALL, true);
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
        AmdSpace::flush(self, &self.users.lock(), range, gather.cuts_tables());
    }

    fn top_changed(&self, top: Top) {
        let mut users = self.users.lock();
        if let Some(host) = &mut users.host {
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
        let result = result.map_err(Error::from);
        Progress { mapped, result }
    }

    fn unmap(&self, iova: u64, page: u64, count: u64, gather: &mut Gather) -> u64 {
        let size = page.saturating_mul(count);
        with_words!(self, words => words.unmap(iova, size, gather))
    }

    fn iova_to_phys(&self, iova: u64) -> Option<u64> {
        with_words!(self, words => words.iova_to_phys(iova))
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
        let mut users = self.users.lock();
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
        if let Some(domain) = self.host_domain().filter(|_| !self.reserved) {
            machine.note(Note::Untagged(tag::host(domain)));
            self.iommu.give_id(domain);
        }
    }
}
