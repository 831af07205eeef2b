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
use kernel::{
    prelude::*,
    rbtree::RBTree, //
};

/// What an RPCIT costs, in nanoseconds of a time that nobody waits for. All of them are carried out
/// one after the other, whoever issues them.
///
/// Nobody has published such prices. What is known is that each is a trap, that it costs in
/// proportion to what is mapped in its range, and that a guest which saves nearly half of them does
/// about twice the work.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Price {
    /// Out of the guest and into it again.
    pub(crate) trap: u64,
    /// To look at a page of the range that is mapped.
    pub(crate) look: u64,
    /// To pin and map one that is new.
    pub(crate) pin: u64,
    /// To unmap and unpin one that is gone.
    pub(crate) unpin: u64,
    /// To flush the IOTLB of the host, where any is gone.
    pub(crate) flush: u64,
}

/// See the module.
pub(crate) struct Shadow {
    /// Function and IOVA to where it goes.
    pages: RBTree<(u32, u64), u64>,
    /// How many.
    count: usize,
    /// Most pages it has, of all functions.
    budget: usize,
    price: Price,
    spent: u64,
}

impl Shadow {
    /// An empty one that can have `budget` pages.
    pub(crate) fn new(budget: usize, price: Price) -> Self {
        Self {
            pages: RBTree::new(),
            count: 0,
            budget,
            price,
            spent: 0,
        }
    }

    /// Pages in it.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Nanoseconds spent so far.
    pub(crate) fn spent(&self) -> u64 {
        self.spent
    }

    /// Drops all pages of a function.
    pub(crate) fn clear(&mut self, handle: u32) {
        self.drop_pages(handle, 0, u64::MAX, |_, _| false);
    }

    /// Where an address goes to.
    pub(crate) fn translate(&self, handle: u32, iova: u64) -> Option<u64> {
        let to = self.pages.get(&(handle, iova & !0xfff))?;
        Some(to | (iova & 0xfff))
    }

    /// Makes a range what the guest's tables say: drops what is no longer so, then adds what is
    /// missing as long as there are mappings left.
    pub(crate) fn refresh(&mut self, range: Rpcit, memory: &dyn Memory, stage: &Stage) -> Answer {
        let Rpcit {
            handle,
            first,
            last,
        } = range;
        let dropped = self.drop_pages(handle, first, last, |iova, to| {
            walk::one(memory, stage, iova, &mut |_| ()) == Some(to)
        });
        let (mut looked, before) = (0, self.count);
        let added = walk::each(memory, stage, first, last, &mut |iova, to| {
            looked += 1;
            if self.translate(handle, iova).is_some() {
                return Ok(());
            }
            if self.count >= self.budget {
                return Err(ENOMEM);
            }
            self.pages
                .try_create_and_insert((handle, iova), to, GFP_KERNEL)?;
            self.count += 1;
            Ok(())
        });
        let Price {
            trap,
            look,
            pin,
            unpin,
            flush,
        } = self.price;
        let new = (self.count - before) as u64;
        let parts = [
            trap,
            look.saturating_mul(looked),
            pin.saturating_mul(new),
            unpin.saturating_mul(dropped),
            flush.saturating_mul(dropped.min(1)),
        ];
        self.spent = parts.into_iter().fold(self.spent, u64::saturating_add);
        match added {
            Ok(()) => Answer::DONE,
            Err(_) => Answer::refused(status::INSUF_RES),
        }
    }

    /// Drops the pages of a range that are not to be kept, and says how many.
    fn drop_pages(
        &mut self,
        handle: u32,
        first: u64,
        last: u64,
        keep: impl Fn(u64, u64) -> bool,
    ) -> u64 {
        let before = self.count;
        let mut next = self.pages.cursor_lower_bound_mut(&(handle, first));
        while let Some(cursor) = next {
            let (&(owner, iova), &to) = cursor.current();
            // Behind the last one comes the one before it.
            if owner != handle || !(first..=last).contains(&iova) {
                break;
            }
            if keep(iova, to) {
                next = cursor.move_next();
            } else {
                next = cursor.remove_current().0;
                self.count -= 1;
            }
        }
        (before - self.count) as u64
    }
}
