// SPDX-License-Identifier: GPL-2.0

//! `WARN` with a message, and a scope in which a test counts WARNs instead of printing them.
//!
//! C header: [`include/asm-generic/bug.h`](srctree/include/asm-generic/bug.h)

use super::{
    ffi,
    text::Truncating, //
};
use kernel::{
    fmt,
    prelude::*, //
};

#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) use muted::Muted;

/// The longest message, with its NUL.
const LENGTH: usize = 160;

/// Raises one WARN with the message `args`, or as much as fits of it.
///
/// Goes through C, as `kernel::warn_on!` of Linux 7.2 passes a wrong taint under UML and takes no
/// message. Any context.
pub(crate) fn warn(args: fmt::Arguments<'_>) {
    #[cfg(IOMMU_MOCK_KUNIT)]
    if super::schedule::warned() || muted::warned() {
        return;
    }
    let mut buffer = [0; LENGTH];
    let mut writer = Truncating::new(&mut buffer);
    let _ = fmt::Write::write_fmt(&mut writer, args);
    let text = writer.text().unwrap_or(c"iommu-mock");
    // SAFETY: A `CStr` is NUL-terminated, and WARN does not keep it.
    unsafe { ffi::warn(text.as_char_ptr()) }
}

#[cfg(IOMMU_MOCK_KUNIT)]
mod muted {
    use kernel::sync::atomic::{
        Atomic,
        Relaxed, //
    };

    static SCOPES: Atomic<u32> = Atomic::new(0);
    static COUNT: Atomic<u64> = Atomic::new(0);

    /// A scope in which WARNs of all threads are counted and not printed, for threads that are not
    /// a test's.
    pub(crate) struct Muted(());

    impl Muted {
        /// Begins.
        pub(crate) fn start() -> Self {
            SCOPES.fetch_add(1, Relaxed);
            Self(())
        }

        /// WARNs in all such scopes so far.
        pub(crate) fn count(&self) -> u64 {
            COUNT.load(Relaxed)
        }
    }

    impl Drop for Muted {
        fn drop(&mut self) {
            SCOPES.fetch_sub(1, Relaxed);
        }
    }

    /// Counts a WARN and says so, inside of a scope.
    pub(super) fn warned() -> bool {
        let muted = SCOPES.load(Relaxed) != 0;
        if muted {
            COUNT.fetch_add(1, Relaxed);
        }
        muted
    }
}
