// SPDX-License-Identifier: GPL-2.0

//! What is nested: page tables of a guest on top of a host page table.
//!
//! The guest's part is played here, too. It has a GCR3 table with one entry that is used, all its
//! tables are in memory that the host page table maps 1:1, and what it unmaps it has invalidated
//! itself: hardware takes the commands of guests, and only puts another DomainID into them.

use super::{
    super::{
        super::hw::{
            amd::{
                dte::{
                    self,
                    Dte,
                    GCR3_ADDRESS, //
                },
                tag, //
            },
            step::Note, //
        },
        device::Device,
        iommu::Iommu,
        users::Guest,
    },
    next_number,
    AmdSpace,
    Space as _,
    Words, //
};
use crate::{
    iommu::Prot,
    pgtable::{
        PageTable,
        X86FirstStage, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

const PAGE: u64 = 1 << 12;

/// See the module.
pub(super) struct Nested {
    pub(super) parent: Arc<AmdSpace>,
    pub(super) guest: Guest,
}

/// Says whether the entry of a guest can be had (`validate_gdte_nested()`); and unlike Linux, which
/// takes any, whether its DMA without PASID goes by its page tables.
///
/// # Errors
///
/// EINVAL.
fn validate(entry: &Dte, glx_max: u32) -> Result {
    let translates = [dte::V, dte::TV, dte::GV, dte::GIOV];
    let host = entry.is(dte::MODE) || entry.is(dte::HOST_ROOT);
    let glx = entry.get(dte::GLX) > glx_max.into();
    let mode = entry.get(dte::GUEST_PAGING_MODE) > 1;
    // The GCR3 table is made here.
    let gcr3 = entry.gcr3() != 0;
    match translates.iter().all(|flag| entry.is(*flag)) {
        true if !(host || glx || mode || gcr3) => Ok(()),
        _ => Err(EINVAL),
    }
}

impl Nested {
    /// Lets the host page table map all memory that tables of the guest are in.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn back(&self, words: &PageTable<X86FirstStage>) -> Result {
        words.for_each_table(&mut |at, _, _| self.back_page(at))
    }

    /// Calls `f` for the tables that its GCR3 table consists of, from the top down.
    ///
    /// # Errors
    ///
    /// Those of `f`, EFAULT where there is none.
    fn for_each_gcr3(&self, iommu: &Iommu, f: impl Fn(u64) -> Result) -> Result {
        let mut table = self.guest.entry.gcr3();
        for _ in 0..=self.guest.entry.get(dte::GLX) {
            let below = iommu.machine.load(table)?;
            f(table)?;
            table = below & GCR3_ADDRESS;
        }
        Ok(())
    }

    fn back_page(&self, at: u64) -> Result {
        match self.parent.iova_to_phys(at) {
            Some(_) => Ok(()),
            None => self.parent.map(at, at, PAGE, 1, Prot::RW).result,
        }
    }

    /// The guest has translations forgotten, and waits.
    pub(super) fn flush(&self, iommu: &Iommu, range: (u64, u64), pde: bool) {
        iommu.flush_pages(self.guest.domain, Some(0), range, pde);
        iommu.wait();
    }

    /// The guest is gone (`nested_domain_free()`).
    pub(super) fn leave(&self, iommu: &Iommu) {
        // Some may never have been made.
        let _ = self.for_each_gcr3(iommu, |table| {
            iommu.machine.free(table);
            Ok(())
        });
        let domain = self.guest.domain;
        if self.parent.users().lock().unmap_domain(domain) {
            iommu.machine.note(Note::Untagged(tag::guest(domain, 0)));
            iommu.give_id(domain);
        }
    }
}

impl AmdSpace {
    /// Makes an empty page table that is nested in a host page table, as the entry of a guest says,
    /// but for the pointer to its GCR3 table (`amd_iommu_alloc_domain_nested()`).
    ///
    /// # Errors
    ///
    /// EINVAL for a parent or an entry that cannot be, ENOSPC without a DomainID, ENOMEM.
    pub(in super::super) fn new_nested(parent: &Arc<Self>, entry: &Dte) -> Result<Self> {
        let iommu = &parent.iommu;
        validate(entry, iommu.machine.model().glx_max)?;
        parent.host_domain().ok_or(EINVAL)?;
        // CAST: Both fields are small.
        let (mode, glx) = (
            entry.get(dte::GUEST_PAGING_MODE) as u32,
            entry.get(dte::GLX) as u32,
        );
        let words = Arc::pin_init(PageTable::<X86FirstStage>::new(mode + 4), GFP_KERNEL)?;
        let memory = words.clone();
        let number = next_number();
        let list = parent.list.clone();
        let gcr3 = iommu.machine.alloc(dte::GCR3_ENTRIES, 0)?;
        // CAST: The field has 16 bits.
        let guests = entry.get(dte::DOMAIN_ID) as u16;
        let mapped = list.users.lock().map_domain(guests, || iommu.take_id());
        let (domain, new) = mapped.inspect_err(|_| iommu.machine.free(gcr3))?;
        if new {
            let note = Note::Tagged(number, tag::guest(domain, 0));
            iommu.machine.note(note);
        }
        let nested = Nested {
            parent: parent.clone(),
            guest: Guest {
                number,
                entry: entry.with_gcr3(gcr3),
                domain,
            },
        };
        // From here on the drop gives all back.
        let space = Self {
            number,
            words: Words::Nested {
                words: words.clone(),
                nested,
            },
            memory,
            list,
            iommu: iommu.clone(),
            reserved: false,
        };
        iommu.machine.add_tables(space.memory.clone())?;
        let slot = iommu.gcr3_slot(gcr3, glx, 0)?;
        iommu.store_gcr3(slot, Some(words.top().root));
        if let Some(nested) = space.nested() {
            nested.for_each_gcr3(iommu, |table| nested.back_page(table))?;
        }
        space.back()?;
        Ok(space)
    }

    /// Notes whether its parent waits for what it has flushed, for who comes without being listed.
    pub(in super::super) fn note_if_waited_for(&self, device: &Device) {
        if self.users().lock().listed().next().is_some() {
            let wiring = &device.wiring;
            self.iommu.note_listed(self.number, wiring, None, true);
        }
    }

    /// Has the host page table map what a guest has in memory.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn back(&self) -> Result {
        match &self.words {
            Words::Nested { words, nested } => nested.back(words),
            Words::Host { .. } | Words::Guest { .. } => Ok(()),
        }
    }
}
