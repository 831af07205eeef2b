// SPDX-License-Identifier: GPL-2.0

//! The transitions that a family's matrix is made of.

use super::{
    family::Judged,
    recipe::{
        End,
        Recipe, //
    },
};
use crate::{
    kapi::kunit::Outcome,
    share::Share, //
};
use kernel::prelude::*;

/// A PASID whose DMA is moved.
const PASID: u32 = 1;

/// Calls `f` with every transition.
pub(super) fn each<J: Judged>(protocol: u32, f: &mut dyn FnMut(Recipe) -> Outcome) -> Outcome {
    let mut ends = KVec::new();
    for end in [End::Blocked, End::Identity] {
        ends.push(end, GFP_KERNEL)?;
    }
    for stage in 0..J::STAGES.len() {
        ends.push(End::A(stage), GFP_KERNEL)?;
        ends.push(End::B(stage), GFP_KERNEL)?;
    }
    for pasid in [None, Some(PASID)] {
        for from in &ends {
            for to in &ends {
                let recipe = Recipe {
                    pasid,
                    ..Recipe::new(protocol, *from, *to)
                };
                if is_wanted(*from, *to) && J::is_wanted(*from, *to) {
                    f(recipe)?;
                }
            }
        }
    }
    Ok(())
}

/// Spaces are all alike: from A to B stands for the other way round.
fn is_wanted(from: End, to: End) -> bool {
    match (from, to) {
        (End::B(_), _) | (End::A(_), End::A(_)) => false,
        (End::Blocked | End::Identity, End::B(_)) => false,
        _ => from != to,
    }
}

/// Does so with as many as the effort asks for, as each has many cases.
pub(super) fn some<J: Judged>(protocol: u32, f: &mut dyn FnMut(Recipe) -> Outcome) -> Outcome {
    let mut all = 0;
    each::<J>(protocol, &mut |_| {
        all += 1;
        Ok(())
    })?;
    let share = Share::of(all);
    let mut at = 0;
    each::<J>(protocol, &mut |recipe| {
        at += 1;
        match share.has(at - 1) {
            true => f(recipe),
            false => Ok(()),
        }
    })
}
