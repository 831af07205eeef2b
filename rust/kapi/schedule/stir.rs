// SPDX-License-Identifier: GPL-2.0

//! Random delays at the points, for threads that really run at once.
//!
//! What goes wrong only if another CPU comes between two instructions would take hours to be hit.
//! With delays there it takes moments.

use crate::kapi::thread::yield_now;
use kernel::{
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// Whether there are delays.
static ON: Atomic<bool> = Atomic::new(false);
/// What the next one is drawn from.
static STATE: Atomic<u64> = Atomic::new(0);

/// The longest delay, in microseconds. `fsleep()` does not sleep for so few, but spins.
const LONGEST: u64 = 8;

/// While this lives, there are delays.
pub(crate) struct Stirred(());

impl Stirred {
    /// Begins; the delays of one thread alone would be those of `seed`.
    pub(crate) fn start(seed: u64) -> Self {
        STATE.store(seed, Relaxed);
        ON.store(true, Relaxed);
        Self(())
    }
}

impl Drop for Stirred {
    fn drop(&mut self) {
        ON.store(false, Relaxed);
    }
}

/// At one point of four there is a delay, or another thread goes first.
pub(super) fn stir() {
    if !ON.load(Relaxed) {
        return;
    }
    let mut drawn = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
    drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    drawn ^= drawn >> 27;
    match drawn & 15 {
        0 => yield_now(),
        1..=3 => fsleep(Delta::from_micros((1 + (drawn >> 8) % LONGEST) as i64)),
        _ => (),
    }
}
