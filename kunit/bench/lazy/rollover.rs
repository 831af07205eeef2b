// SPDX-License-Identifier: GPL-2.0

//! The least flushing there can be: IOVAs in turn out of a bitmap, and one flush when all were
//! used, as s390 had it before it used the common layer.

use super::{
    super::measure::time,
    PAGE, //
};
use crate::iommu::{
    Domain,
    Gather,
    Paging,
    Prot, //
};
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
};

struct Bits {
    /// A bit for each page that is mapped, or was since the last flush.
    used: KVVec<u64>,
    /// A bit for each page that was unmapped since then.
    freed: KVVec<u64>,
    next: u64,
    pages: u64,
}

impl Bits {
    fn word(bits: &mut KVVec<u64>, page: u64) -> Option<(&mut u64, u64)> {
        let word = bits.get_mut(usize::try_from(page / 64).ok()?)?;
        Some((word, 1 << (page & 63)))
    }

    /// The next page that is free before the end.
    fn take(&mut self) -> Option<u64> {
        while self.next < self.pages {
            let page = self.next;
            self.next += 1;
            let (word, bit) = Self::word(&mut self.used, page)?;
            if *word & bit == 0 {
                *word |= bit;
                return Some(page);
            }
        }
        None
    }

    fn roll_over(&mut self) {
        for (used, freed) in self.used.iter_mut().zip(&mut self.freed) {
            *used &= !core::mem::take(freed);
        }
        self.next = 1;
    }
}

/// See the module.
pub(super) struct Rollover {
    domain: Arc<Domain>,
    bits: Pin<KBox<SpinLock<Bits>>>,
}

impl Rollover {
    /// Makes one for a domain, of so many pages.
    pub(super) fn new(domain: Arc<Domain>, pages: u64) -> Result<Self> {
        let words = usize::try_from(pages / 64)?;
        let bits = Bits {
            used: KVVec::from_elem(0, words, GFP_KERNEL)?,
            freed: KVVec::from_elem(0, words, GFP_KERNEL)?,
            next: 1,
            pages,
        };
        Ok(Self {
            domain,
            bits: KBox::pin_init(new_spinlock!(bits, "Rollover::bits"), GFP_KERNEL)?,
        })
    }

    fn map(&self, table: &dyn Paging) -> Result<u64> {
        let page = {
            let mut bits = self.bits.lock();
            match bits.take() {
                Some(page) => page,
                None => {
                    table.sync(&Gather::everything());
                    bits.roll_over();
                    bits.take().ok_or(ENOSPC)?
                }
            }
        };
        let iova = page * PAGE;
        self.domain.map(iova, PAGE, PAGE, Prot::RW)?;
        Ok(iova)
    }

    fn unmap(&self, table: &dyn Paging, iova: u64) {
        let mut gather = Gather::default();
        self.domain.unmap_fast(iova, PAGE, &mut gather);
        table.give_back(&gather);
        let mut bits = self.bits.lock();
        if let Some((word, bit)) = Bits::word(&mut bits.freed, iova / PAGE) {
            *word |= bit;
        }
    }

    /// Nanoseconds of so many times mapping a page and unmapping it.
    pub(super) fn time(&self, times: u32) -> Result<u64> {
        time(|| self.run(times))
    }

    /// Maps a page and unmaps it, so many times.
    pub(super) fn run(&self, times: u32) -> Result {
        let table = self.domain.paging().ok_or(EINVAL)?;
        for _ in 0..times {
            let iova = self.map(table)?;
            self.unmap(table, iova);
        }
        Ok(())
    }
}
