// SPDX-License-Identifier: GPL-2.0

//! A schedule to be read: a column for each thread, time runs down.

use crate::kapi::{
    kunit::note,
    schedule::{
        Report,
        Step, //
    },
};
use kernel::prelude::*;

/// Characters of a column.
const WIDTH: usize = 36;

/// Prints what a run did, and in a deadlock what it waits for.
pub(crate) fn print(report: &Report, names: &[&str]) {
    let mut indent = 0;
    for name in names {
        note(fmt!("     {:indent$}{name}", ""));
        indent += WIDTH;
    }
    for (at, step) in report.trace.iter().enumerate() {
        line(at, "", step);
    }
    for step in &report.pending {
        line(report.trace.len(), "waits: ", step);
    }
    note(fmt!("ended: {:?}, {} WARNs", report.end, report.warned));
}

fn line(at: usize, what: &str, step: &Step) {
    let indent = usize::from(step.thread) * WIDTH;
    let mark = match step.enabled.count_ones() {
        0 | 1 => ' ',
        _ => '*',
    };
    let (operation, point) = (step.operation, step.point);
    note(fmt!(
        "{at:>3}{mark} {:indent$}{operation}: {what}{point}",
        ""
    ));
}

/// The choices of a run as one number: four to the power of their count, plus a digit for each.
/// `None` where they are too many.
pub(crate) fn pack(report: &Report) -> Option<u64> {
    let mut packed = 1u64;
    for step in &report.trace {
        if step.enabled.count_ones() > 1 {
            packed = packed.checked_mul(4)? + u64::from(step.thread);
        }
    }
    Some(packed)
}

/// The script of a packed number.
///
/// # Errors
///
/// ENOMEM.
pub(crate) fn unpack(packed: u64) -> Result<KVec<u8>> {
    let mut script = KVec::new();
    let digits = packed.max(1).ilog2() / 2;
    for at in (0..digits).rev() {
        // CAST: Two bits.
        script.push((packed >> (2 * at) & 3) as u8, GFP_KERNEL)?;
    }
    Ok(script)
}
