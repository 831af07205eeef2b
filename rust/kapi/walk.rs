// SPDX-License-Identifier: GPL-2.0

//! What is measured on a page table, ours or one of the kernel's.

use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// An operation. In the order of the helpers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Maps a range.
    Map,
    /// Unmaps it and gives the tables back.
    Unmap,
    /// Looks its first address up.
    Look,
}

/// Ranges at equal distances, as `struct walk` of the helpers.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Walk {
    /// IOVA of the first range.
    pub(crate) iova: u64,
    /// Where it leads; the others are at the same distance.
    pub(crate) pa: u64,
    /// Bytes of a range.
    pub(crate) len: u64,
    /// Bytes from one to the next.
    pub(crate) stride: u64,
    /// How many.
    pub(crate) times: u32,
}

/// Ranges of a page table that threads are in, which must not overlap.
pub(super) struct Claims(Pin<KBox<Mutex<KVec<Range>>>>);

/// First and last address.
type Range = (u64, u64);

/// A range that no other thread is in. Ends when dropped.
pub(super) struct Claim<'a> {
    claims: &'a Claims,
    range: Range,
}

impl Claims {
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new() -> Result<Self> {
        let ranges = new_mutex!(KVec::new(), "Claims");
        Ok(Self(KBox::pin_init(ranges, GFP_KERNEL)?))
    }

    /// Claims all from the first to the last range of a walk, unless a part of that is claimed.
    pub(super) fn claim(&self, walk: &Walk) -> Option<Claim<'_>> {
        let more = u64::from(walk.times.checked_sub(1)?).checked_mul(walk.stride)?;
        let last = walk.iova.checked_add(more)?;
        self.claim_range(walk.iova, last.checked_add(walk.len.checked_sub(1)?)?)
    }

    /// Claims all from the first to the last address, unless a part of that is claimed.
    pub(super) fn claim_range(&self, first: u64, last: u64) -> Option<Claim<'_>> {
        let range = (first, last);
        let mut ranges = self.0.lock();
        if ranges.iter().any(|r| r.0 <= last && first <= r.1) {
            return None;
        }
        ranges.push(range, GFP_KERNEL).ok()?;
        Some(Claim {
            claims: self,
            range,
        })
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.claims.0.lock().retain(|range| *range != self.range);
    }
}
