// SPDX-License-Identifier: GPL-2.0

//! Changing an entry that hardware may read at any time, one word after the other
//! (arm_smmu_write_entry() in Linux).
//!
//! Bits that the entry does not use can be changed without anybody noticing. If all else that
//! changes is in one word, the *critical* one, its store switches over between two entries that are
//! both whole. Else the entry is made invalid meanwhile.

use super::{
    super::hw::model::{
        Words,
        WORDS, //
    },
    used::Entry,
};
use core::ops::Range;
use kernel::prelude::*;

/// An entry in memory.
pub(crate) trait Place {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// EFAULT where there is none.
    fn load(&self) -> Result<Words>;

    /// Writes one word.
    ///
    /// # Errors
    ///
    /// EFAULT where there is none.
    fn store(&mut self, index: usize, word: u64) -> Result;

    /// Lets what was stored before, to what the entry refers to, be visible before what is stored
    /// after.
    fn barrier(&mut self);

    /// Makes hardware forget the entry, and returns when it has.
    fn sync(&mut self);
}

/// How an entry gets from one value to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The value with all bits changed that may change early.
    unused_update: Words,
    /// Words that then still differ in what the target uses, one bit each.
    pub(crate) critical: u8,
}

impl Plan {
    /// Compares two values of an entry.
    pub(crate) fn new<E: Entry>(from: &Words, to: &Words) -> Self {
        let (used, target_used, safe) = (E::used(from), E::used(to), E::safe(from, to));
        let mut unused_update = Words::default();
        let mut critical = 0;
        let masks = used.iter().zip(&target_used).zip(&safe);
        let words = from.iter().zip(to).zip(&mut unused_update);
        for (index, (((from, to), update), ((used, target_used), safe))) in
            words.zip(masks).enumerate()
        {
            let kept = used & !(safe & target_used);
            *update = (from & kept) | (to & !kept);
            critical |= u8::from(*update & target_used != *to) << index;
        }
        Self {
            unused_update,
            critical,
        }
    }
}

/// Makes an entry `to`.
///
/// # Errors
///
/// EFAULT where there is no entry.
pub(crate) fn write<E: Entry>(place: &mut impl Place, to: &Words) -> Result {
    place.barrier();
    let mut now = place.load()?;
    let plan = Plan::new::<E>(&now, to);
    let mut early = plan.unused_update;
    match plan.critical.count_ones() {
        0 => set(place, &mut now, to, 0..WORDS),
        1 => {
            let at = plan.critical.trailing_zeros() as usize;
            // It is written whole in the next step.
            if let (Some(early), Some(now)) = (early.get_mut(at), now.get(at)) {
                *early = *now;
            }
            set(place, &mut now, &early, 0..WORDS)?;
            set(place, &mut now, to, at..at + 1)?;
            set(place, &mut now, to, 0..WORDS)
        }
        _ => {
            set(place, &mut now, &Words::default(), 0..1)?;
            set(place, &mut now, to, 1..WORDS)?;
            set(place, &mut now, to, 0..1)
        }
    }
}

/// Writes those words of a range that differ, and syncs if there are any.
fn set(place: &mut impl Place, now: &mut Words, to: &Words, range: Range<usize>) -> Result {
    let mut changed = false;
    for (index, (now, to)) in now.iter_mut().zip(to).enumerate() {
        if range.contains(&index) && now != to {
            place.store(index, *to)?;
            *now = *to;
            changed = true;
        }
    }
    if changed {
        place.sync();
    }
    Ok(())
}
