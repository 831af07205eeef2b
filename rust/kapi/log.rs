// SPDX-License-Identifier: GPL-2.0

//! What has been printed into the kernel log, for tests of silence.
//!
//! C header: [`include/linux/kmsg_dump.h`](srctree/include/linux/kmsg_dump.h)

use super::ffi;
use core::ffi::CStr;
use kernel::prelude::*;

/// A place in the kernel log.
pub(crate) struct End(u64);

impl End {
    /// Where the next line will be.
    pub(crate) fn now() -> Self {
        // SAFETY: Asking for the end of the log has no precondition.
        Self(unsafe { ffi::log_end() })
    }

    /// Lines since then that contain `word`. Those of other tasks count, too, so that it has to be
    /// a word that only the code under test would print.
    pub(crate) fn lines_since(&self, word: &CStr) -> usize {
        // SAFETY: `word` is NUL-terminated and live for the call.
        unsafe { ffi::log_lines(self.0, word.as_char_ptr()) }
    }
}
