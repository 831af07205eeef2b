// SPDX-License-Identifier: GPL-2.0

//! Page tables that functions are registered with.

use super::{
    super::{
        hw::{
            frozen::Frozen,
            model::Requester,
            s390::iota::{
                Designation,
                Iota, //
            },
            step::Note,
            Memory, //
        },
        unit::Space,
    },
    pci::Pci, //
};
use crate::{
    iommu::{
        Aperture,
        Gather,
        Progress,
        Prot, //
    },
    kapi::{
        new_mutex,
        Mutex, //
    },
    pgtable::{
        Fixed,
        PageTable,
        S390, //
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

/// The page tables of this family.
type Table = PageTable<S390>;

/// A function that is to be flushed.
struct Listed {
    who: Requester,
    /// The last address of its DMA.
    last: u64,
}

/// See the module.
pub(crate) struct S390Space {
    number: u64,
    pci: Arc<Pci>,
    table: Arc<Table>,
    /// The same, as hardware knows it.
    memory: Arc<dyn Memory>,
    designation: Designation,
    /// Functions to flush. Has room for all there are.
    functions: Pin<KBox<Mutex<KVec<Listed>>>>,
}

impl S390Space {
    /// Makes an empty table for functions that reach `bits` address bits, and tells the hardware of
    /// it. Like `s390_domain_alloc_paging()`, as the least table that covers them and that the
    /// functions support.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new(pci: &Arc<Pci>, bits: u32) -> Result<Self> {
        static NEXT: Atomic<u64> = Atomic::new(1);
        let dtsm = pci.machine().model().dtsm;
        let fits = |dt: &Designation| {
            *dt != Designation::Segment && dtsm & dt.bit() != 0 && dt.address_bits() >= bits
        };
        let designation = Designation::ALL.into_iter().find(fits);
        let designation = designation.unwrap_or(Designation::RegionThird);
        // A page table and a segment table, and a region table for each number.
        let levels = designation as u32 + 2;
        let table = Arc::pin_init(Table::new(levels), GFP_KERNEL)?;
        let functions = KVec::with_capacity(pci.functions(), GFP_KERNEL)?;
        let functions = new_mutex!(functions, "S390Space::functions");
        let this = Self {
            number: NEXT.fetch_add(1, Relaxed),
            pci: pci.clone(),
            memory: table.clone(),
            table,
            designation,
            functions: KBox::pin_init(functions, GFP_KERNEL)?,
        };
        pci.machine().add_tables(this.memory.clone())?;
        Ok(this)
    }

    /// What kind of table is on top.
    pub(super) fn designation(&self) -> Designation {
        self.designation
    }

    /// Where that is.
    pub(super) fn root(&self) -> u64 {
        self.table.top().root
    }

    /// What a function is registered with.
    pub(super) fn iota(&self) -> Iota {
        Iota::table(self.root(), self.designation)
    }

    /// Flushes for a function from now on, up to the last address of its DMA.
    pub(super) fn list(&self, who: Requester, last: u64) {
        let mut functions = self.functions.lock();
        if functions.iter().any(|listed| listed.who == who) {
            return;
        }
        // There is room for all.
        let _ = functions.push_within_capacity(Listed { who, last });
        let note = Note::Listed(self.number, who);
        self.pci.machine().note(note);
    }

    /// No longer does.
    pub(super) fn unlist(&self, who: Requester) {
        let mut functions = self.functions.lock();
        let Some(at) = functions.iter().position(|listed| listed.who == who) else {
            return;
        };
        let _ = functions.remove(at);
        let note = Note::Unlisted(self.number, who);
        self.pci.machine().note(note);
    }

    /// Refreshes translations of a function.
    ///
    /// # Errors
    ///
    /// ENOMEM, EIO.
    pub(super) fn refresh(&self, handle: u32, first: u64, last: u64) -> Result {
        self.pci.refresh(handle, first, last, &*self.table)
    }
}

impl Space for S390Space {
    fn number(&self) -> u64 {
        self.number
    }

    fn page_sizes(&self) -> u64 {
        self.table.page_sizes()
    }

    fn aperture(&self) -> Aperture {
        self.table.aperture()
    }

    fn map(&self, iova: u64, paddr: u64, page: u64, count: u64, prot: Prot) -> Progress {
        let (mapped, result) = self.table.map(&Fixed, iova, paddr, page, count, prot);
        let result = result.map_err(Error::from);
        Progress { mapped, result }
    }

    fn unmap(&self, iova: u64, page: u64, count: u64, gather: &mut Gather) -> u64 {
        self.table.unmap(iova, page.saturating_mul(count), gather)
    }

    fn iova_to_phys(&self, iova: u64) -> Option<u64> {
        self.table.iova_to_phys(iova)
    }

    fn sync(&self, gather: &Gather) {
        if let Some((first, last)) = gather.range() {
            for listed in &*self.functions.lock() {
                // A function for which this fails does no DMA until it is registered anew.
                let _ = self.refresh(listed.who.id, first, last);
            }
        }
        self.pci.machine().note(Note::Return);
        self.give_back(gather);
    }

    fn forget_all(&self) {
        self.pci.machine().forget_translations();
    }

    fn give_back(&self, gather: &Gather) {
        self.table.give_back(gather);
    }

    fn sync_map(&self, iova: u64, size: u64) -> Result {
        let Some(more) = size.checked_sub(1).filter(|_| self.pci.needs_refresh()) else {
            return Ok(());
        };
        let mut result = Ok(());
        for listed in &*self.functions.lock() {
            let mut own = self.refresh(listed.who.id, iova, iova.saturating_add(more));
            if own == Err(ENOMEM) {
                // The hypervisor finds out what is no longer mapped, and has mappings for the rest.
                own = self.refresh(listed.who.id, 0, listed.last);
                own?;
            }
            result = match self.pci.keeps_first_error() {
                true => result.and(own),
                false => own,
            };
        }
        result
    }

    fn freeze(&self, into: &mut Frozen) -> Result {
        self.table
            .for_each_table(&mut |at, count, read| into.add(at, count, read))
    }
}

impl Drop for S390Space {
    fn drop(&mut self) {
        let machine = self.pci.machine();
        machine.note(Note::Freed(self.number));
        machine.remove_tables(&self.memory);
    }
}
