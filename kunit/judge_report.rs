// SPDX-License-Identifier: GPL-2.0

//! What the judge finds, for programs: `cat` the debugfs files `matrix` and `mutants`.
//!
//! Lines of JSON, as `scripts/imock/report.py` reads them: `matrix` has one for each protocol and
//! one for each case, `mutants` one for each mutant.

mod json;
mod mutant;

use self::json::Text;
use crate::{
    judge::{
        Invariant,
        Verdict, //
    },
    judge_tests::{
        families::MATRIX,
        matrix::{
            Cell,
            Circumstance,
            Names,
            Row, //
        },
        recipe::End, //
    },
    kapi::{
        kunit::Outcome,
        new_mutex,
        Mutex, //
    },
};
use kernel::{
    fmt,
    prelude::*, //
};

/// A text, made when it is first read; see [`Demo`](crate::demo::Demo).
#[pin_data]
pub(crate) struct Lines {
    #[pin]
    text: Mutex<Option<KVVec<u8>>>,
    write: fn(&mut Text, &Row) -> Outcome,
}

impl Lines {
    /// Makes the data of the file `matrix`.
    pub(crate) fn matrix() -> impl PinInit<Self> {
        Self::new(matrix)
    }

    /// Makes the data of the file `mutants`.
    pub(crate) fn mutants() -> impl PinInit<Self> {
        Self::new(mutant::all)
    }

    fn new(write: fn(&mut Text, &Row) -> Outcome) -> impl PinInit<Self> {
        pin_init!(Self {
            text <- new_mutex!(None, "Lines::text"),
            write,
        })
    }

    /// Writes the lines.
    pub(crate) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.text.lock();
        let text = text.get_or_insert_with(|| self.run());
        f.write_str(core::str::from_utf8(text).unwrap_or("this is no text\n"))
    }

    fn run(&self) -> KVVec<u8> {
        let mut out = Text(KVVec::new());
        for row in &MATRIX {
            if (self.write)(&mut out, row).is_err() {
                // That is no JSON, which the reader sees.
                let _ = fmt::Write::write_str(&mut out, "{\"failed\":");
            }
        }
        out.0
    }
}

fn matrix(out: &mut Text, row: &Row) -> Outcome {
    protocol(out, row)?;
    (row.run)(&mut |cell| Ok(case(out, row, cell).map_err(|_| ENOMEM)?))
}

/// Writes what is the same for all cases of a protocol.
fn protocol(out: &mut Text, row: &Row) -> Outcome {
    let (mut failures, mut kept) = (0, 0);
    (row.refuse)(&mut |report| {
        failures += 1;
        kept += u64::from(!report.breaks(Invariant::Old));
        Ok(())
    })?;
    let reads = (row.reads)()?;
    let mut write = || {
        out.plain(fmt!("{{"))?;
        out.text("family", fmt!("{}", row.family))?;
        out.text("protocol", fmt!("{}", row.protocol))?;
        out.number("reads", reads.into())?;
        out.number("failures", failures)?;
        out.number("old_in_force", kept)?;
        let declared = if row.fails_blocked { "blocked" } else { "old" };
        out.text("behind_failure", fmt!("{declared}"))?;
        out.plain(fmt!("}}\n"))
    };
    Ok(write().map_err(|_| ENOMEM)?)
}

/// Where DMA goes, in words.
struct Named<'a>(&'a Row, End);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (letter, stage) = match self.1 {
            End::Blocked => return f.write_str("blocked"),
            End::Identity => return f.write_str("identity"),
            End::A(stage) => ("A", stage),
            End::B(stage) => ("B", stage),
        };
        write!(f, "{letter} ({})", self.0.stages.get(stage).unwrap_or(&"?"))
    }
}

/// Writes a case.
fn case(out: &mut Text, row: &Row, cell: &Cell<'_>) -> fmt::Result {
    let report = &cell.report;
    let (verdict, told) = match report.verdict {
        Verdict::Hitless => ("hitless", false),
        Verdict::Blocked => ("blocked", false),
        Verdict::Broken(_) => ("broken", true),
        Verdict::NotExhausted(_) => ("not exhausted", false),
    };
    out.plain(fmt!("{{"))?;
    out.text("family", fmt!("{}", row.family))?;
    out.text("protocol", fmt!("{}", row.protocol))?;
    out.text("from", fmt!("{}", Named(row, cell.recipe.from)))?;
    out.text("to", fmt!("{}", Named(row, cell.recipe.to)))?;
    out.number("pasid", cell.recipe.pasid.is_some().into())?;
    if cell.circumstance != Circumstance::Alone {
        out.text("variant", fmt!("{:?}", cell.circumstance))?;
    }
    out.text("verdict", fmt!("{verdict}"))?;
    out.text("invariant", fmt!("{}", Names(report.broken)))?;
    let [stores, commands, waits, calls] = cell.cost;
    out.number("stores", stores as u64)?;
    out.number("commands", commands as u64)?;
    out.number("waits", waits as u64)?;
    out.number("calls", calls as u64)?;
    out.number("states", report.states)?;
    if cell.circumstance == Circumstance::Alone {
        let full = (cell.full)().map_err(|_| fmt::Error)?;
        if !matches!(full.verdict, Verdict::NotExhausted(_)) {
            out.number("before", full.states)?;
        }
    }
    out.number("transitions", report.transitions)?;
    out.number("hardware_lg2", report.concrete.into())?;
    out.key("timeline")?;
    out.plain(fmt!("["))?;
    if told {
        timeline(out, cell).map_err(|_| fmt::Error)?;
    }
    out.plain(fmt!("]}}\n"))
}

/// Writes how the first violation of a case comes about, a text for each line.
fn timeline(out: &mut Text, cell: &Cell<'_>) -> Outcome {
    let mut first = true;
    (cell.tell)(&mut |line| {
        let comma = if first { "" } else { "," };
        first = false;
        let _ = out.plain(fmt!("{comma}")).and_then(|()| out.quoted(line));
    })
}
