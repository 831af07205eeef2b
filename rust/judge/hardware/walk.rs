// SPDX-License-Identifier: GPL-2.0

//! Walking page tables by what a lookup ended with.

use super::{
    super::{
        bits::Facts,
        case::{
            Case,
            PROBES, //
        },
        fact::Fact,
        stop::Go, //
    },
    End,
    Hardware,
    Way, //
};
use crate::mock::hw::Memory;
use kernel::prelude::*;

/// Number of the group of tables that an edit frees; others are those of the space of the number.
pub(in super::super) const CUT: usize = 31;

/// Where a walk for one probe comes to.
#[derive(Clone, Copy, Default)]
pub(in super::super) struct Reached {
    /// Where the access goes, if anywhere.
    pub(in super::super) to: Option<u64>,
    /// Groups of tables that were read, one bit each.
    pub(in super::super) groups: u32,
    /// Something was read as a table that is none.
    pub(in super::super) wild: bool,
}

/// Walks for all probes.
#[derive(Clone, Copy)]
pub(in super::super) struct Walk {
    pub(in super::super) probes: [Reached; PROBES],
    /// What hardware gets hold of.
    pub(in super::super) facts: Facts,
}

/// Page tables behind the first of an edit's changes.
struct Tables<'a> {
    case: &'a Case<'a>,
    changed: usize,
}

impl Memory for Tables<'_> {
    fn word(&self, table: u64, index: u32) -> Option<u64> {
        let changes = self.case.edit.as_ref().map_or(&[][..], |e| e.changes);
        let done = changes.get(..self.changed).unwrap_or(&[]);
        let mut last = done.iter().rev();
        if let Some(change) = last.find(|c| c.table == table && c.index == index) {
            return Some(change.word);
        }
        let mut spaces = self.case.spaces.iter();
        spaces.find_map(|space| space.tables.word(table, index))
    }
}

impl Tables<'_> {
    /// Groups that a table is in. Of several spaces that are nested in the same, the last has the
    /// tables of that: it is the first that goes.
    fn groups(&self, table: u64) -> u32 {
        let mut groups = 0;
        for (n, space) in self.case.spaces.iter().enumerate().take(CUT) {
            if space.tables.has(table) {
                groups = 1 << n;
            }
        }
        let edit = self.case.edit.as_ref();
        let cut = edit.is_some_and(|edit| edit.freed.contains(&table));
        groups | u32::from(cut) << CUT
    }
}

impl Hardware<'_> {
    /// Walks for all probes by the end of that number; `None` where it is not one by which
    /// accesses are translated.
    pub(in super::super) fn walk(&mut self, end: usize, changed: usize) -> Go<Option<Walk>> {
        let Some(&End {
            way: Way::Translate(by),
            ..
        }) = self.ends.get(end)
        else {
            return Ok(None);
        };
        while self.walks.len() <= end {
            self.walks.push(KVec::new(), GFP_KERNEL)?;
        }
        let known = self.walks.get(end).and_then(|walks| walks.get(changed));
        if let Some(Some(walk)) = known {
            return Ok(Some(*walk));
        }
        let case = self.case;
        let tables = Tables { case, changed };
        let mut walk = Walk {
            probes: [Reached::default(); PROBES],
            facts: Facts::EMPTY,
        };
        for (n, (iova, reached)) in case.probes.iter().zip(&mut walk.probes).enumerate() {
            let (mut groups, mut wild) = (0, false);
            reached.to = case.model.walk(&tables, &by, *iova, &mut |table| {
                let of = tables.groups(table);
                groups |= of;
                wild |= of == 0;
            });
            (reached.groups, reached.wild) = (groups, wild);
            let (tag, probe) = (by.tag, n as u8);
            if let Some(to) = reached.to {
                let fact = Fact::Translation { tag, probe, to };
                walk.facts.add(self.known.number(fact)?);
            }
            for group in (0..32u8).filter(|g| groups & 1 << g != 0) {
                let fact = Fact::Tables { tag, probe, group };
                walk.facts.add(self.known.number(fact)?);
            }
        }
        if let Some(walks) = self.walks.get_mut(end) {
            while walks.len() <= changed {
                walks.push(None, GFP_KERNEL)?;
            }
            if let Some(slot) = walks.get_mut(changed) {
                *slot = Some(walk);
            }
        }
        Ok(Some(walk))
    }
}
