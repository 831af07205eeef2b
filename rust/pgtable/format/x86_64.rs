// SPDX-License-Identifier: GPL-2.0

//! x86-64, as VT-d first stage and AMD v2: 4 or 5 levels, 4 KiB, 2 MiB and 1 GiB.
//!
//! Source: Intel SDM volume 3A, "Paging". Only the lower half of the addresses is used. There is no
//! way to deny reading.

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

const PRESENT: u64 = 1 << 0;
const WRITE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const PAGE_SIZE: u64 = 1 << 7;
const ADDRESS: u64 = bits(51, 12);

/// See the module.
pub(crate) enum X86FirstStage {}

impl Format for X86FirstStage {
    const NAME: &'static str = "x86_64";
    const LEVELS: (u32, u32) = (4, 5);
    const OA_BITS: u32 = 52;
    const VA_BITS: u32 = 57;
    const SIGN_EXTENDED: bool = true;
    const DIRTY: bool = true;
    const SIZES: [TableSize; CLASSES] = PAGES;

    fn leaf_sizes(level: u32) -> u64 {
        three_sizes::<Self>(level)
    }

    fn software(_level: u32) -> u64 {
        bits(58, 52) | (1 << 11) | (1 << 9)
    }

    #[inline]
    fn leaf(oa: u64, _size_lg2: u32, _at: u32, level: u32, prot: Prot) -> u64 {
        let size = match level {
            0 => 0,
            _ => PAGE_SIZE,
        };
        // What is written for a writable page is dirty from the start, unless it is tracked.
        let write = u64::from(prot.0 & Prot::WRITE.0 != 0) * (WRITE | DIRTY);
        (oa & ADDRESS) | PRESENT | USER | ACCESSED | size | write
    }

    #[inline]
    fn table(address: u64, _level: u32) -> u64 {
        (address & ADDRESS) | PRESENT | WRITE | USER | ACCESSED
    }

    #[inline]
    fn slot(word: u64, level: u32) -> Slot {
        if word & PRESENT == 0 {
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
        match word & WRITE {
            0 => Prot::READ,
            _ => Prot::RW,
        }
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
