// SPDX-License-Identifier: GPL-2.0

//! Fields of entries and descriptors, by the numbers of their bits as the manual counts them.

/// A field within one word of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    hi: u32,
    lo: u32,
}

impl Field {
    /// The field from bit `hi` down to bit `lo`, both inclusive, counted from bit 0 of word 0.
    pub(super) const fn bits(hi: u32, lo: u32) -> Self {
        Self { hi, lo }
    }

    /// The field of bit `at`.
    pub(super) const fn bit(at: u32) -> Self {
        Self { hi: at, lo: at }
    }

    /// Number of the word that it is in.
    pub(crate) const fn word(self) -> usize {
        (self.lo / 64) as usize
    }

    /// Its bits in that word.
    pub(crate) const fn mask(self) -> u64 {
        (u64::MAX >> (63 - self.hi % 64)) & (u64::MAX << (self.lo % 64))
    }

    /// A value in its place; what does not fit is cut off.
    pub(crate) const fn place(self, value: u64) -> u64 {
        (value << (self.lo % 64)) & self.mask()
    }

    /// Its value.
    pub(crate) fn get(self, words: &[u64]) -> u64 {
        self.address(words) >> (self.lo % 64)
    }

    /// Its value where it is: an address, if the field holds one from bit 12 on.
    pub(crate) fn address(self, words: &[u64]) -> u64 {
        words.get(self.word()).copied().unwrap_or(0) & self.mask()
    }

    /// Gives it a value; what does not fit is cut off.
    pub(crate) fn set(self, words: &mut [u64], value: u64) {
        if let Some(word) = words.get_mut(self.word()) {
            *word = (*word & !self.mask()) | self.place(value);
        }
    }
}
