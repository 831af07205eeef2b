// SPDX-License-Identifier: GPL-2.0

//! Fields of entries and commands.

/// Some bits of one of several words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    word: usize,
    hi: u32,
    lo: u32,
}

impl Field {
    /// Bits from `lo` up to and including `hi` of a word.
    pub(super) const fn bits(word: usize, hi: u32, lo: u32) -> Self {
        Self { word, hi, lo }
    }

    /// One bit of a word.
    pub(super) const fn bit(word: usize, bit: u32) -> Self {
        Self::bits(word, bit, bit)
    }

    /// Its bits within the word.
    pub(crate) const fn mask(self) -> u64 {
        (u64::MAX >> (63 - self.hi)) & (u64::MAX << self.lo)
    }

    /// Its value; 0 where there is no such word.
    pub(crate) fn get(self, words: &[u64]) -> u64 {
        let word = words.get(self.word).copied().unwrap_or(0);
        (word & self.mask()) >> self.lo
    }

    /// Changes its value. Bits that do not fit are lost.
    pub(crate) fn put(self, words: &mut [u64], value: u64) {
        if let Some(word) = words.get_mut(self.word) {
            *word = (*word & !self.mask()) | ((value << self.lo) & self.mask());
        }
    }
}
