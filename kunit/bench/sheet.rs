// SPDX-License-Identifier: GPL-2.0

//! The lines that a subject writes.

use super::measure::{
    Pairs,
    Round,
    Summary, //
};
use crate::measurement;
use kernel::{
    cpu::nr_cpu_ids,
    fmt,
    prelude::*, //
};

/// What a figure must not exceed and what it should not, in thousandths of the other side's.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) floor: u32,
    pub(super) aim: u32,
}

/// Names a measurement.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    /// What was done.
    pub(super) what: &'a str,
    /// How many members, mappings, pages or threads; 0 where that has no meaning.
    pub(super) size: u64,
    /// Who else did it.
    pub(super) peer: &'a str,
    /// What is asked of it, if anything is.
    pub(super) limits: Option<Limits>,
    /// Operations in a round.
    pub(super) times: u32,
}

/// See the module.
pub(super) struct Sheet {
    bench: &'static str,
    text: KVVec<u8>,
    lost: bool,
    /// Measurements so far: what is in the same rounds is one.
    measured: u32,
}

impl fmt::Write for Sheet {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.text
            .extend_from_slice(s.as_bytes(), GFP_KERNEL)
            .map_err(|_| fmt::Error)
    }
}

impl Sheet {
    pub(super) fn new(bench: &'static str) -> Self {
        Self {
            bench,
            text: KVVec::new(),
            lost: false,
            measured: 0,
        }
    }

    /// The rounds of the next measurement. Where one is asked for, others have as few as there can
    /// be.
    pub(super) fn rounds(&mut self) -> impl Iterator<Item = Round> {
        self.measured += 1;
        let wanted = measurement();
        Round::all(wanted != 0 && wanted != self.measured)
    }

    fn say(&mut self, line: fmt::Arguments<'_>) {
        let bench = self.bench;
        let cpus = nr_cpu_ids();
        let measured = self.measured;
        let line =
            fmt!("{{\"bench\":\"{bench}\",\"cpus\":{cpus},\"measurement\":{measured},{line}}}\n");
        self.lost |= fmt::Write::write_fmt(self, line).is_err();
    }

    /// Two sides that did the same.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn pair(&mut self, row: &Row<'_>, pairs: &mut Pairs) -> Result {
        let ratio = pairs.ratio()?;
        let (ours, theirs) = pairs.summaries();
        let Limits { floor, aim } = row.limits.unwrap_or(Limits { floor: 0, aim: 0 });
        self.say(fmt!(
            "{},\"ours\":{},\"theirs\":{},\"ratio\":{},\"floor\":{},\"aim\":{}",
            Head(row),
            Each(ours, row.times),
            Each(theirs, row.times),
            Thousandths(ratio),
            Thousandths(floor.into()),
            Thousandths(aim.into())
        ));
        Ok(())
    }

    /// A figure that is no time.
    pub(super) fn figure(&mut self, row: &Row<'_>, thousandths: u64, unit: &str) {
        let Limits { floor, aim } = row.limits.unwrap_or(Limits { floor: 0, aim: 0 });
        self.say(fmt!(
            "{},\"figure\":{},\"unit\":\"{unit}\",\"floor\":{},\"aim\":{}",
            Head(row),
            Thousandths(thousandths),
            Thousandths(floor.into()),
            Thousandths(aim.into())
        ));
    }

    /// Something was not measured, and why.
    pub(super) fn missing(&mut self, what: &str, peer: &str, why: &str) {
        self.say(fmt!(
            "\"what\":\"{what}\",\"size\":0,\"peer\":\"{peer}\",\"missing\":\"{why}\""
        ));
    }

    /// The subject could not go on.
    pub(super) fn failed(&mut self, error: Error) {
        let errno = error.to_errno();
        self.say(fmt!(
            "\"what\":\"all that follows\",\"size\":0,\"peer\":\"\",\"failed\":{errno}"
        ));
    }

    /// The text.
    pub(super) fn finish(mut self) -> KVVec<u8> {
        if self.lost {
            self.text.clear();
            self.failed(ENOMEM);
        }
        self.text
    }
}

struct Head<'a>(&'a Row<'a>);

impl fmt::Display for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row {
            what, size, peer, ..
        } = self.0;
        write!(f, "\"what\":\"{what}\",\"size\":{size},\"peer\":\"{peer}\"")
    }
}

/// The quartiles of one operation in nanoseconds.
struct Each(Summary, u32);

impl fmt::Display for Each {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, median, high] = self.0.quartiles.map(|time| {
            let each = time.saturating_mul(1000).checked_div(self.1.into());
            Thousandths(each.unwrap_or(0))
        });
        f.write_fmt(fmt!("[{low},{median},{high}]"))
    }
}

struct Thousandths(u64);

impl fmt::Display for Thousandths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}
