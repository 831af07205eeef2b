// SPDX-License-Identifier: GPL-2.0

//! Looking at live hardware, for debugfs and tests.

use super::{
    Counts,
    Machine, //
};
use crate::mock::hw::model::{
    Model,
    Next,
    Requester,
    Words,
    DEPTH, //
};
use kernel::{
    fmt,
    sync::atomic::Full, //
};

/// What can be seen of an instance while it runs, whatever its family. May sleep.
pub(crate) trait Inspect: Send + Sync {
    /// Writes the entries that a lookup goes through, in the words of the manual, a line each.
    fn show_entries(&self, from: Requester, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// Writes the lines of the IOTLB.
    fn show_iotlb(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// Writes the commands and calls of late.
    fn show_commands(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// Writes the steps of late.
    fn show_trace(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// What was done so far.
    fn counts(&self) -> Counts;
}

impl<M: Model> Inspect for Machine<M> {
    fn show_entries(&self, from: Requester, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        let mut read = [Words::default(); DEPTH];
        for depth in 0..DEPTH {
            let Next::Fetch(fetch) = self.model.next(from, read.get(..depth).unwrap_or(&[])) else {
                break;
            };
            let (Some(words), Some(slot)) = (state.entries.entry(&fetch), read.get_mut(depth))
            else {
                return f.write_str("  no such table\n");
            };
            *slot = words;
            f.write_str("  ")?;
            self.model.show_entry(fetch.kind, &words, f)?;
            f.write_str("\n")?;
        }
        Ok(())
    }

    fn show_iotlb(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut state = self.state.lock();
        if self.overdue.xchg(0, Full) != 0 {
            state.caches.forget_translations();
        }
        for (tag, iova, to) in state.caches.lines() {
            self.model.show_tag(tag, f)?;
            writeln!(f, " {iova:#x} -> {to:#x}")?;
        }
        Ok(())
    }

    fn show_commands(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.lock().trace.show_commands(&self.model, f)
    }

    fn show_trace(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.lock().trace.show(&self.model, f)
    }

    fn counts(&self) -> Counts {
        self.state.lock().counts
    }
}
