// SPDX-License-Identifier: GPL-2.0

//! What is done where the effort is not enough for all.

use crate::effort;

/// Which of a number of things are done, evenly spread.
#[derive(Clone, Copy)]
pub(crate) struct Share {
    all: usize,
    count: usize,
}

impl Share {
    /// That which the effort asks for of `all`: at least one.
    pub(crate) fn of(all: usize) -> Self {
        Self::at(effort(), all)
    }

    /// That which an effort of so many percent asks for.
    pub(crate) fn at(percent: u32, all: usize) -> Self {
        let count = (all * percent as usize).div_ceil(100).min(all);
        Self { all, count }
    }

    /// How many there are.
    pub(crate) fn count(self) -> usize {
        self.count
    }

    /// Whether number `at` is among them. A single one is a quarter on: early ones do little, and
    /// later ones may need PASIDs.
    pub(crate) fn has(self, at: usize) -> bool {
        let place = (at + self.all - self.all / 4) * self.count;
        let rest = place.checked_rem(self.all);
        rest.is_some_and(|rest| rest < self.count)
    }
}
