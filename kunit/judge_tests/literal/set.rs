// SPDX-License-Identifier: GPL-2.0

//! What DMA can come to, and where.

use crate::judge::Outcome;
use kernel::{
    prelude::*,
    rbtree::RBTree, //
};

/// Where the two actors are, and what DMA comes to there.
pub(crate) type Seen = (u8, u8, u64);

/// A set of that, as a number for each.
pub(crate) struct Set(RBTree<Seen, ()>);

impl Set {
    /// The empty set.
    pub(crate) fn new() -> Self {
        Self(RBTree::new())
    }

    /// Adds what DMA comes to.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn add(&mut self, at: [u8; 2], outcome: Outcome) -> Result {
        let what = match outcome {
            Outcome::Aborted => 0,
            Outcome::Untranslated => 1,
            Outcome::Wild => 2,
            Outcome::Reaches(to) => to | 3,
        };
        let [first, second] = at;
        let key = (first, second, what);
        if self.0.get(&key).is_none() {
            self.0.try_create_and_insert(key, (), GFP_KERNEL)?;
        }
        Ok(())
    }

    /// The first thing that only this one has.
    pub(crate) fn beyond(&self, other: &Self) -> Option<Seen> {
        self.0
            .keys()
            .find(|key| other.0.get(key).is_none())
            .copied()
    }

    /// How much is in it.
    pub(crate) fn count(&self) -> usize {
        self.0.keys().count()
    }
}
