// SPDX-License-Identifier: GPL-2.0

//! Random numbers that can be had again from their seed.

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    /// Starts the sequence of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`; 0 if that is 0.
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        // The modulus is below 2^32, so is the result.
        (self.next() >> 32)
            .checked_rem(u64::from(limit))
            .unwrap_or(0) as u32
    }

    /// Whether something with a chance of `percent` happens.
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`, which are at least one.
    pub(crate) fn pick<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        const { assert!(N > 0 && N < 1 << 20) };
        let at = self.below(N as u32) as usize;
        let mut chosen = choices[0];
        for (i, choice) in choices.into_iter().enumerate() {
            if i == at {
                chosen = choice;
            }
        }
        chosen
    }
}
