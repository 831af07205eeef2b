// SPDX-License-Identifier: GPL-2.0

//! Which addresses a memory has, so that no two have the same: an IOMMU walks tables of several.

use core::sync::atomic::{
    AtomicU32,
    AtomicU64,
    Ordering::Relaxed, //
};

/// A bit of all addresses: what no table has is far from them.
const BASE: u64 = 1 << 47;

/// Base-2 logarithm of the bytes of addresses of a memory.
const SHIFT: u32 = 34;

/// Base-2 logarithm of the windows below [`BASE`].
const COUNT_LG2: u32 = 47 - SHIFT;

/// Which windows are taken, one bit each.
static TAKEN: [AtomicU64; 1 << (COUNT_LG2 - 6)] =
    [const { AtomicU64::new(0) }; 1 << (COUNT_LG2 - 6)];

/// The addresses of one memory: `1 << SHIFT` bytes.
pub(super) struct Window {
    number: u32,
    /// Nobody else has it.
    own: bool,
}

impl Window {
    /// Takes one, and not soon again what was given back. With more than 8192 memories at a time,
    /// the newest share addresses with others.
    pub(super) fn take() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let from = NEXT.fetch_add(1, Relaxed);
        for more in 0..1 << COUNT_LG2 {
            let number = from.wrapping_add(more) & ((1 << COUNT_LG2) - 1);
            let (word, bit) = Self::mark(number);
            if word.is_some_and(|word| word.fetch_or(bit, Relaxed) & bit == 0) {
                return Self { number, own: true };
            }
        }
        let number = from & ((1 << COUNT_LG2) - 1);
        Self { number, own: false }
    }

    fn mark(number: u32) -> (Option<&'static AtomicU64>, u64) {
        (TAKEN.get(number as usize / 64), 1 << (number & 63))
    }

    /// The first address, a multiple of the size.
    #[inline]
    pub(super) fn start(&self) -> u64 {
        BASE | (u64::from(self.number) << SHIFT)
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if let ((Some(word), bit), true) = (Self::mark(self.number), self.own) {
            word.fetch_and(!bit, Relaxed);
        }
    }
}
