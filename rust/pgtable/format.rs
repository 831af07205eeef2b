// SPDX-License-Identifier: GPL-2.0

//! What a format of page tables has to say. All of it is pure: no memory, no state.

pub(super) mod amdv1;
pub(super) mod armv8;
pub(super) mod s390;
pub(super) mod vtdss;
pub(super) mod x86_64;

use crate::{
    iommu::Prot,
    kapi::table_memory::{
        TableSize,
        CLASSES, //
    },
};

/// What a word of a table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Nothing is mapped.
    Empty,
    /// Goes on in the table of the level below at this address.
    Table(u64),
    /// Part of a leaf of `1 << size_lg2` bytes.
    Leaf {
        /// Base-2 logarithm of the bytes of the leaf.
        size_lg2: u32,
    },
}

/// A format. Levels count from 0, next to the pages.
pub(crate) trait Format: Send + Sync + 'static {
    /// Name for results.
    const NAME: &'static str;
    /// The fewest and most levels of a table.
    const LEVELS: (u32, u32);
    /// Bits of an output address.
    const OA_BITS: u32;
    /// The most bits of an IOVA, whatever the levels cover.
    const VA_BITS: u32;
    /// The highest bit that the levels cover is a sign. Only the lower half is used.
    const SIGN_EXTENDED: bool = false;
    /// The table may grow at the top while it is in use, because hardware replaces root and depth
    /// in one go.
    const DYNAMIC_TOP: bool = false;
    /// Leaves have a dirty bit.
    const DIRTY: bool = false;
    /// Sizes of tables, by class.
    const SIZES: [TableSize; CLASSES];

    /// The class of tables of a level.
    fn class(_level: u32) -> usize {
        0
    }

    /// The lowest IOVA bit of a level's index.
    #[inline]
    fn shift(level: u32) -> u32 {
        level.wrapping_mul(9).wrapping_add(12)
    }

    /// Bits of a level's index.
    #[inline]
    fn index_bits(_level: u32) -> u32 {
        9
    }

    /// Sizes of leaves of a level, one bit each.
    fn leaf_sizes(level: u32) -> u64;

    /// The word for slot number `at` of the leaf of `1 << size_lg2` bytes that maps to `oa`.
    fn leaf(oa: u64, size_lg2: u32, at: u32, level: u32, prot: Prot) -> u64;

    /// The word that refers to the table of level `level - 1` at `address`.
    fn table(address: u64, level: u32) -> u64;

    /// What a word of a level says.
    fn slot(word: u64, level: u32) -> Slot;

    /// Where the leaf maps to of which `word` is slot number `at`.
    fn oa(word: u64, size_lg2: u32, at: u32, level: u32) -> u64;

    /// What the leaf allows.
    fn prot(word: u64) -> Prot;

    /// The bits that hardware ignores in a word of a level, unless it is an empty slot.
    fn software(level: u32) -> u64;

    /// The word of an empty slot.
    fn empty(level: u32) -> u64 {
        match Self::SIZES.get(Self::class(level)) {
            Some(size) => size.empty,
            None => 0,
        }
    }

    /// Whether hardware has written through this slot of a leaf.
    fn is_dirty(_word: u64) -> bool {
        false
    }

    /// The word without the mark that hardware has written.
    fn clean(word: u64) -> u64 {
        word
    }

    /// The word with that mark, as hardware sets it where writing is allowed.
    fn dirtied(word: u64) -> u64 {
        word
    }
}

/// Words of 8 bytes in tables of 4 KiB, empty where 0: what most formats have.
pub(super) const PAGES: [TableSize; CLASSES] = [TableSize {
    words_lg2: 9,
    empty: 0,
}; CLASSES];

/// All bits from `lo` up to and including `hi`.
pub(super) const fn bits(hi: u32, lo: u32) -> u64 {
    (u64::MAX >> (63 - hi)) & (u64::MAX << lo)
}

/// Sizes of leaves of formats that can map 4 KiB, 2 MiB and 1 GiB.
pub(super) fn three_sizes<F: Format>(level: u32) -> u64 {
    match level <= 2 {
        true => 1 << F::shift(level),
        false => 0,
    }
}
