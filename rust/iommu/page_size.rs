// SPDX-License-Identifier: GPL-2.0

//! Which page size to use next.

/// A run of equal pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Bytes of one page, a power of two.
    pub(crate) page: u64,
    /// Pages; at least one.
    pub(crate) count: u64,
}

/// The largest page of `sizes` that fits at `iova` and `paddr`, and how many of them to use before
/// a larger page may fit. `None` where not even the smallest fits.
///
/// Follows `iommu_pgsize()` of [`drivers/iommu/iommu.c`](srctree/drivers/iommu/iommu.c), which is
/// a BUG where this is `None`.
pub(crate) fn next_run(sizes: u64, iova: u64, paddr: u64, size: u64) -> Option<Run> {
    let merged = iova | paddr;
    // Most often all is one page.
    if size.is_power_of_two() && sizes & size != 0 && merged & (size - 1) == 0 {
        return Some(Run {
            page: size,
            count: 1,
        });
    }
    let page = lsbs_until(sizes, merged, size)?;
    let count = size / page;

    // The next larger page that is supported at all, wherever it would fit.
    let larger = sizes & !(page | (page - 1));
    if larger == 0 {
        return Some(Run { page, count });
    }
    let larger = 1u64 << larger.trailing_zeros();
    if (iova ^ paddr) & (larger - 1) != 0 {
        return Some(Run { page, count });
    }
    // Small pages up to where the larger one fits, if there is room for one behind.
    let until = larger - (iova & (larger - 1));
    match until.checked_add(larger) {
        Some(needed) if needed <= size => Some(Run {
            page,
            count: until / page,
        }),
        _ => Some(Run { page, count }),
    }
}

/// The largest size that is at most `size` and divides the addresses merged into `merged`.
fn lsbs_until(sizes: u64, merged: u64, size: u64) -> Option<u64> {
    let fits = sizes & at_most(63u32.checked_sub(size.leading_zeros())?);
    let aligned = match merged {
        0 => fits,
        _ => fits & at_most(merged.trailing_zeros()),
    };
    Some(1u64 << 63u32.checked_sub(aligned.leading_zeros())?)
}

/// All bits up to and including `bit`, which is below 64.
fn at_most(bit: u32) -> u64 {
    u64::MAX >> (63 - bit)
}
