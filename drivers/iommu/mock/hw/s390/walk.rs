// SPDX-License-Identifier: GPL-2.0

//! How hardware walks page tables.
//!
//! Source: z/Architecture Principles of Operation, "Dynamic Address Translation", whose tables
//! these are. An address is split into 11 bits each for the region-first, region-second,
//! region-third and segment index, 8 bits of page index and 12 bits within the page.

use super::{
    super::{
        model::Stage,
        Memory, //
    },
    iota::Designation, //
};
use kernel::prelude::*;

/// The invalid bit of a region or segment entry.
const TABLE_INVALID: u64 = 0x20;
/// The invalid bit of a page entry.
const PAGE_INVALID: u64 = 0x400;
/// The table type of a region or segment entry: that of the table it is in.
const TABLE_TYPE: u64 = 0xc;
/// Of a region entry: the first and the last quarter of the table below that is there.
const TABLE_OFFSET: u64 = 0xc0;
const TABLE_LENGTH: u64 = 0x3;

/// A table on the way down.
#[derive(Clone, Copy)]
enum Table {
    /// A region or segment table, by table type: 3 to 1 and 0.
    Upper { at: u64, kind: u32 },
    /// A page table.
    Page { at: u64 },
}

/// What an entry leads to.
enum Entry {
    Below(Table),
    Page(u64),
}

impl Table {
    fn top(stage: &Stage) -> Option<(Self, u32)> {
        let designation = Designation::new(stage.levels)?;
        let (at, kind) = (stage.root, stage.levels);
        Some((Self::Upper { at, kind }, designation.address_bits()))
    }

    fn at(self) -> u64 {
        match self {
            Self::Upper { at, .. } | Self::Page { at } => at,
        }
    }

    /// Where the index of the table is in an address, and how many bits it has.
    fn index(self) -> (u32, u32) {
        match self {
            Self::Upper { kind: 3, .. } => (53, 11),
            Self::Upper { kind: 2, .. } => (42, 11),
            Self::Upper { kind: 1, .. } => (31, 11),
            Self::Upper { .. } => (20, 11),
            Self::Page { .. } => (12, 8),
        }
    }

    /// Where the entry of an address leads to.
    fn entry(self, memory: &dyn Memory, iova: u64) -> Option<Entry> {
        let (shift, bits) = self.index();
        let index = iova >> shift & ((1 << bits) - 1);
        let entry = memory.word(self.at(), index as u32)?;
        let kind = match self {
            Self::Page { .. } if entry & PAGE_INVALID != 0 => return None,
            Self::Page { .. } => return Some(Entry::Page(entry & !0xfff)),
            Self::Upper { kind, .. } => kind,
        };
        if entry & TABLE_INVALID != 0 || (entry & TABLE_TYPE) >> 2 != kind.into() {
            return None;
        }
        let Some(below) = kind.checked_sub(1) else {
            return Some(Entry::Below(Self::Page { at: entry & !0x7ff }));
        };
        let below = Self::Upper {
            at: entry & !0x3fff,
            kind: below,
        };
        // The quarter of the table below that its index is in must be there.
        let quarter = iova >> (below.index().0 + 9) & 3;
        let there = (entry & TABLE_OFFSET) >> 6..=entry & TABLE_LENGTH;
        there.contains(&quarter).then_some(Entry::Below(below))
    }
}

/// Where an address goes to. Tells `visit` of every table.
pub(super) fn one(
    memory: &dyn Memory,
    stage: &Stage,
    iova: u64,
    visit: &mut dyn FnMut(u64),
) -> Option<u64> {
    let (mut table, bits) = Table::top(stage)?;
    if iova.checked_shr(bits).unwrap_or(0) != 0 {
        return None;
    }
    loop {
        visit(table.at());
        match table.entry(memory, iova)? {
            Entry::Below(below) => table = below,
            Entry::Page(page) => return Some(page | (iova & 0xfff)),
        }
    }
}

/// Calls `f` with the address of every page from `first` to `last` that is mapped, and where it
/// goes to.
///
/// # Errors
///
/// Those of `f`.
pub(super) fn each(
    memory: &dyn Memory,
    stage: &Stage,
    first: u64,
    last: u64,
    f: &mut dyn FnMut(u64, u64) -> Result,
) -> Result {
    let Some((top, bits)) = Table::top(stage) else {
        return Ok(());
    };
    let most = u64::MAX.checked_shr(64 - bits).unwrap_or(0);
    if first > most {
        return Ok(());
    }
    each_in(memory, top, first, last.min(most), f)
}

/// The same for addresses that are all in one table.
fn each_in(
    memory: &dyn Memory,
    table: Table,
    first: u64,
    last: u64,
    f: &mut dyn FnMut(u64, u64) -> Result,
) -> Result {
    let (shift, _) = table.index();
    let below = (1u64 << shift) - 1;
    let mut at = first;
    loop {
        let end = last.min(at | below);
        match table.entry(memory, at) {
            Some(Entry::Below(below)) => each_in(memory, below, at, end, f)?,
            Some(Entry::Page(page)) => f(at & !below, page)?,
            None => (),
        }
        if end == last {
            return Ok(());
        }
        at = end + 1;
    }
}
