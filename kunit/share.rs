// SPDX-License-Identifier: GPL-2.0

//! What is done where the effort is not enough for all.

use crate::effort;

/// How many of `all` the effort asks for: at least one.
pub(crate) fn share_of(all: usize) -> usize {
    (all * effort() as usize).div_ceil(100).min(all)
}

/// Whether one of `all` is among them: evenly spread. A single one is a quarter on: early ones do
/// little, and later ones may need PASIDs.
pub(crate) fn is_due(at: usize, all: usize) -> bool {
    let share = share_of(all);
    let place = (at + all - all / 4) * share;
    place.checked_rem(all).is_some_and(|rest| rest < share)
}
