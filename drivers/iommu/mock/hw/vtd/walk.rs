// SPDX-License-Identifier: GPL-2.0

//! How hardware walks page tables.
//!
//! Written from the manuals (VT-d, "First-Stage Translation", "Second-Stage Translation" and
//! "Nested Translation"), and deliberately not with the code of `rust/pgtable` that fills them.

use super::super::{
    model::{
        Stage,
        Translation, //
    },
    Memory,
};

/// [`Stage::format`] of the first stage, whose entries are the CPU's.
pub(crate) const FIRST: u8 = 1;

/// [`Stage::format`] of the second stage.
pub(crate) const SECOND: u8 = 2;

/// An entry that refers to a table is a page instead.
const PAGE_SIZE: u64 = 1 << 7;

/// May be written, in entries of either stage.
const WRITE: u64 = 1 << 1;

/// Entry of the second stage: was written, where the PASID entry has that marked.
const DIRTY: u64 = 1 << 9;

/// Where an entry points.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// What the word of a leaf is once something was written through it. Marks of the first stage are
/// not modelled: what they say nobody asks for.
pub(super) fn written(by: &Translation, word: u64) -> Option<u64> {
    let second = by.second.unwrap_or(by.first).format == SECOND;
    let marks = second && by.marks;
    (word & WRITE != 0).then_some(word | (DIRTY * u64::from(marks)))
}

pub(super) struct Walker<'a> {
    memory: &'a dyn Memory,
    visit: &'a mut dyn FnMut(u64),
    /// What translates the addresses that the first stage deals with.
    second: Option<Stage>,
}

impl<'a> Walker<'a> {
    pub(super) fn new(
        memory: &'a dyn Memory,
        by: &Translation,
        visit: &'a mut dyn FnMut(u64),
    ) -> Self {
        Self {
            memory,
            visit,
            second: by.second,
        }
    }

    /// Where `iova` goes to.
    pub(super) fn translate(&mut self, stage: Stage, iova: u64) -> Option<u64> {
        match stage.format {
            FIRST => self.first_stage(stage, iova),
            SECOND => self.second_stage(stage, iova),
            _ => None,
        }
    }

    fn read(&mut self, table: u64, index: u64) -> Option<u64> {
        (self.visit)(table);
        self.memory.word(table, (index & 0x1ff) as u32)
    }

    /// Where an address of the first stage is in memory.
    fn physical(&mut self, address: u64) -> Option<u64> {
        match self.second {
            Some(stage) => self.second_stage(stage, address),
            None => Some(address),
        }
    }

    /// CPU format: bit 0 is P, and addresses are sign-extended.
    fn first_stage(&mut self, stage: Stage, iova: u64) -> Option<u64> {
        let sign = stage.levels.checked_mul(9)?.checked_add(11)?;
        let above = (iova as i64).checked_shr(sign)?;
        if above != 0 && above != -1 {
            return None;
        }
        let mut table = stage.root;
        for level in (0..stage.levels).rev() {
            let shift = level * 9 + 12;
            let table_at = self.physical(table)?;
            let entry = self.read(table_at, iova >> shift)?;
            if entry & 1 == 0 {
                return None;
            }
            let address = entry & ADDRESS;
            if level == 0 || entry & PAGE_SIZE != 0 {
                let offset = (1u64 << shift) - 1;
                return self.physical((address & !offset) | (iova & offset));
            }
            table = address;
        }
        None
    }

    /// There is no present bit: what may be neither read (bit 0) nor written (bit 1) is not there.
    fn second_stage(&mut self, stage: Stage, address: u64) -> Option<u64> {
        let width = stage.levels.checked_mul(9)?.checked_add(12)?;
        if address.checked_shr(width)? != 0 {
            return None;
        }
        let mut table = stage.root;
        for level in (0..stage.levels).rev() {
            let shift = level * 9 + 12;
            let entry = self.read(table, address >> shift)?;
            if entry & 3 == 0 {
                return None;
            }
            if level == 0 || entry & PAGE_SIZE != 0 {
                let offset = (1u64 << shift) - 1;
                return Some((entry & ADDRESS & !offset) | (address & offset));
            }
            table = entry & ADDRESS;
        }
        None
    }
}
