// SPDX-License-Identifier: GPL-2.0

//! Finding what was seen before.

use kernel::prelude::*;

/// Where nothing is.
const FREE: u64 = u64::MAX;

/// Numbers of things, found by a hash of the thing. Things are kept by whoever asks.
pub(super) struct Index {
    /// Upper half of the hash, then the number.
    slots: KVVec<u64>,
    used: usize,
}

/// Mixes words to a hash.
pub(super) fn hash(first: &[u64], rest: &[u64]) -> u64 {
    let mut hash = 0x9e37_79b9_7f4a_7c15_u64;
    for words in [first, rest] {
        for word in words {
            hash = (hash ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
            hash ^= hash >> 32;
        }
    }
    hash
}

impl Index {
    /// Makes an empty one.
    pub(super) fn new() -> Self {
        Self {
            slots: KVVec::new(),
            used: 0,
        }
    }

    /// Forgets all numbers and keeps the memory.
    pub(super) fn clear(&mut self) {
        for slot in &mut self.slots {
            *slot = FREE;
        }
        self.used = 0;
    }

    /// Finds the number of a thing: `same` says whether a number is its number.
    pub(super) fn find(&self, hash: u64, mut same: impl FnMut(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = (hash >> 32) as usize & mask;
        for _ in 0..self.slots.len() {
            let slot = *self.slots.get(at)?;
            if slot == FREE {
                return None;
            }
            // CAST: The lower half is the number.
            let number = slot as u32;
            if slot >> 32 == hash >> 32 && same(number) {
                return Some(number);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Adds the number of a thing that was not found.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn add(&mut self, hash: u64, number: u32) -> Result {
        if self.used * 2 >= self.slots.len() {
            self.grow()?;
        }
        self.used += 1;
        place(&mut self.slots, hash >> 32 << 32 | u64::from(number));
        Ok(())
    }

    fn grow(&mut self) -> Result {
        let count = (self.slots.len() * 2).max(64);
        let mut slots = KVVec::from_elem(FREE, count, GFP_KERNEL)?;
        for slot in &self.slots {
            if *slot != FREE {
                place(&mut slots, *slot);
            }
        }
        self.slots = slots;
        Ok(())
    }
}

/// Puts a slot where it is found again; there is room.
fn place(slots: &mut [u64], new: u64) {
    let mask = slots.len().saturating_sub(1);
    let mut at = (new >> 32) as usize & mask;
    for _ in 0..slots.len() {
        match slots.get_mut(at) {
            Some(slot) if *slot == FREE => {
                *slot = new;
                return;
            }
            _ => at = (at + 1) & mask,
        }
    }
}
