// SPDX-License-Identifier: GPL-2.0

//! Text for C, in memory that is there already.

use kernel::{
    fmt,
    prelude::*, //
};

/// Writes a NUL-terminated text into a buffer and drops what does not fit.
pub(super) struct Truncating<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl<'a> Truncating<'a> {
    /// Starts with the empty text. A buffer without a byte takes nothing, not even the NUL.
    pub(super) fn new(out: &'a mut [u8]) -> Self {
        if let Some(first) = out.first_mut() {
            *first = 0;
        }
        Self { out, at: 0 }
    }

    /// What was written.
    pub(super) fn text(&self) -> Option<&CStr> {
        CStr::from_bytes_until_nul(self.out).ok()
    }
}

impl fmt::Write for Truncating<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for byte in s.bytes() {
            let Some([slot, end]) = self.out.get_mut(self.at..self.at + 2) else {
                break;
            };
            (*slot, *end) = (byte, 0);
            self.at += 1;
        }
        Ok(())
    }
}
