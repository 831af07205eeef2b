// SPDX-License-Identifier: GPL-2.0

//! The fewest operations that still show a difference.

use super::{
    pair::{
        Next,
        Pair, //
    },
    Difference,
    Step,
    Walk, //
};
use crate::kapi::kunit::{
    fails,
    note,
    Failed,
    Outcome,
    WarnCounter, //
};
use kernel::prelude::*;

/// Sequences that are tried before what is left is taken for the shortest.
const TRIES: u32 = 1_000;

impl Walk {
    /// Prints the operations of a difference that cannot be left out.
    pub(super) fn shrink(&self, difference: Difference) -> Failed {
        let Difference {
            members,
            steps,
            failed,
        } = difference;
        let count = steps.len();
        let fewest = self.fewest(members, steps);
        note(fmt!(
            "seed {}, {members} members: {} of {count} operations make the difference:",
            self.seed,
            fewest.len()
        ));
        for Step { op, rule } in &fewest {
            match rule {
                Some(rule) => note(fmt!("  {op:?} while {rule:?}")),
                None => note(fmt!("  {op:?}")),
            }
        }
        failed
    }

    /// The fewest of these operations after which the cores differ, each of which is needed.
    pub(crate) fn shortest(&self, difference: Difference) -> usize {
        self.fewest(difference.members, difference.steps).len()
    }

    fn fewest(&self, members: u32, mut steps: KVec<Step>) -> KVec<Step> {
        let mut tries = TRIES;
        let mut chunk = steps.len() / 2;
        while chunk != 0 {
            let mut from = 0;
            let mut shrunk = false;
            while from < steps.len() && tries != 0 {
                tries -= 1;
                let without = |(at, step): (usize, &Step)| {
                    Some(*step).filter(|_| at < from || at >= from + chunk)
                };
                let mut rest = KVec::new();
                for step in steps.iter().enumerate().filter_map(without) {
                    if rest.push(step, GFP_KERNEL).is_err() {
                        return steps;
                    }
                }
                if fails(|| self.replay(members, &rest)) {
                    steps = rest;
                    shrunk = true;
                } else {
                    from += chunk;
                }
            }
            // One left out may spare another that was tried before.
            if chunk != 1 || !shrunk || tries == 0 {
                chunk /= 2;
            }
        }
        steps
    }

    /// Does operations again, but for those that nobody may ask for any more.
    fn replay(&self, members: u32, steps: &[Step]) -> Outcome {
        let warnings = WarnCounter::start()?;
        let mut pair = Pair::new(self.scene, members, self.mistake)?;
        for step in steps {
            if !pair.model.permits(step.op) {
                continue;
            }
            if let Next::StartAfresh(_) = pair.step(*step, &warnings)? {
                break;
            }
        }
        Ok(())
    }
}
