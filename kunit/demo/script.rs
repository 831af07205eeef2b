// SPDX-License-Identifier: GPL-2.0

//! The text of the demo, and whether what it says is true.

use kernel::{
    fmt,
    prelude::*, //
};

/// See the module.
pub(super) struct Script {
    text: KVVec<u8>,
    acts: u32,
    steps: u32,
    failed: u32,
}

/// Appends to the text; what does not fit into memory is lost, and its claim fails.
impl fmt::Write for Script {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.text
            .extend_from_slice(s.as_bytes(), GFP_KERNEL)
            .map_err(|_| fmt::Error)
    }
}

impl Script {
    pub(super) fn new() -> Self {
        Self {
            text: KVVec::new(),
            acts: 0,
            steps: 0,
            failed: 0,
        }
    }

    /// Starts an act.
    pub(super) fn act(&mut self, title: &str) {
        self.acts += 1;
        let act = self.acts;
        self.say(fmt!("\n{act}. {title}\n"));
    }

    /// Prints a line.
    pub(super) fn say(&mut self, line: fmt::Arguments<'_>) {
        if fmt::Write::write_fmt(self, fmt!("{line}\n")).is_err() {
            self.failed += 1;
        }
    }

    /// Prints what must be the case, and whether it is.
    pub(super) fn check(&mut self, what: fmt::Arguments<'_>, is: bool) {
        self.steps += 1;
        let mark = match is {
            true => "ok",
            false => "FAILED",
        };
        self.say(fmt!("   [{mark}] {what}"));
        self.failed += u32::from(!is);
    }

    /// Prints the totals and returns the text.
    pub(super) fn finish(mut self) -> KVVec<u8> {
        let (steps, failed) = (self.steps, self.failed);
        self.say(fmt!("\ndemo: {steps} steps, {failed} failed"));
        self.text
    }
}
