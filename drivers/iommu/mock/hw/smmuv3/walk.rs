// SPDX-License-Identifier: GPL-2.0

//! Translation table walks, written from the Arm Architecture Reference Manual ("VMSAv8-64
//! translation table format descriptors", 4 KiB granule, 48-bit output addresses), and
//! deliberately not with the code of `rust/pgtable`.
//!
//! Levels are the manual's: 3 is next to the pages.

use super::{
    super::{
        model::{
            Stage,
            Translation, //
        },
        Memory, //
    },
    geometry, //
};

/// Descriptor bits.
mod descriptor {
    pub(super) const VALID: u64 = 1 << 0;
    /// A table, or at level 3 a page; a block without it.
    pub(super) const TABLE: u64 = 1 << 1;
    pub(super) const ADDRESS: u64 = 0x0000_ffff_ffff_f000;
    /// `AP[1]`: accessible without privilege, as devices are. Stage 1.
    pub(super) const AP_UNPRIVILEGED: u64 = 1 << 6;
    /// `AP[2]`: read-only. Stage 1.
    pub(super) const AP_READ_ONLY: u64 = 1 << 7;
    /// Dirty Bit Modifier: where hardware marks what is written, a write takes the above away.
    /// Stage 1.
    pub(super) const DBM: u64 = 1 << 51;
    /// S2AP: readable, writable. Stage 2.
    pub(super) const S2AP: u64 = 3 << 6;
    /// `S2AP[1]`: writable.
    pub(super) const S2AP_WRITE: u64 = 1 << 7;
    pub(super) const ACCESSED: u64 = 1 << 10;
}

const LAST_LEVEL: u32 = 3;

fn shift(level: u32) -> u32 {
    12 + 9 * LAST_LEVEL.saturating_sub(level)
}

/// What the descriptor of a page or block is once something was written through it.
pub(super) fn written(by: &Translation, word: u64) -> Option<u64> {
    use descriptor::*;
    let stage = by.second.as_ref().unwrap_or(&by.first);
    match geometry::is_stage2(stage) {
        true => (word & S2AP_WRITE != 0).then_some(word),
        false if word & AP_READ_ONLY == 0 => Some(word),
        false => (by.marks && word & DBM != 0).then_some(word & !AP_READ_ONLY),
    }
}

/// Says where a table really is, and is told the addresses of tables that it reads itself.
type Locate<'a> = dyn FnMut(&mut dyn FnMut(u64), u64) -> Option<u64> + 'a;

/// Where an access goes to. Stage 2, if any, also translates the addresses of stage 1 tables.
pub(super) fn walk(
    memory: &dyn Memory,
    by: &Translation,
    iova: u64,
    visit: &mut dyn FnMut(u64),
) -> Option<u64> {
    let Some(second) = &by.second else {
        return stage(memory, &by.first, iova, &mut |_, table| Some(table), visit);
    };
    let mut through = |visit: &mut dyn FnMut(u64), address: u64| {
        stage(memory, second, address, &mut |_, table| Some(table), visit)
    };
    let ipa = stage(memory, &by.first, iova, &mut through, visit)?;
    through(visit, ipa)
}

/// Walks one stage.
fn stage(
    memory: &dyn Memory,
    by: &Stage,
    address: u64,
    locate: &mut Locate<'_>,
    visit: &mut dyn FnMut(u64),
) -> Option<u64> {
    let bits = geometry::input_bits(by);
    if address.checked_shr(bits).unwrap_or(0) != 0 {
        return None;
    }
    let mut level = (LAST_LEVEL + 1).checked_sub(by.levels)?;
    // The first index can have fewer bits than others, or more, where tables are concatenated.
    let mut index = address >> shift(level);
    let mut table = by.root & descriptor::ADDRESS;
    loop {
        let at = locate(visit, table.checked_add((index >> 9) << 12)?)?;
        visit(at);
        let entry = memory.word(at, (index & 0x1ff) as u32)?;
        if entry & descriptor::VALID == 0 {
            return None;
        }
        let is_table = entry & descriptor::TABLE != 0;
        match (level, is_table) {
            // Reserved.
            (LAST_LEVEL, false) => return None,
            // There are no blocks of 512 GiB.
            (0, false) => return None,
            (LAST_LEVEL, true) | (_, false) => {
                let allowed = match geometry::is_stage2(by) {
                    true => entry & descriptor::S2AP != 0,
                    false => entry & descriptor::AP_UNPRIVILEGED != 0,
                };
                if !allowed || entry & descriptor::ACCESSED == 0 {
                    return None;
                }
                let offset = (1u64 << shift(level)) - 1;
                return Some((entry & descriptor::ADDRESS & !offset) | (address & offset));
            }
            (_, true) => table = entry & descriptor::ADDRESS,
        }
        level += 1;
        index = (address >> shift(level)) & 0x1ff;
    }
}
