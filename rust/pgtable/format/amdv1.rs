// SPDX-License-Identifier: GPL-2.0

//! AMD-Vi host page tables (v1): 3 to 6 levels, growing at the top, and leaves of almost every
//! power of two.
//!
//! Source: AMD I/O Virtualization Technology Specification, "Page Tables". A leaf of a size that is
//! not its level's own fills several slots with the same word, in which a run of ones in the low
//! address bits tells the size.

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

const PRESENT: u64 = 1 << 0;
const DIRTY: u64 = 1 << 6;
const NEXT_LEVEL_SHIFT: u32 = 9;
const NEXT_LEVEL: u64 = bits(11, 9);
/// The next level of a leaf whose size is in its address.
const SIZED: u64 = 7;
const ADDRESS: u64 = bits(51, 12);
const COHERENT: u64 = 1 << 60;
const READ: u64 = 1 << 61;
const WRITE: u64 = 1 << 62;

/// By level. The top one has none. 512 GiB is left out as in the kernel: some hardware takes it for
/// a table.
const LEAF_SIZES: [u64; 6] = [
    bits(20, 12),
    bits(29, 21),
    bits(38, 30),
    bits(47, 40),
    bits(51, 48),
    0,
];

/// See the module.
pub(crate) enum AmdV1 {}

impl Format for AmdV1 {
    const NAME: &'static str = "amdv1";
    const LEVELS: (u32, u32) = (3, 6);
    const OA_BITS: u32 = 52;
    const VA_BITS: u32 = 64;
    const DYNAMIC_TOP: bool = true;
    const DIRTY: bool = true;
    const SIZES: [TableSize; CLASSES] = PAGES;

    fn index_bits(level: u32) -> u32 {
        match level {
            5 => 7,
            _ => 9,
        }
    }

    fn leaf_sizes(level: u32) -> u64 {
        LEAF_SIZES.get(level as usize).copied().unwrap_or(0)
    }

    fn software(_level: u32) -> u64 {
        (1 << 63) | bits(8, 7) | bits(4, 1)
    }

    #[inline]
    fn leaf(oa: u64, size_lg2: u32, _at: u32, level: u32, prot: Prot) -> u64 {
        let read = u64::from(prot.0 & Prot::READ.0 != 0) * READ;
        let write = u64::from(prot.0 & Prot::WRITE.0 != 0) * WRITE;
        let rest = PRESENT | COHERENT | read | write;
        if size_lg2 == Self::shift(level) {
            return (oa & ADDRESS) | rest;
        }
        let code = bits(size_lg2 - 1, 12) >> 1;
        (oa & ADDRESS) | (code & ADDRESS) | (SIZED << NEXT_LEVEL_SHIFT) | rest
    }

    #[inline]
    fn table(address: u64, level: u32) -> u64 {
        let next = u64::from(level) << NEXT_LEVEL_SHIFT;
        (address & ADDRESS) | next | PRESENT | COHERENT | READ | WRITE
    }

    // Little is left of it where the level is known.
    #[inline(always)]
    fn slot(word: u64, level: u32) -> Slot {
        if word & PRESENT == 0 {
            return Slot::Empty;
        }
        match (word & NEXT_LEVEL) >> NEXT_LEVEL_SHIFT {
            0 => Slot::Leaf {
                size_lg2: Self::shift(level),
            },
            SIZED => {
                // The first 0 above bit 11 is half the size.
                let size_lg2 = (word | bits(11, 0)).trailing_ones() + 1;
                // No level has the sizes that what is more than 63 wraps to.
                match Self::leaf_sizes(level) & 1u64.wrapping_shl(size_lg2) {
                    // A table that a reader still looks at may be one of another level by now.
                    0 => Slot::Empty,
                    _ => Slot::Leaf { size_lg2 },
                }
            }
            _ => Slot::Table(word & ADDRESS),
        }
    }

    #[inline]
    fn oa(word: u64, size_lg2: u32, _at: u32, _level: u32) -> u64 {
        word & ADDRESS & u64::MAX.wrapping_shl(size_lg2)
    }

    fn prot(word: u64) -> Prot {
        let read = u32::from(word & READ != 0) * Prot::READ.0;
        let write = u32::from(word & WRITE != 0) * Prot::WRITE.0;
        Prot(read | write)
    }

    fn is_dirty(word: u64) -> bool {
        word & DIRTY != 0
    }

    fn clean(word: u64) -> u64 {
        word & !DIRTY
    }

    fn dirtied(word: u64) -> u64 {
        match word & WRITE {
            0 => word,
            _ => word | DIRTY,
        }
    }
}
