// SPDX-License-Identifier: GPL-2.0

//! Armv8 LPAE with 4 KiB granule, stage 1 and stage 2: 3 or 4 levels, 4 KiB, 2 MiB and 1 GiB, and
//! runs of 16 of each.
//!
//! Source: Arm Architecture Reference Manual, "VMSAv8-64 translation table format descriptors".
//! Level 0 here is what the manual calls level 3. Every slot of a run has its own output address
//! and the Contiguous bit.

use super::{
    bits,
    Format,
    Slot,
    PAGES, //
};
use crate::{
    iommu::Prot,
    kapi::table_memory::{
        TableSize,
        CLASSES, //
    },
};

const VALID: u64 = 1 << 0;
/// A table above level 0, a page at level 0; clear for a block.
const TYPE: u64 = 1 << 1;
const ADDRESS: u64 = bits(47, 12);
const CONTIGUOUS: u64 = 1 << 52;
/// Slots of a run.
const RUN_LG2: u32 = 4;
const SOFTWARE: u64 = bits(58, 55);
const INNER_SHAREABLE: u64 = 3 << 8;
const ACCESS: u64 = 1 << 10;

const S1_CACHED: u64 = 1 << 2;
const S1_UNPRIVILEGED: u64 = 1 << 6;
const S1_READ_ONLY: u64 = 1 << 7;
const S1_NOT_GLOBAL: u64 = 1 << 11;
const S1_DIRTY_MODIFIER: u64 = 1 << 51;

const S2_CACHED: u64 = 0xf << 2;
const S2_READ: u64 = 1 << 6;
const S2_WRITE: u64 = 1 << 7;

fn leaf_sizes(level: u32) -> u64 {
    let shift = 12 + 9 * level;
    match level <= 2 {
        true => (1 << shift) | (1 << (shift + RUN_LG2)),
        false => 0,
    }
}

#[inline]
fn leaf(oa: u64, size_lg2: u32, at: u32, level: u32) -> u64 {
    let shift = 12 + 9 * level;
    let kind = match level {
        0 => VALID | TYPE,
        _ => VALID,
    };
    let run = u64::from(size_lg2 != shift) * CONTIGUOUS;
    let own = oa.wrapping_add(u64::from(at) << shift);
    (own & ADDRESS) | kind | run | INNER_SHAREABLE | ACCESS
}

#[inline]
fn slot(word: u64, level: u32) -> Slot {
    if word & VALID == 0 {
        return Slot::Empty;
    }
    if level != 0 && word & TYPE != 0 {
        return Slot::Table(word & ADDRESS);
    }
    let run = u32::from(word & CONTIGUOUS != 0) * RUN_LG2;
    Slot::Leaf {
        size_lg2: 12 + 9 * level + run,
    }
}

#[inline]
fn oa(word: u64, at: u32, level: u32) -> u64 {
    (word & ADDRESS).wrapping_sub(u64::from(at) << (12 + 9 * level))
}

/// Stage 1; see the module. With `MARKS` for hardware that marks what is written, which takes a
/// writable leaf without mark for read-only elsewhere.
pub(crate) enum Armv8Stage1<const MARKS: bool = false> {}

impl<const MARKS: bool> Format for Armv8Stage1<MARKS> {
    const NAME: &'static str = match MARKS {
        false => "armv8 stage 1",
        true => "armv8 stage 1 with marks",
    };
    const LEVELS: (u32, u32) = (3, 4);
    const OA_BITS: u32 = 48;
    const VA_BITS: u32 = 48;
    const DIRTY: bool = MARKS;
    const SIZES: [TableSize; CLASSES] = PAGES;

    fn leaf_sizes(level: u32) -> u64 {
        leaf_sizes(level)
    }

    fn software(_level: u32) -> u64 {
        SOFTWARE
    }

    #[inline]
    fn leaf(oa: u64, size_lg2: u32, at: u32, level: u32, prot: Prot) -> u64 {
        let access = match (prot.0 & Prot::WRITE.0, MARKS) {
            (0, _) => S1_READ_ONLY,
            // Writable and clean: hardware clears the read-only bit on the first write.
            (_, true) => S1_READ_ONLY | S1_DIRTY_MODIFIER,
            (_, false) => 0,
        };
        leaf(oa, size_lg2, at, level) | access | S1_CACHED | S1_UNPRIVILEGED | S1_NOT_GLOBAL
    }

    #[inline]
    fn table(address: u64, _level: u32) -> u64 {
        (address & ADDRESS) | VALID | TYPE
    }

    #[inline]
    fn slot(word: u64, level: u32) -> Slot {
        slot(word, level)
    }

    #[inline]
    fn oa(word: u64, _size_lg2: u32, at: u32, level: u32) -> u64 {
        oa(word, at, level)
    }

    fn prot(word: u64) -> Prot {
        match word & (S1_READ_ONLY | S1_DIRTY_MODIFIER) {
            S1_READ_ONLY => Prot::READ,
            _ => Prot::RW,
        }
    }

    fn is_dirty(word: u64) -> bool {
        word & (S1_READ_ONLY | S1_DIRTY_MODIFIER) == S1_DIRTY_MODIFIER
    }

    fn clean(word: u64) -> u64 {
        match word & S1_DIRTY_MODIFIER {
            0 => word,
            _ => word | S1_READ_ONLY,
        }
    }

    fn dirtied(word: u64) -> u64 {
        match word & S1_DIRTY_MODIFIER {
            0 => word,
            _ => word & !S1_READ_ONLY,
        }
    }
}

/// Stage 2; see the module.
pub(crate) enum Armv8Stage2 {}

impl Format for Armv8Stage2 {
    const NAME: &'static str = "armv8 stage 2";
    const LEVELS: (u32, u32) = (3, 4);
    const OA_BITS: u32 = 48;
    const VA_BITS: u32 = 48;
    const SIZES: [TableSize; CLASSES] = PAGES;

    fn leaf_sizes(level: u32) -> u64 {
        leaf_sizes(level)
    }

    fn software(_level: u32) -> u64 {
        SOFTWARE
    }

    #[inline]
    fn leaf(oa: u64, size_lg2: u32, at: u32, level: u32, prot: Prot) -> u64 {
        let read = u64::from(prot.0 & Prot::READ.0 != 0) * S2_READ;
        let write = u64::from(prot.0 & Prot::WRITE.0 != 0) * S2_WRITE;
        leaf(oa, size_lg2, at, level) | read | write | S2_CACHED
    }

    #[inline]
    fn table(address: u64, _level: u32) -> u64 {
        (address & ADDRESS) | VALID | TYPE
    }

    #[inline]
    fn slot(word: u64, level: u32) -> Slot {
        slot(word, level)
    }

    #[inline]
    fn oa(word: u64, _size_lg2: u32, at: u32, level: u32) -> u64 {
        oa(word, at, level)
    }

    fn prot(word: u64) -> Prot {
        let read = u32::from(word & S2_READ != 0) * Prot::READ.0;
        let write = u32::from(word & S2_WRITE != 0) * Prot::WRITE.0;
        Prot(read | write)
    }
}
