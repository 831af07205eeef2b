// SPDX-License-Identifier: GPL-2.0

//! Defects, as edits of the list of steps that a driver without them emitted.
//!
//! Drivers carry no branches to be wrong in. A judge is worth what it notices, so every step of a
//! right list is spoiled in every way that applies, and each of the lists that come out is either
//! told from the right one or is as good, for a reason that can be named.

use crate::mock::hw::{
    model::Model,
    step::{
        Note,
        Step,
        Store, //
    },
};
use kernel::prelude::*;

/// A way to spoil one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// It is forgotten.
    Drop,
    /// It comes behind the next one.
    Swap,
    /// A store is done word by word.
    Split,
    /// Only the first half of a store is done.
    NarrowLow,
    /// Only the second half.
    NarrowHigh,
    /// What books say comes before everything else: a tag or tables are freed too early, or an
    /// endpoint is off a list before its entry is changed.
    Early,
    /// What books say comes behind the return: an endpoint is on a list too late.
    Late,
}

impl Defect {
    /// All of them.
    pub(crate) const ALL: [Self; 7] = [
        Self::Drop,
        Self::Swap,
        Self::Split,
        Self::NarrowLow,
        Self::NarrowHigh,
        Self::Early,
        Self::Late,
    ];

    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Drop => "dropped",
            Self::Swap => "swapped with the next",
            Self::Split => "split",
            Self::NarrowLow => "first half only",
            Self::NarrowHigh => "second half only",
            Self::Early => "too early",
            Self::Late => "too late",
        }
    }

    /// The list with that step spoiled; `None` where it cannot be, in this way.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn spoil(self, steps: &[Step], at: usize) -> Result<Option<KVVec<Step>>> {
        let Some(step) = steps.get(at) else {
            return Ok(None);
        };
        let mut spoiled = KVVec::with_capacity(steps.len() + 8, GFP_KERNEL)?;
        let (before, behind) = (steps.get(..at), steps.get(at + 1..));
        let (before, behind) = (before.unwrap_or(&[]), behind.unwrap_or(&[]));
        match (self, step) {
            // That it returns is not the driver's to forget, and whose a tag is no step.
            (
                Self::Drop | Self::Early | Self::Late,
                Step::Note(Note::Return | Note::Tagged(..)),
            ) => return Ok(None),
            (Self::Drop, _) => {
                spoiled.extend_from_slice(before, GFP_KERNEL)?;
                spoiled.extend_from_slice(behind, GFP_KERNEL)?;
            }
            (Self::Swap, _) => {
                let Some((next, behind)) = behind.split_first() else {
                    return Ok(None);
                };
                if next == step || is_return(next) || is_return(step) {
                    return Ok(None);
                }
                spoiled.extend_from_slice(before, GFP_KERNEL)?;
                spoiled.push(*next, GFP_KERNEL)?;
                spoiled.push(*step, GFP_KERNEL)?;
                spoiled.extend_from_slice(behind, GFP_KERNEL)?;
            }
            (Self::Split | Self::NarrowLow | Self::NarrowHigh, Step::Store(store)) => {
                let half = store.count / 2;
                let parts = match self {
                    Self::Split => 0..store.count,
                    Self::NarrowLow => 0..half,
                    _ => half..store.count,
                };
                if half == 0 {
                    return Ok(None);
                }
                spoiled.extend_from_slice(before, GFP_KERNEL)?;
                for word in parts {
                    spoiled.push(Step::Store(word_of(store, word)), GFP_KERNEL)?;
                }
                spoiled.extend_from_slice(behind, GFP_KERNEL)?;
            }
            (Self::Early, Step::Note(Note::Untagged(_) | Note::Freed(_) | Note::Unlisted(..))) => {
                spoiled.push(*step, GFP_KERNEL)?;
                spoiled.extend_from_slice(before, GFP_KERNEL)?;
                spoiled.extend_from_slice(behind, GFP_KERNEL)?;
            }
            (Self::Late, Step::Note(Note::Listed(..))) => {
                spoiled.extend_from_slice(before, GFP_KERNEL)?;
                spoiled.extend_from_slice(behind, GFP_KERNEL)?;
                spoiled.push(*step, GFP_KERNEL)?;
            }
            _ => return Ok(None),
        }
        Ok(Some(spoiled))
    }

    /// Why the spoiled list is as good as the right one on a model, where that can be seen from the
    /// list.
    pub(crate) fn excuse(
        self,
        model: &dyn Model,
        steps: &[Step],
        at: usize,
    ) -> Option<&'static str> {
        let step = steps.get(at)?;
        let next = steps.get(at + 1);
        match (self, step) {
            (Self::Drop, Step::Note(Note::Untagged(_) | Note::Freed(_))) => {
                Some("something is never freed, which hardware does not mind")
            }
            (Self::Drop, Step::Note(Note::Unlisted(..))) => Some("more is flushed than has to be"),
            (Self::Drop, Step::Barrier) if orders(steps, at) => {
                Some("what follows orders stores, too")
            }
            (Self::Swap, Step::Note(_)) if matches!(next, Some(Step::Note(_))) => {
                Some("books are written in another order")
            }
            (Self::Swap, Step::Submit(a)) => match next {
                Some(Step::Submit(b)) if model.overtakes(*b, *a) && model.overtakes(*a, *b) => {
                    Some("commands of one batch are carried out in any order")
                }
                _ => None,
            },
            (Self::Swap, Step::Store(a)) => match next {
                Some(Step::Store(b)) if !overlap(a, b) => {
                    Some("stores without a barrier between them become visible in any order")
                }
                Some(Step::Barrier) if orders(steps, at + 1) => {
                    Some("what follows orders stores, too")
                }
                _ => None,
            },
            _ => None,
        }
    }
}

fn is_return(step: &Step) -> bool {
    matches!(step, Step::Note(Note::Return))
}

fn word_of(store: &Store, word: u32) -> Store {
    let mut part = Store {
        at: store.at + 8 * u64::from(word),
        count: 1,
        words: [0; 8],
        keep: [0; 8],
    };
    let at = word as usize;
    let ([to, ..], [keep, ..]) = (&mut part.words, &mut part.keep);
    *to = store.words.get(at).copied().unwrap_or(0);
    *keep = store.keep.get(at).copied().unwrap_or(0);
    part
}

fn overlap(a: &Store, b: &Store) -> bool {
    let end = |store: &Store| store.at.saturating_add(8 * u64::from(store.count));
    a.at < end(b) && b.at < end(a)
}

/// Whether there is something else between the stores around a barrier that orders them, or no
/// store on one side of it.
fn orders(steps: &[Step], barrier: usize) -> bool {
    let is_order = |step: &Step| matches!(step, Step::Barrier | Step::Submit(_) | Step::Call(..));
    let is_store = |step: &Step| matches!(step, Step::Store(_));
    let before = steps.get(..barrier).unwrap_or(&[]).iter().rev();
    let behind = steps.get(barrier + 1..).unwrap_or(&[]).iter();
    let matters = |step: &&Step| is_order(step) || is_store(step);
    let (mut before, mut behind) = (before, behind);
    let is_bound = |step: Option<&Step>| !step.is_some_and(is_store);
    is_bound(before.find(matters)) || is_bound(behind.find(matters))
}
