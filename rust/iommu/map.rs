// SPDX-License-Identifier: GPL-2.0

//! Mapping, unmapping, looking up, and what was written to, with the checks that a driver need not
//! repeat.
//!
//! Follows `iommu_map()`, `iommu_unmap()` and `iommu_iova_to_phys()` of
//! [`drivers/iommu/iommu.c`](srctree/drivers/iommu/iommu.c). No lock: the user of a domain
//! serialises overlapping ranges.

use super::{
    page_size::{
        next_run,
        Run, //
    },
    Aperture,
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
        check_range(table, iova, paddr, size)?;

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

    /// Starts or ends to have marked what devices write to. What was marked before it starts is
    /// forgotten, as `iopt_set_dirty_tracking()` does it. May sleep.
    ///
    /// # Errors
    ///
    /// EINVAL where the domain has no page table; those of [`Paging::set_dirty_tracking`].
    pub(crate) fn set_dirty_tracking(&self, enable: bool) -> Result {
        let table = self.table()?;
        if enable {
            let Aperture { first, last } = table.aperture();
            // Of all addresses there are, the last one is left out.
            let size = (last - first).saturating_add(1);
            read_and_clear(table, (first, size), false, &mut |_, _| ())?;
        }
        table.set_dirty_tracking(enable)
    }

    /// Passes start and size of what devices have written to in `size` bytes at `iova` to `found`:
    /// whole leaves of the page table, also those that reach beyond. Unless `keep` is set, those
    /// that do not reach beyond count as not written to from then on. May sleep.
    ///
    /// # Errors
    ///
    /// EINVAL, EOVERFLOW and ERANGE as [`Self::map`]; those of [`Paging::read_and_clear_dirty`].
    pub(crate) fn read_and_clear_dirty(
        &self,
        iova: u64,
        size: u64,
        keep: bool,
        found: &mut dyn FnMut(u64, u64),
    ) -> Result {
        let table = self.table()?;
        check_range(table, iova, iova, size)?;
        read_and_clear(table, (iova, size), keep, found)
    }

    fn table(&self) -> Result<&dyn Paging> {
        self.paging()
            .filter(|table| table.page_sizes() != 0)
            .ok_or(EINVAL)
    }
}

/// What [`Domain::map`] asks of a range.
fn check_range(table: &dyn Paging, iova: u64, paddr: u64, size: u64) -> Result {
    check_aligned(table, iova | paddr | size)?;
    let more = size.checked_sub(1).ok_or(EINVAL)?;
    iova.checked_add(more).ok_or(EOVERFLOW)?;
    paddr.checked_add(more).ok_or(EOVERFLOW)?;
    match table.aperture().contains_range(iova, size) {
        true => Ok(()),
        false => Err(ERANGE),
    }
}

/// Reads marks, and flushes what lost one, so that the next write leaves one.
fn read_and_clear(
    table: &dyn Paging,
    (iova, size): (u64, u64),
    keep: bool,
    found: &mut dyn FnMut(u64, u64),
) -> Result {
    let mut gather = Gather::default();
    let result = table.read_and_clear_dirty(iova, size, keep, &mut |start, size| {
        gather.add_range(start, size);
        found(start, size);
    });
    if !keep {
        gather.sync(table);
    }
    result
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
