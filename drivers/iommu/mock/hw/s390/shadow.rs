// SPDX-License-Identifier: GPL-2.0

//! The shadow that a hypervisor keeps of the page tables of its guest.
//!
//! Hardware walks the shadow only. The hypervisor learns of any change in the guest's tables, also
//! of new mappings, from RPCIT alone. A registration starts with an empty shadow. Each page in it
//! costs the hypervisor one of a limited number of mappings.
//!
//! Source: QEMU's `hw/s390x/s390-pci-inst.c`, and `s390_iommu_iotlb_sync_map()` of
//! [`drivers/iommu/s390-iommu.c`](srctree/drivers/iommu/s390-iommu.c).

use super::{
    super::{
        model::{
            Answer,
            Stage, //
        },
        Memory, //
    },
    instruction::{
        status,
        Rpcit, //
    },
    walk, //
};
use kernel::prelude::*;

/// A page in the shadow.
struct Page {
    handle: u32,
    iova: u64,
    to: u64,
}

/// See the module.
pub(crate) struct Shadow {
    pages: KVVec<Page>,
    /// Most pages it has, of all functions.
    budget: usize,
}

impl Shadow {
    /// An empty one that can have `budget` pages.
    pub(crate) fn new(budget: usize) -> Self {
        Self {
            pages: KVVec::new(),
            budget,
        }
    }

    /// Pages in it.
    pub(crate) fn len(&self) -> usize {
        self.pages.len()
    }

    /// Drops all pages of a function.
    pub(crate) fn clear(&mut self, handle: u32) {
        self.pages.retain(|page| page.handle != handle);
    }

    /// Where an address goes to.
    pub(crate) fn translate(&self, handle: u32, iova: u64) -> Option<u64> {
        let page = self
            .pages
            .iter()
            .find(|page| page.handle == handle && page.iova == iova & !0xfff)?;
        Some(page.to | (iova & 0xfff))
    }

    /// Makes a range what the guest's tables say: drops what is no longer so, then adds what is
    /// missing as long as there are mappings left.
    pub(crate) fn refresh(&mut self, range: Rpcit, memory: &dyn Memory, stage: &Stage) -> Answer {
        let Rpcit {
            handle,
            first,
            last,
        } = range;
        self.pages.retain(|page| {
            page.handle != handle
                || !(first..=last).contains(&page.iova)
                || walk::one(memory, stage, page.iova, &mut |_| ()) == Some(page.to)
        });
        let added = walk::each(memory, stage, first, last, &mut |iova, to| {
            if self.translate(handle, iova).is_some() {
                return Ok(());
            }
            if self.pages.len() >= self.budget {
                return Err(ENOMEM);
            }
            let page = Page { handle, iova, to };
            Ok(self.pages.push(page, GFP_KERNEL)?)
        });
        match added {
            Ok(()) => Answer::DONE,
            Err(_) => Answer::refused(status::INSUF_RES),
        }
    }
}
