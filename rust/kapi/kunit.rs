// SPDX-License-Identifier: GPL-2.0

//! KUnit suites with parameters, speed and WARN counting, whose cases clean up when they fail.
//!
//! The `kunit_tests` macro of the `kernel` crate knows neither parameters nor a speed, and its
//! assertions end the thread without running a destructor. Here a case returns an [`Outcome`], a
//! failed [`check!`] returns from it, and everything it owns is dropped on the way.
//!
//! C header: [`include/kunit/test.h`](srctree/include/kunit/test.h)

mod suite;

pub(crate) use self::suite::{
    each,
    entries,
    kunit_case,
    kunit_suite,
    plain,
    suites,
    Case,
    Param,
    RawCase,
    RawSuite,
    VariantName,
    Variants, //
};

use core::{
    ffi::CStr,
    panic::Location,
    ptr, //
};
use kernel::{
    bindings, fmt,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// What a case that failed returns. The failure has been reported when it is made.
pub(crate) struct Failed(());

/// What a case returns.
pub(crate) type Outcome<T = ()> = core::result::Result<T, Failed>;

impl From<Error> for Failed {
    #[track_caller]
    fn from(error: Error) -> Self {
        fail(Location::caller(), fmt!("unexpected error {error:?}"))
    }
}

impl From<kernel::alloc::AllocError> for Failed {
    #[track_caller]
    fn from(_: kernel::alloc::AllocError) -> Self {
        fail(Location::caller(), fmt!("out of memory"))
    }
}

/// Marks the running case as failed at `place`, prints why, and returns the token to fail with.
pub(crate) fn fail(place: &Location<'_>, why: fmt::Arguments<'_>) -> Failed {
    if EXPECTED.load(Relaxed) {
        return Failed(());
    }
    kernel::kunit::err(fmt!("    # {}:{}: {}\n", place.file(), place.line(), why));
    if let Some(test) = current() {
        // SAFETY: `test` is the running test of this task, and `status` is written as
        // `kunit_set_failure()` does.
        unsafe {
            (&raw mut (*test.as_ptr()).status).write_volatile(bindings::kunit_status_KUNIT_FAILURE)
        };
    }
    Failed(())
}

/// Prints a line into the result of the running case.
pub(crate) fn note(line: fmt::Arguments<'_>) {
    if EXPECTED.load(Relaxed) {
        return;
    }
    kernel::kunit::info(fmt!("    # {}\n", line));
}

/// Marks the running case as skipped, says why, and returns the token to return with.
pub(crate) fn skip(why: &CStr) -> Failed {
    if EXPECTED.load(Relaxed) {
        return Failed(());
    }
    let Some(test) = current() else {
        return Failed(());
    };
    // SAFETY: `test` is the running test of this task, and nobody else has these fields.
    let (status, comment) = unsafe {
        (
            &raw mut (*test.as_ptr()).status,
            &mut (*test.as_ptr()).status_comment,
        )
    };
    for (to, byte) in comment.iter_mut().zip(why.to_bytes_with_nul()) {
        // CAST: The text is ASCII.
        *to = *byte as c_char;
    }
    // SAFETY: As above; written as `kunit_mark_skipped()` does.
    unsafe { status.write_volatile(bindings::kunit_status_KUNIT_SKIPPED) };
    Failed(())
}

/// Fails the case unless the condition holds; the message says what was seen.
macro_rules! check {
    ($cond:expr $(,)?) => { $crate::kapi::kunit::check!($cond, "expected {}", stringify!($cond)) };
    ($cond:expr, $($arg:tt)+) => {
        if !$cond {
            return Err($crate::kapi::kunit::fail(
                core::panic::Location::caller(),
                kernel::prelude::fmt!($($arg)+),
            ));
        }
    };
}
pub(crate) use check;

/// Fails the case unless both sides are equal, and says what they are.
macro_rules! check_eq {
    ($left:expr, $right:expr $(,)?) => {
        match (&$left, &$right) {
            (left, right) => $crate::kapi::kunit::check!(
                *left == *right,
                "{} is {:?}, expected {:?}",
                stringify!($left),
                left,
                right
            ),
        }
    };
}
pub(crate) use check_eq;

fn current() -> Option<ptr::NonNull<bindings::kunit>> {
    // SAFETY: Asking for the current task's test has no precondition.
    ptr::NonNull::new(unsafe { bindings::kunit_get_current_test() })
}

/// A scope in which the WARNs of this task are counted and not printed. Scopes nest.
///
/// # Invariants
///
/// `test` is the running test, and `handle` its suppression, active until the outermost scope ends.
pub(crate) struct WarnCounter {
    test: ptr::NonNull<bindings::kunit>,
    handle: ptr::NonNull<bindings::kunit_suppressed_warning>,
    /// WARNs before this scope.
    base: u32,
    outermost: bool,
}

/// The test and suppression of the outermost scope. KUnit runs one test at a time.
static OUTERMOST: [Atomic<usize>; 2] = [Atomic::new(0), Atomic::new(0)];

impl WarnCounter {
    /// Starts counting. Must run inside a case.
    pub(crate) fn start() -> Result<Self> {
        let test = current().ok_or(EINVAL)?;
        let [owner, active] = &OUTERMOST;
        let nested = owner.load(Relaxed) == test.as_ptr().expose_provenance();
        let handle = match nested {
            true => ptr::with_exposed_provenance_mut(active.load(Relaxed)),
            // SAFETY: `test` is the running test of this task.
            false => unsafe { bindings::kunit_start_suppress_warning(test.as_ptr()) },
        };
        let handle = ptr::NonNull::new(handle).ok_or(EBUSY)?;
        if !nested {
            owner.store(test.as_ptr().expose_provenance(), Relaxed);
            active.store(handle.as_ptr().expose_provenance(), Relaxed);
        }
        // INVARIANT: Either both were just obtained, or they are those of an outer scope of this
        // very test, which ends after this one.
        let mut counter = Self {
            test,
            handle,
            base: 0,
            outermost: !nested,
        };
        counter.base = counter.count();
        Ok(counter)
    }

    /// WARNs raised by this task since [`Self::start`].
    pub(crate) fn count(&self) -> u32 {
        // SAFETY: By the type invariant, the suppression is active.
        let count = unsafe { bindings::kunit_suppressed_warning_count(self.handle.as_ptr()) };
        u32::try_from(count).unwrap_or(0).saturating_sub(self.base)
    }
}

impl Drop for WarnCounter {
    fn drop(&mut self) {
        if !self.outermost {
            return;
        }
        OUTERMOST[0].store(0, Relaxed);
        // SAFETY: By the type invariant, both belong to the running test.
        unsafe { bindings::kunit_end_suppress_warning(self.test.as_ptr(), self.handle.as_ptr()) };
    }
}

/// While set, [`fail`] reports nothing.
static EXPECTED: Atomic<bool> = Atomic::new(false);

/// Runs `body` and returns whether it failed, without the running case being failed by that.
pub(crate) fn fails(body: impl FnOnce() -> Outcome) -> bool {
    quietly(|| body().is_err())
}

/// Runs `body`; the running case is not failed by what fails there, and nothing is printed.
pub(crate) fn quietly<T>(body: impl FnOnce() -> T) -> T {
    let outer = EXPECTED.load(Relaxed);
    EXPECTED.store(true, Relaxed);
    let result = body();
    EXPECTED.store(outer, Relaxed);
    result
}
