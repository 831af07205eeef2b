// SPDX-License-Identifier: GPL-2.0

//! The kernel's mutex with a point at which a test may choose who runs next.
//!
//! The product has nothing of it: [`Mutex`] is then the `kernel` crate's own.
//!
//! C header: [`include/linux/mutex.h`](srctree/include/linux/mutex.h)

pub(crate) use kernel::sync::lock::{mutex::MutexBackend, Guard as KernelGuard};

/// What [`Mutex::lock`] returns; unlocks when dropped.
pub(crate) type Guard<'a, T> = KernelGuard<'a, T, MutexBackend>;

use kernel::{
    prelude::*,
    sync, //
};

/// A kernel mutex around a `T`.
#[pin_data]
pub(crate) struct Mutex<T> {
    #[pin]
    inner: sync::Mutex<T>,
}

impl<T> Mutex<T> {
    /// Initialises the mutex around `value`; use [`new_mutex!`], which makes the lock class.
    pub(crate) fn new(
        value: T,
        name: &'static CStr,
        class: Pin<&'static sync::LockClassKey>,
    ) -> impl PinInit<Self> {
        pin_init!(Self { inner <- sync::Mutex::new(value, name, class) })
    }

    /// Takes the lock. May sleep.
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        schedule_point();
        self.inner.lock()
    }
}

/// Where a test may choose which thread goes on: before a lock is taken. Nothing in the product.
#[inline]
pub(crate) fn schedule_point() {
    #[cfg(IOMMU_MOCK_KUNIT)]
    schedule::reached();
}

/// The test's side of [`schedule_point`].
#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) mod schedule {
    use kernel::sync::atomic::{
        Atomic,
        Relaxed, //
    };

    static POINTS: Atomic<u64> = Atomic::new(0);

    pub(super) fn reached() {
        POINTS.fetch_add(1, Relaxed);
    }

    /// Points that all threads together have reached so far.
    pub(crate) fn points() -> u64 {
        POINTS.load(Relaxed)
    }
}

/// Creates an initialiser of a [`Mutex`] with a lock class of its own.
macro_rules! new_mutex {
    ($value:expr, $name:literal) => {
        $crate::kapi::Mutex::new($value, kernel::c_str!($name), kernel::static_lock_class!())
    };
}
pub(crate) use new_mutex;
