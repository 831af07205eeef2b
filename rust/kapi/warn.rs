// SPDX-License-Identifier: GPL-2.0

//! `WARN` with a message, and a scope in which a test counts WARNs instead of printing them.
//!
//! C header: [`include/asm-generic/bug.h`](srctree/include/asm-generic/bug.h)

use super::ffi;
use kernel::fmt;

/// Raises one WARN with the message `args`.
///
/// Goes through C, as `kernel::warn_on!` of Linux 7.2 passes a wrong taint under UML and takes no
/// message. Any context.
pub(crate) fn warn(args: fmt::Arguments<'_>) {
    // SAFETY: `args` is a live `fmt::Arguments`, which is what `%pA` reads, and WARN does not keep
    // it.
    unsafe { ffi::warn(core::ptr::from_ref(&args).cast()) }
}
