// SPDX-License-Identifier: GPL-2.0

//! Letting one allocation of this task after the other fail, by the kernel's own fault injection.
//!
//! It reaches every allocation from a slab, of Rust and of C: boxes, vectors, reference-counted
//! objects. Not those of whole pages, nor what another task allocates on behalf of this one.
//!
//! C header: [`include/linux/fault-inject.h`](srctree/include/linux/fault-inject.h)

use super::ffi;
use core::num::NonZeroU32;
use kernel::types::NotThreadSafe;

/// While this lives, allocations that may sleep can be told to fail, and do so without a word in
/// the log.
///
/// # Invariants
///
/// Began successfully, and no other one lives: KUnit runs one test at a time.
pub(crate) struct FailNth(NotThreadSafe);

impl FailNth {
    /// Begins, unless the kernel is built without `CONFIG_FAILSLAB` or the files in debugfs that go
    /// with it.
    pub(crate) fn start() -> Option<Self> {
        // SAFETY: Only tests call this, one at a time.
        let began = unsafe { ffi::failslab(true) };
        // INVARIANT: It has just begun.
        began.then_some(Self(NotThreadSafe))
    }

    /// Lets allocation number `nth` of `act` fail, and returns with its result whether there was
    /// such an allocation.
    pub(crate) fn run<T>(&self, nth: NonZeroU32, act: impl FnOnce() -> T) -> (T, bool) {
        // SAFETY: Concerns this task alone.
        unsafe { ffi::fail_nth(nth.get()) };
        let result = act();
        // SAFETY: As above.
        let left = unsafe { ffi::fail_nth(0) };
        (result, left == 0)
    }
}

impl Drop for FailNth {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it has begun.
        unsafe { ffi::failslab(false) };
    }
}
