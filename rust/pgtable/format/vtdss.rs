// SPDX-License-Identifier: GPL-2.0

//! Intel VT-d second stage: 3, 4 or 5 levels, 4 KiB, 2 MiB and 1 GiB.
//!
//! Source: VT-d specification, "Second-Stage Paging Entries". There is no present bit: what may
//! neither be read nor written is not there.

use super::{
    bits,
    three_sizes,
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

const READ: u64 = 1 << 0;
const WRITE: u64 = 1 << 1;
const PAGE_SIZE: u64 = 1 << 7;
const DIRTY: u64 = 1 << 9;
const ADDRESS: u64 = bits(51, 12);

/// See the module.
pub(crate) enum VtdSecondStage {}

impl Format for VtdSecondStage {
    const NAME: &'static str = "vtdss";
    const LEVELS: (u32, u32) = (3, 5);
    const OA_BITS: u32 = 52;
    const VA_BITS: u32 = 57;
    const DIRTY: bool = true;
    const SIZES: [TableSize; CLASSES] = PAGES;

    fn leaf_sizes(level: u32) -> u64 {
        three_sizes::<Self>(level)
    }

    fn software(_level: u32) -> u64 {
        bits(60, 52) | (1 << 63) | (1 << 10)
    }

    #[inline]
    fn leaf(oa: u64, _size_lg2: u32, _at: u32, level: u32, prot: Prot) -> u64 {
        let size = match level {
            0 => 0,
            _ => PAGE_SIZE,
        };
        let read = u64::from(prot.0 & Prot::READ.0 != 0) * READ;
        let write = u64::from(prot.0 & Prot::WRITE.0 != 0) * WRITE;
        (oa & ADDRESS) | size | read | write
    }

    #[inline]
    fn table(address: u64, _level: u32) -> u64 {
        (address & ADDRESS) | READ | WRITE
    }

    #[inline]
    fn slot(word: u64, level: u32) -> Slot {
        if word & (READ | WRITE) == 0 {
            return Slot::Empty;
        }
        if level == 0 || word & PAGE_SIZE != 0 {
            let size_lg2 = Self::shift(level);
            return Slot::Leaf { size_lg2 };
        }
        Slot::Table(word & ADDRESS)
    }

    #[inline]
    fn oa(word: u64, size_lg2: u32, _at: u32, _level: u32) -> u64 {
        word & ADDRESS & bits(63, size_lg2)
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
