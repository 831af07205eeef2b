// SPDX-License-Identifier: GPL-2.0

//! Which pages a range must be mapped with, by trying all of them.

use super::table::Call;
use kernel::prelude::*;

/// What a table with these page sizes must be asked to map `size` bytes at `iova` to `paddr`.
///
/// Each time the largest page that fits, and as many of them as there are before the first place
/// where one of the next larger size fits.
pub(super) fn map_calls(sizes: u64, iova: u64, paddr: u64, size: u64) -> Result<KVec<Call>> {
    let mut calls = KVec::new();
    let mut done = 0;
    while done < size {
        let (at, to, left) = (iova + done, paddr + done, size - done);
        let fits = |page: u64, ahead: u64| {
            ahead < left
                && left - ahead >= page
                && (at + ahead).checked_rem(page) == Some(0)
                && (to + ahead).checked_rem(page) == Some(0)
        };
        let supported = || {
            (0..64)
                .map(|bit| 1u64 << bit)
                .filter(|page| sizes & page != 0)
        };
        let page = supported()
            .filter(|page| fits(*page, 0))
            .max()
            .ok_or(EINVAL)?;
        let larger = supported().find(|larger| *larger > page);
        let mut count = left / page;
        if let Some(larger) = larger {
            for ahead in 1..count {
                if fits(larger, ahead * page) {
                    count = ahead;
                    break;
                }
            }
        }
        calls.push(Call::Map(at, to, page, count), GFP_KERNEL)?;
        done += count * page;
    }
    Ok(calls)
}
