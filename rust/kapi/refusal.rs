// SPDX-License-Identifier: GPL-2.0

//! One line in the kernel log for each request of a user that is refused, up to a rate.
//!
//! C header: [`include/linux/ratelimit.h`](srctree/include/linux/ratelimit.h)

use super::ffi;
use kernel::{
    fmt,
    prelude::*,
    str::CString, //
};

/// Logs why a request is refused and returns `error`. May sleep; without memory it is silent.
pub(crate) fn refuse(error: Error, why: fmt::Arguments<'_>) -> Error {
    if let Ok(text) = CString::try_from_fmt(why) {
        // SAFETY: `text` is NUL-terminated and live for the call.
        unsafe { ffi::refuse(text.as_char_ptr()) };
    }
    error
}
