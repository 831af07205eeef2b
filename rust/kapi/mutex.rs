// SPDX-License-Identifier: GPL-2.0

//! The kernel's mutex with a point at which a test may choose who runs next.
//!
//! The product has nothing of it: [`Mutex`] is then the `kernel` crate's own.
//!
//! C header: [`include/linux/mutex.h`](srctree/include/linux/mutex.h)

#[cfg(not(IOMMU_MOCK_KUNIT))]
pub(crate) use product::{Guard, Mutex};
#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) use scheduled::{Guard, Mutex};

#[cfg(not(IOMMU_MOCK_KUNIT))]
mod product {
    use kernel::{
        prelude::*,
        sync::{
            self,
            lock::{
                mutex::MutexBackend,
                Guard as KernelGuard, //
            }, //
        }, //
    };

    /// What [`Mutex::lock`] returns; unlocks when dropped.
    pub(crate) type Guard<'a, T> = KernelGuard<'a, T, MutexBackend>;

    /// A kernel mutex around a `T`.
    #[pin_data]
    pub(crate) struct Mutex<T> {
        #[pin]
        inner: sync::Mutex<T>,
    }

    impl<T> Mutex<T> {
        /// Initialises the mutex around `value`; use `new_mutex!`, which makes the lock class.
        pub(crate) fn new(
            value: T,
            name: &'static CStr,
            class: Pin<&'static sync::LockClassKey>,
        ) -> impl PinInit<Self> {
            pin_init!(Self { inner <- sync::Mutex::new(value, name, class) })
        }

        /// Takes the lock. May sleep.
        pub(crate) fn lock(&self) -> Guard<'_, T> {
            self.inner.lock()
        }
    }
}

#[cfg(IOMMU_MOCK_KUNIT)]
mod scheduled {
    use super::super::schedule;
    use core::{
        ops,
        ptr, //
    };
    use kernel::{
        prelude::*,
        sync::{
            self,
            lock::{
                mutex::MutexBackend,
                Guard as KernelGuard, //
            }, //
        }, //
    };

    /// What [`Mutex::lock`] returns; unlocks when dropped.
    pub(crate) struct Guard<'a, T> {
        number: usize,
        inner: KernelGuard<'a, T, MutexBackend>,
    }

    impl<T> ops::Deref for Guard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.inner
        }
    }

    impl<T: Unpin> ops::DerefMut for Guard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.inner
        }
    }

    impl<T> Drop for Guard<'_, T> {
        fn drop(&mut self) {
            // The lock itself goes next, before the thread reaches another point.
            schedule::unlocking(self.number);
        }
    }

    /// A kernel mutex around a `T`.
    #[pin_data]
    pub(crate) struct Mutex<T> {
        name: &'static CStr,
        #[pin]
        inner: sync::Mutex<T>,
    }

    impl<T> Mutex<T> {
        /// Initialises the mutex around `value`; use `new_mutex!`, which makes the lock class.
        pub(crate) fn new(
            value: T,
            name: &'static CStr,
            class: Pin<&'static sync::LockClassKey>,
        ) -> impl PinInit<Self> {
            pin_init!(Self { name, inner <- sync::Mutex::new(value, name, class) })
        }

        /// Takes the lock. May sleep.
        pub(crate) fn lock(&self) -> Guard<'_, T> {
            let number = ptr::from_ref(self).addr();
            schedule::locking(self.name, number);
            let inner = self.inner.lock();
            Guard { number, inner }
        }
    }
}

/// Creates an initialiser of a [`Mutex`] with a lock class of its own.
macro_rules! new_mutex {
    ($value:expr, $name:literal) => {
        $crate::kapi::Mutex::new($value, kernel::c_str!($name), kernel::static_lock_class!())
    };
}
pub(crate) use new_mutex;
