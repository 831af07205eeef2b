// SPDX-License-Identifier: GPL-2.0

//! How often which operation ended how, for groups of which size.

use super::{
    ops::Kind,
    MAX_MEMBERS, //
};
use crate::kapi::kunit::{
    check,
    note,
    Outcome as Result, //
};
use kernel::prelude::*;

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It did what was asked.
    Done,
    /// The core refused it by its rules.
    Refused,
    /// A driver failed, and it was undone.
    Failed,
    /// It raised a WARN.
    Warned,
}

const OUTCOMES: [Outcome; 4] = [
    Outcome::Done,
    Outcome::Refused,
    Outcome::Failed,
    Outcome::Warned,
];
const SIZES: usize = MAX_MEMBERS as usize;

/// Hits that a reachable cell needs in [`FULL`] operations.
const ENOUGH: u32 = 100;

/// Operations of a full walk. Shorter ones need fewer hits in proportion, less a third for luck.
pub(crate) const FULL: u32 = 500_000;

/// See the module.
pub(super) struct Coverage {
    hits: [[[u32; SIZES]; OUTCOMES.len()]; Kind::ALL.len()],
    /// The family has PASIDs.
    pasids: bool,
}

impl Coverage {
    pub(super) fn new(pasids: bool) -> Self {
        let hits = [[[0; SIZES]; OUTCOMES.len()]; Kind::ALL.len()];
        Self { hits, pasids }
    }

    pub(super) fn count(&mut self, kind: Kind, outcome: Outcome, members: u32) {
        let cell = self
            .hits
            .get_mut(kind as usize)
            .and_then(|row| row.get_mut(outcome as usize))
            .and_then(|row| row.get_mut((members as usize).wrapping_sub(1)));
        if let Some(cell) = cell {
            *cell += 1;
        }
    }

    /// The reachable end with the fewest hits in groups of that many devices.
    pub(super) fn rarest(&self, members: u32) -> (Kind, Outcome) {
        let mut rarest = (Kind::Attach, Outcome::Done);
        let mut fewest = u32::MAX;
        for (kind, outcomes) in Kind::ALL.iter().zip(&self.hits) {
            for (outcome, sizes) in OUTCOMES.iter().zip(outcomes) {
                let hits = sizes.get((members as usize).wrapping_sub(1));
                let hits = hits.copied().unwrap_or(u32::MAX);
                if kind.reaches(*outcome, members, self.pasids) && hits < fewest {
                    rarest = (*kind, *outcome);
                    fewest = hits;
                }
            }
        }
        rarest
    }

    /// Prints the table: operation, outcome, hits for each group size.
    pub(super) fn print(&self) {
        note(fmt!("{:>32}  1 ... {MAX_MEMBERS} members", ""));
        for (kind, outcomes) in Kind::ALL.iter().zip(&self.hits) {
            for (outcome, sizes) in OUTCOMES.iter().zip(outcomes) {
                if sizes.iter().any(|hits| *hits != 0) {
                    let (kind, outcome) = (kind.name(), outcome.name());
                    note(fmt!("{kind:>20} {outcome:>8} {sizes:>6?}"));
                }
            }
        }
    }

    /// Fails where a reachable cell was hit too rarely, an unreachable one was hit, or fewer than
    /// 40 % of the operations did what was asked.
    pub(super) fn check(&self, steps: u32) -> Result {
        let enough = match steps < FULL {
            true => u64::from(ENOUGH) * u64::from(steps) / u64::from(FULL) * 2 / 3,
            false => u64::from(ENOUGH),
        };
        let mut done = 0u64;
        for (kind, outcomes) in Kind::ALL.iter().zip(&self.hits) {
            for (outcome, sizes) in OUTCOMES.iter().zip(outcomes) {
                for (members, hits) in (1u32..).zip(sizes) {
                    let hits = u64::from(*hits);
                    if *outcome == Outcome::Done {
                        done += hits;
                    }
                    let cell = fmt!("{} {} with {members} members", kind.name(), outcome.name());
                    if kind.reaches(*outcome, members, self.pasids) {
                        check!(hits >= enough, "{cell}: {hits} hits, {enough} wanted");
                    } else {
                        check!(hits == 0, "{cell}: cannot be, but was {hits} times");
                    }
                }
            }
        }
        let percent = done * 100 / u64::from(steps.max(1));
        note(fmt!("{percent} % of the operations succeeded"));
        check!(
            percent >= 40,
            "only {percent} % of the operations succeeded"
        );
        Ok(())
    }
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Warned => "warned",
        }
    }
}
