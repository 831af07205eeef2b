// SPDX-License-Identifier: GPL-2.0

//! Walks of page tables, from the manuals, and deliberately not with the code that fills them.

use super::{
    super::{
        model::{
            Stage,
            Translation, //
        },
        Memory, //
    },
    V1,
    V2_SIGNED, //
};

/// Address in a host or guest page table entry.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// Host page table entry: present.
const PR: u64 = 1 << 0;
/// Host page table entry: may be read.
const IR: u64 = 1 << 61;
/// Host page table entry: may be written.
const IW: u64 = 1 << 62;
/// Host page table entry: was written, where the device table entry has that marked.
const D: u64 = 1 << 6;

/// Guest page table entry: present, user.
const P_US: u64 = (1 << 0) | (1 << 2);
/// Guest page table entry: may be written.
const RW: u64 = 1 << 1;
/// Guest page table entry: page size.
const PS: u64 = 1 << 7;

/// What the word of a leaf is once something was written through it. Marks in guest page tables are
/// the guest's, and not modelled.
pub(super) fn written(by: &Translation, word: u64) -> Option<u64> {
    match by.second.unwrap_or(by.first).format {
        V1 => (word & IW != 0).then_some(word | (D * u64::from(by.marks))),
        _ => (word & RW != 0).then_some(word),
    }
}

/// Looks an address up in host page tables, v1. Each entry says itself which level comes next.
pub(super) fn host(
    memory: &dyn Memory,
    stage: &Stage,
    iova: u64,
    visit: &mut dyn FnMut(u64),
) -> Option<u64> {
    let mut level = stage.levels;
    if iova.checked_shr(9 * level + 12).unwrap_or(0) != 0 {
        return None;
    }
    let (mut table, mut allowed) = (stage.root, IR | IW);
    while level != 0 {
        let shift = 9 * level + 3;
        visit(table);
        let entry = memory.word(table, (iova >> shift) as u32 & 0x1ff)?;
        allowed &= entry;
        if entry & PR == 0 || allowed == 0 {
            return None;
        }
        let below = (1u64 << shift) - 1;
        let next = (entry >> 9) as u32 & 7;
        let size = match next {
            0 => below,
            7 => sized(entry).filter(|size| *size > below && size >> 9 < below)?,
            _ => {
                // Levels may be left out, where the address has only zeros.
                if next >= level || (iova & below) >> (9 * next + 12) != 0 {
                    return None;
                }
                (table, level) = (entry & ADDRESS, next);
                continue;
            }
        };
        return Some((entry & ADDRESS & !size) | (iova & size));
    }
    None
}

/// The size that is coded into the address of a leaf, less one: the lowest 0 is its highest bit but
/// one.
fn sized(entry: u64) -> Option<u64> {
    let ones = ((entry & ADDRESS) | 0xfff).trailing_ones();
    Some(1u64.checked_shl(ones + 1)? - 1)
}

/// Looks an address up in guest page tables, which are those of x86-64, and whose addresses a
/// second stage may translate.
pub(super) fn guest(
    memory: &dyn Memory,
    stage: &Stage,
    second: Option<&Stage>,
    iova: u64,
    visit: &mut dyn FnMut(u64),
) -> Option<u64> {
    let to_host = |address: u64, visit: &mut dyn FnMut(u64)| match second {
        Some(second) => host(memory, second, address, visit),
        None => Some(address),
    };
    let mut shift = 9 * stage.levels + 12;
    let spare = 64u32.checked_sub(shift)?;
    let inside = match stage.format {
        // CAST: The highest bit is the sign of what is above.
        V2_SIGNED => (iova << spare) as i64 >> spare == iova as i64,
        _ => iova << spare >> spare == iova,
    };
    if !inside {
        return None;
    }
    let mut table = to_host(stage.root, visit)?;
    while shift > 12 {
        shift -= 9;
        visit(table);
        let entry = memory.word(table, (iova >> shift) as u32 & 0x1ff)?;
        if entry & P_US != P_US {
            return None;
        }
        let large = shift > 12 && entry & PS != 0;
        if large && shift > 30 {
            return None;
        }
        if shift == 12 || large {
            let offset = (1u64 << shift) - 1;
            return to_host((entry & ADDRESS & !offset) | (iova & offset), visit);
        }
        table = to_host(entry & ADDRESS, visit)?;
    }
    None
}
