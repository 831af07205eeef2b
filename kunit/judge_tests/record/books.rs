// SPDX-License-Identifier: GPL-2.0

//! What a driver's books say, as far as a tape tells.

use crate::mock::hw::{
    model::{
        Requester,
        Tag, //
    },
    step::{
        Note,
        Step, //
    },
};
use kernel::prelude::*;

/// What they said so far.
#[derive(Default)]
pub(super) struct Books {
    /// Whose tags are.
    pub(super) owners: KVec<(Tag, u64)>,
    /// For whom unmapping in a space flushes.
    pub(super) listed: KVec<(u64, Requester)>,
}

impl Books {
    /// Goes on with more steps.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn read(&mut self, steps: &[Step]) -> Result {
        for step in steps {
            match *step {
                Step::Note(Note::Listed(space, requester)) => {
                    self.listed.push((space, requester), GFP_KERNEL)?;
                }
                Step::Note(Note::Unlisted(space, requester)) => {
                    self.listed.retain(|of| *of != (space, requester));
                }
                Step::Note(Note::Tagged(space, tag)) => {
                    self.owners.retain(|(of, _)| *of != tag);
                    self.owners.push((tag, space), GFP_KERNEL)?;
                }
                Step::Note(Note::Untagged(tag)) => self.owners.retain(|(of, _)| *of != tag),
                _ => (),
            }
        }
        Ok(())
    }
}

/// A copy.
///
/// # Errors
///
/// ENOMEM.
pub(super) fn copy<T: Copy>(from: &[T]) -> Result<KVec<T>> {
    let mut to = KVec::with_capacity(from.len(), GFP_KERNEL)?;
    to.extend_from_slice(from, GFP_KERNEL)?;
    Ok(to)
}
