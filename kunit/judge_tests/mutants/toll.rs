// SPDX-License-Identifier: GPL-2.0

//! How many mutants came to what end.

use super::{
    Fate,
    Mutant, //
};
use crate::{
    judge::Invariant,
    kapi::kunit::{
        note,
        Outcome, //
    },
};
use kernel::prelude::*;

/// What became of all mutants.
#[derive(Default)]
pub(crate) struct Toll {
    /// How many there were.
    pub(crate) all: u32,
    /// How many broke each invariant, by its number.
    killed: [u32; 16],
    /// How many made a hitless transition block.
    blocked: u32,
    /// How many are as good, by reason.
    equivalent: KVec<(&'static str, u32)>,
    /// How many are left.
    pub(crate) left: u32,
    /// How many were too much for the judge.
    pub(crate) open: u32,
}

impl Toll {
    /// Counts one, and tells of it if it is left.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn count(&mut self, mutant: &Mutant<'_>) -> Outcome {
        self.all += 1;
        match mutant.fate {
            Fate::Killed(invariant, _) => {
                if let Some(count) = self.killed.get_mut(invariant as usize) {
                    *count += 1;
                }
            }
            Fate::Blocks(_) => self.blocked += 1,
            Fate::Equivalent(reason) => {
                let mut known = self.equivalent.iter_mut();
                match known.find(|(known, _)| *known == reason) {
                    Some((_, count)) => *count += 1,
                    None => self.equivalent.push((reason, 1), GFP_KERNEL)?,
                }
            }
            Fate::Left => {
                self.left += 1;
                let (from, to) = (mutant.recipe.from, mutant.recipe.to);
                let (defect, at) = (mutant.defect, mutant.at);
                note(fmt!("left: {from:?} -> {to:?}: {defect:?} {at} {mutant}"));
            }
            Fate::Open => self.open += 1,
        }
        Ok(())
    }

    /// Prints it as a table.
    pub(crate) fn note(&self, name: &str) {
        let (all, left, open) = (self.all, self.left, self.open);
        note(fmt!("{name}: {all} mutants, {left} left, {open} open"));
        for invariant in Invariant::ALL {
            let count = self.killed.get(invariant as usize).copied().unwrap_or(0);
            if count != 0 {
                note(fmt!("   {count} killed by {}", invariant.name()));
            }
        }
        if self.blocked != 0 {
            note(fmt!("   {} killed by I1 (strong)", self.blocked));
        }
        for (reason, count) in &self.equivalent {
            note(fmt!("   {count} equivalent: {reason}"));
        }
    }
}
