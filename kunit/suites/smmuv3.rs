// SPDX-License-Identifier: GPL-2.0

//! Arm SMMUv3: what only its hardware and its driver have.

mod driver;
mod entry;
mod hardware;
mod invs;
mod oracle;
mod shapes;

use kernel::{
    fmt,
    prelude::*,
    str::CString, //
};

/// Something that writes itself.
struct Shown<F>(F);

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Display for Shown<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

/// What is written, as text.
fn text(write: impl Fn(&mut fmt::Formatter<'_>) -> fmt::Result) -> Result<CString> {
    CString::try_from_fmt(fmt!("{}", Shown(write)))
}
