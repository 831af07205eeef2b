// SPDX-License-Identifier: GPL-2.0

//! s390 zPCI: a page table of 256 entries below a segment table and up to three region tables of
//! 2048 entries. 4 KiB pages only; reading cannot be denied.
//!
//! Source: z/Architecture Principles of Operation, "Dynamic Address Translation", and
//! [`arch/s390/include/asm/pci_dma.h`](srctree/arch/s390/include/asm/pci_dma.h).

use super::{
    bits,
    Format,
    Slot, //
};
use crate::{
    iommu::Prot,
    kapi::table_memory::{
        TableSize,
        CLASSES, //
    },
};

const PAGE_INVALID: u64 = 1 << 10;
const TABLE_INVALID: u64 = 1 << 5;
const PROTECT: u64 = 1 << 9;
const PAGE_ADDRESS: u64 = bits(63, 12);
const TABLE_ADDRESS: u64 = bits(63, 14);
/// A page table is only 2 KiB, so that a segment entry has more address bits.
const SEGMENT_ADDRESS: u64 = bits(63, 11);
/// The table below has its full length.
const LENGTH: u64 = 3;

/// See the module.
pub(crate) enum S390 {}

impl Format for S390 {
    const NAME: &'static str = "s390";
    /// Segment table with a region-third table on top, or also a region-second or region-first one.
    const LEVELS: (u32, u32) = (3, 5);
    const OA_BITS: u32 = 64;
    const VA_BITS: u32 = 64;
    const SIZES: [TableSize; CLASSES] = [
        TableSize {
            words_lg2: 8,
            empty: PAGE_INVALID,
        },
        TableSize {
            words_lg2: 11,
            empty: TABLE_INVALID,
        },
    ];

    fn class(level: u32) -> usize {
        usize::from(level != 0)
    }

    fn shift(level: u32) -> u32 {
        match level {
            0 => 12,
            _ => 20 + 11 * (level - 1),
        }
    }

    fn index_bits(level: u32) -> u32 {
        match level {
            0 => 8,
            _ => 11,
        }
    }

    fn leaf_sizes(level: u32) -> u64 {
        match level {
            0 => 1 << 12,
            _ => 0,
        }
    }

    fn software(level: u32) -> u64 {
        match level {
            0 => bits(7, 0),
            _ => 0,
        }
    }

    #[inline]
    fn leaf(oa: u64, _size_lg2: u32, _at: u32, _level: u32, prot: Prot) -> u64 {
        let protect = u64::from(prot.0 & Prot::WRITE.0 == 0) * PROTECT;
        (oa & PAGE_ADDRESS) | protect
    }

    #[inline]
    fn table(address: u64, level: u32) -> u64 {
        // Types of the entry: 0 in a segment table, 1 region-third, 2 second, 3 first.
        let kind = u64::from(level.wrapping_sub(1) & 3) << 2;
        match level {
            1 => (address & SEGMENT_ADDRESS) | kind,
            _ => (address & TABLE_ADDRESS) | kind | LENGTH,
        }
    }

    #[inline]
    fn slot(word: u64, level: u32) -> Slot {
        match level {
            0 if word & PAGE_INVALID != 0 => Slot::Empty,
            0 => Slot::Leaf { size_lg2: 12 },
            _ if word & TABLE_INVALID != 0 => Slot::Empty,
            1 => Slot::Table(word & SEGMENT_ADDRESS),
            _ => Slot::Table(word & TABLE_ADDRESS),
        }
    }

    #[inline]
    fn oa(word: u64, _size_lg2: u32, _at: u32, _level: u32) -> u64 {
        word & PAGE_ADDRESS
    }

    fn prot(word: u64) -> Prot {
        match word & PROTECT {
            0 => Prot::RW,
            _ => Prot::READ,
        }
    }
}
