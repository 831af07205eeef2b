// SPDX-License-Identifier: GPL-2.0

//! Mapping, unmapping and looking up, with the checks that a driver need not repeat.
//!
//! Follows `iommu_map()`, `iommu_unmap()` and `iommu_iova_to_phys()` of
//! [`drivers/iommu/iommu.c`](srctree/drivers/iommu/iommu.c). No lock: the user of a domain
//! serialises overlapping ranges.

use super::{
    page_size::{
        next_run,
        Run, //
    },
    Domain,
    Gather,
    Kind,
    Paging,
    Progress,
    Prot, //
};
use kernel::prelude::*;

impl Domain {
    /// Maps `size` bytes at `iova` to `paddr`, all or nothing. May sleep.
    ///
    /// # Errors
    ///
    /// EINVAL where the domain has no page table, a size or address is not a multiple of the
    /// smallest page, or `size` is 0; EOVERFLOW where a range wraps; ERANGE outside the aperture;
    /// EIO where the driver reports progress that cannot be; else the driver's.
    pub(crate) fn map(&self, iova: u64, paddr: u64, size: u64, prot: Prot) -> Result {
        let table = self.table()?;
        check_aligned(table, iova | paddr | size)?;
        if size == 0 {
            return Err(EINVAL);
        }
        iova.checked_add(size - 1).ok_or(EOVERFLOW)?;
        paddr.checked_add(size - 1).ok_or(EOVERFLOW)?;
        if !table.aperture().contains_range(iova, size) {
            return Err(ERANGE);
        }

        let Progress { mapped, result } = map_runs(table, iova, paddr, size, prot);
        let result = result.and_then(|()| table.sync_map(iova, size));
        if result.is_err() && mapped != 0 {
            self.unmap(iova, mapped);
        }
        result
    }

    /// Unmaps `size` bytes at `iova`, up to the first that is not mapped, and flushes. Returns the
    /// bytes unmapped: 0 where the domain has no page table or the range is misaligned, and more
    /// than asked where the range ends inside a larger page.
    pub(crate) fn unmap(&self, iova: u64, size: u64) -> u64 {
        let mut gather = Gather::default();
        let done = self.unmap_fast(iova, size, &mut gather);
        if let Ok(table) = self.table() {
            gather.sync(table);
        }
        done
    }

    /// Like [`Self::unmap`], without the flush: the caller does it, or has it queued.
    pub(crate) fn unmap_fast(&self, iova: u64, size: u64, gather: &mut Gather) -> u64 {
        let Ok(table) = self.table() else {
            return 0;
        };
        let wraps = |more| iova.checked_add(more).is_none();
        if check_aligned(table, iova | size).is_err() || size.checked_sub(1).is_none_or(wraps) {
            return 0;
        }
        let mut done: u64 = 0;
        while done < size {
            let (at, left) = (iova + done, size - done);
            let Some(Run { page, count }) = next_run(table.page_sizes(), at, at, left) else {
                break;
            };
            let unmapped = table.unmap(at, page, count, gather);
            if unmapped == 0 {
                break;
            }
            if gather.range().is_none() {
                // The driver leaves the gathering to us: all of the rest, as runs may follow.
                gather.add_range(at, left);
            }
            done = done.saturating_add(unmapped);
        }
        done
    }

    /// Where the DMA of a device on this domain goes at `iova`; `None` where it is aborted.
    pub(crate) fn iova_to_phys(&self, iova: u64) -> Option<u64> {
        match self.kind() {
            Kind::Identity => Some(iova),
            Kind::Blocked | Kind::Nested => None,
            Kind::Paging => self.paging()?.iova_to_phys(iova),
        }
    }

    fn table(&self) -> Result<&dyn Paging> {
        self.paging()
            .filter(|table| table.page_sizes() != 0)
            .ok_or(EINVAL)
    }
}

fn check_aligned(table: &dyn Paging, merged: u64) -> Result {
    let smallest = table.page_sizes() & table.page_sizes().wrapping_neg();
    if merged & smallest.wrapping_sub(1) != 0 {
        return Err(EINVAL);
    }
    Ok(())
}

/// Calls the driver for one run of equal pages after the other, until all is mapped or one fails.
fn map_runs(table: &dyn Paging, iova: u64, paddr: u64, size: u64, prot: Prot) -> Progress {
    let mut mapped = 0;
    while mapped < size {
        let (at, to, left) = (iova + mapped, paddr + mapped, size - mapped);
        let Some(Run { page, count }) = next_run(table.page_sizes(), at, to, left) else {
            return Progress {
                mapped,
                result: Err(EINVAL),
            };
        };
        let step = table.map(at, to, page, count, prot);
        match step.check(page, count) {
            Err(error) => {
                // Whatever it did, it was asked for no more than this.
                return Progress {
                    mapped: mapped + page * count,
                    result: Err(error),
                };
            }
            Ok(()) => mapped += step.mapped,
        }
        if step.result.is_err() {
            return Progress {
                mapped,
                result: step.result,
            };
        }
    }
    Progress {
        mapped,
        result: Ok(()),
    }
}

impl Progress {
    /// Refuses progress of nothing, of more than was asked, and of parts of a page. The kernel's
    /// core loops forever on the first and underflows on the second.
    ///
    /// # Errors
    ///
    /// EIO.
    pub(crate) fn check(&self, page: u64, count: u64) -> Result {
        let pages = self.mapped.checked_div(page);
        let whole = self.mapped.checked_rem(page) == Some(0) && pages.is_some_and(|n| n <= count);
        if !whole || (self.result.is_ok() && self.mapped == 0) {
            return Err(EIO);
        }
        Ok(())
    }
}
