// SPDX-License-Identifier: GPL-2.0

//! What is measured on a page table, ours or one of the kernel's.

/// An operation. In the order of the helpers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Maps a range.
    Map,
    /// Unmaps it and gives the tables back.
    Unmap,
    /// Looks its first address up.
    Look,
}

/// Ranges at equal distances, as `struct walk` of the helpers.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Walk {
    /// IOVA of the first range.
    pub(crate) iova: u64,
    /// Where it leads; the others are at the same distance.
    pub(crate) pa: u64,
    /// Bytes of a range.
    pub(crate) len: u64,
    /// Bytes from one to the next.
    pub(crate) stride: u64,
    /// How many.
    pub(crate) times: u32,
}
