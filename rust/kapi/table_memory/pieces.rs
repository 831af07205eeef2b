// SPDX-License-Identifier: GPL-2.0

//! Memory that grows and is contiguous, although nothing in it ever moves.

use super::super::ffi;
use core::{
    ptr,
    sync::atomic::AtomicU64, //
};
use kernel::prelude::*;

/// Memory that was had piece by piece, all of which is mapped one behind the other. With each piece
/// it is mapped anew; what was mapped before stays, too, for those that still read there.
#[derive(Default)]
pub(super) struct Pieces {
    /// Before the pieces, as it goes first.
    mapped: KVec<Mapped>,
    pieces: KVec<KVVec<u64>>,
}

/// All pieces that there were, in one range of kernel addresses.
///
/// # Invariants
///
/// The pointer came from `join`, and nobody else unmaps it.
struct Mapped(ptr::NonNull<c_void>);

impl Pieces {
    /// Adds words of zeroes and returns where all words are now, which live as long as `self`. May
    /// sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn add(&mut self, words: usize) -> Result<*mut AtomicU64> {
        self.pieces.reserve(1, GFP_KERNEL)?;
        self.mapped.reserve(1, GFP_KERNEL)?;
        let mut piece = KVVec::from_elem(0u64, words, GFP_KERNEL)?;
        // CAST: `AtomicU64` has the layout of `u64`.
        let alone = piece.as_mut_ptr().cast();
        // There is room.
        let _ = self.pieces.push_within_capacity(piece);
        if self.pieces.len() == 1 {
            return Ok(alone);
        }
        match self.join() {
            Ok(mapped) => {
                let all = mapped.0.cast().as_ptr();
                let _ = self.mapped.push_within_capacity(mapped);
                Ok(all)
            }
            Err(error) => {
                let _ = self.pieces.pop();
                Err(error)
            }
        }
    }

    fn join(&self) -> Result<Mapped> {
        let mut starts = KVec::with_capacity(self.pieces.len(), GFP_KERNEL)?;
        let mut bytes = KVec::with_capacity(self.pieces.len(), GFP_KERNEL)?;
        for piece in &self.pieces {
            starts.push(piece.as_ptr().cast(), GFP_KERNEL)?;
            bytes.push(piece.len() * size_of::<u64>(), GFP_KERNEL)?;
        }
        // SAFETY: Both have as many elements as there are pieces, each with where a piece starts
        // and its bytes, which live longer than what is mapped here: that is dropped first.
        let all = unsafe { ffi::join(starts.as_ptr(), bytes.as_ptr(), starts.len()) };
        // INVARIANT: It is new.
        Ok(Mapped(ptr::NonNull::new(all).ok_or(ENOMEM)?))
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; nobody reads there any more.
        unsafe { ffi::unjoin(self.0.as_ptr()) };
    }
}

// SAFETY: Mappings of kernel memory may be used and undone by any thread.
unsafe impl Send for Mapped {}
