// SPDX-License-Identifier: GPL-2.0

//! How hardware walks page tables.
//!
//! Written from the manuals, and deliberately not with the code of `rust/pgtable` that fills them.

use super::Memory;

/// Looks `iova` up in x86-64 tables (Intel SDM volume 3A, "Paging") and returns where it maps to.
pub(super) fn x86_64(memory: &dyn Memory, root: u64, levels: u32, iova: u64) -> Option<u64> {
    let mut table = root;
    let mut shift = 12 + 9 * levels;
    if iova.checked_shr(shift).unwrap_or(0) != 0 {
        return None;
    }
    while shift > 12 {
        shift -= 9;
        let entry = memory.word(table, (iova >> shift) as u32 & 0x1ff)?;
        let (present, page_size) = (entry & 1 != 0, entry & 0x80 != 0);
        if !present {
            return None;
        }
        let frame = entry & 0x000f_ffff_ffff_f000;
        if shift == 12 || page_size {
            let offset = (1u64 << shift) - 1;
            return Some((frame & !offset) | (iova & offset));
        }
        table = frame;
    }
    None
}
