// SPDX-License-Identifier: GPL-2.0

//! A field of a structure of 64-bit words.

/// Some consecutive bits of one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    word: usize,
    hi: u32,
    lo: u32,
}

impl Field {
    /// Bits `hi` to `lo`, both inclusive, of a word.
    pub(crate) const fn new(word: usize, hi: u32, lo: u32) -> Self {
        Self { word, hi, lo }
    }

    /// One bit of a word.
    pub(crate) const fn bit(word: usize, at: u32) -> Self {
        Self::new(word, at, at)
    }

    /// Its bits in the word.
    pub(crate) const fn mask(self) -> u64 {
        (u64::MAX >> (63 - self.hi)) & (u64::MAX << self.lo)
    }

    /// Which word it is in.
    pub(crate) const fn word(self) -> usize {
        self.word
    }

    /// The value.
    pub(crate) fn get(self, words: &[u64]) -> u64 {
        self.address(words) >> self.lo
    }

    /// The value of a single bit.
    pub(crate) fn is_set(self, words: &[u64]) -> bool {
        self.get(words) != 0
    }

    /// The value of a field that holds the upper bits of an address.
    pub(crate) fn address(self, words: &[u64]) -> u64 {
        words.get(self.word).map_or(0, |word| word & self.mask())
    }

    /// Writes a value, as far as it fits.
    pub(crate) fn set(self, words: &mut [u64], value: u64) {
        self.set_address(words, value << self.lo);
    }

    /// Writes the upper bits of an address.
    pub(crate) fn set_address(self, words: &mut [u64], address: u64) {
        if let Some(word) = words.get_mut(self.word) {
            *word = (*word & !self.mask()) | (address & self.mask());
        }
    }
}
