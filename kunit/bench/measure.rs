// SPDX-License-Identifier: GPL-2.0

//! Times of two sides that are taken in turns, so that both see the same machine.

use crate::effort;
use kernel::{
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    },
};

/// Rounds at the usual effort.
const ROUNDS: u32 = 41;

/// Rounds whose times are thrown away, as caches are cold.
const WARM_UP: u32 = 2;

/// Nanoseconds that `body` takes; never 0.
///
/// # Errors
///
/// Those of `body`.
pub(super) fn time(body: impl FnOnce() -> Result) -> Result<u64> {
    let start = Instant::<Monotonic>::now();
    body()?;
    let time = u64::try_from(start.elapsed().as_nanos()).map_err(|_| EIO)?;
    Ok(time.max(1))
}

/// One of the rounds of a measurement.
#[derive(Clone, Copy)]
pub(super) struct Round(u32);

impl Round {
    /// All rounds that the effort asks for, or as few as there can be.
    pub(super) fn all(few: bool) -> impl Iterator<Item = Self> {
        let rounds = match few {
            true => 1,
            false => (ROUNDS.saturating_mul(effort()) / 100).max(5),
        };
        (0..rounds.saturating_add(WARM_UP)).map(Self)
    }

    /// Takes the times of both sides, who is first by turns.
    ///
    /// # Errors
    ///
    /// Those of the sides.
    pub(super) fn take(
        self,
        into: &mut Pairs,
        ours: impl FnOnce() -> Result<u64>,
        theirs: impl FnOnce() -> Result<u64>,
    ) -> Result {
        let (a, b) = if self.0 & 1 == 0 {
            let a = ours()?;
            (a, theirs()?)
        } else {
            let b = theirs()?;
            (ours()?, b)
        };
        if self.0 >= WARM_UP {
            into.ours.push(a, GFP_KERNEL)?;
            into.theirs.push(b, GFP_KERNEL)?;
        }
        Ok(())
    }
}

/// The times of two sides, round by round.
pub(super) struct Pairs {
    ours: KVec<u64>,
    theirs: KVec<u64>,
}

/// What is left of the times of one side.
#[derive(Clone, Copy, Default)]
pub(super) struct Summary {
    /// Nanoseconds of a round: a quarter of them took no longer, half, and three quarters.
    pub(super) quartiles: [u64; 3],
}

impl Pairs {
    pub(super) fn new() -> Self {
        Self {
            ours: KVec::new(),
            theirs: KVec::new(),
        }
    }

    /// What is the same in each round.
    pub(super) fn of(ours: u64, theirs: u64) -> Result<Self> {
        let mut pairs = Self::new();
        pairs.ours.push(ours, GFP_KERNEL)?;
        pairs.theirs.push(theirs, GFP_KERNEL)?;
        Ok(pairs)
    }

    /// Of the one side and of the other.
    pub(super) fn summaries(&mut self) -> (Summary, Summary) {
        (summary(&mut self.ours), summary(&mut self.theirs))
    }

    /// The median of the ratios of each round, in thousandths. Noise that lasts longer than a round
    /// is in both times of it.
    pub(super) fn ratio(&self) -> Result<u64> {
        let mut ratios = KVec::new();
        for (a, b) in self.ours.iter().zip(&self.theirs) {
            let ratio = a.saturating_mul(1000).checked_div(*b).unwrap_or(0);
            ratios.push(ratio, GFP_KERNEL)?;
        }
        let [_, median, _] = summary(&mut ratios).quartiles;
        Ok(median)
    }
}

fn summary(times: &mut KVec<u64>) -> Summary {
    times.sort_unstable();
    let at = |quarter: usize| {
        let at = times.len().saturating_sub(1) * quarter / 4;
        times.get(at).copied().unwrap_or(0)
    };
    Summary {
        quartiles: [at(1), at(2), at(3)],
    }
}
