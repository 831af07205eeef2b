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

/// The longest message, with its NUL.
const LENGTH: usize = 160;

/// Raises one WARN with the message `args`, or as much as fits of it.
///
/// Goes through C, as `kernel::warn_on!` of Linux 7.2 passes a wrong taint under UML and takes no
/// message. Any context.
pub(crate) fn warn(args: fmt::Arguments<'_>) {
    #[cfg(IOMMU_MOCK_KUNIT)]
    if super::schedule::warned() {
        return;
    }
    let mut buffer = [0; LENGTH];
    let mut writer = Truncating::new(&mut buffer);
    let _ = fmt::Write::write_fmt(&mut writer, args);
    let text = writer.text().unwrap_or(c"iommu-mock");
    // SAFETY: A `CStr` is NUL-terminated, and WARN does not keep it.
    unsafe { ffi::warn(text.as_char_ptr()) }
}
