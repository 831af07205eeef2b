// SPDX-License-Identifier: GPL-2.0

//! Sets of small numbers.

/// A set of numbers below 64 × `N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits<const N: usize>([u64; N]);

/// Facts that hardware may have got hold of.
pub(super) type Facts = Bits<5>;

/// Ends that a lookup may come to.
pub(super) type Ends = Bits<2>;

impl<const N: usize> Bits<N> {
    /// The empty set.
    pub(super) const EMPTY: Self = Self([0; N]);

    /// How many numbers there are.
    pub(super) const ROOM: usize = 64 * N;

    /// The words it is made of.
    pub(super) fn words(&self) -> &[u64; N] {
        &self.0
    }

    /// Whether a number is in it.
    pub(super) fn has(&self, at: usize) -> bool {
        self.0
            .get(at >> 6)
            .is_some_and(|word| word & (1 << (at & 63)) != 0)
    }

    /// Adds a number.
    pub(super) fn add(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at >> 6) {
            *word |= 1 << (at & 63);
        }
    }

    /// Takes a number out.
    pub(super) fn remove(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at >> 6) {
            *word &= !(1 << (at & 63));
        }
    }

    fn zip(&self, other: &Self, f: impl Fn(u64, u64) -> u64) -> Self {
        let mut out = *self;
        for (to, from) in out.0.iter_mut().zip(other.0) {
            *to = f(*to, from);
        }
        out
    }

    /// What is in either.
    pub(super) fn or(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    /// What is in both.
    pub(super) fn and(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    /// What is in this one only.
    pub(super) fn minus(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    /// Whether all of it is in the other.
    pub(super) fn within(&self, other: &Self) -> bool {
        self.minus(other).is_empty()
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many are in it.
    pub(super) fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// All that is in it, smallest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        let words = self.0;
        words.into_iter().enumerate().flat_map(|(n, word)| {
            let mut rest = word;
            core::iter::from_fn(move || {
                let at = rest.trailing_zeros() as usize;
                // Clears the lowest bit, and stays 0 when there is none.
                rest &= rest.wrapping_sub(1);
                (at < 64).then_some(64 * n + at)
            })
        })
    }
}
