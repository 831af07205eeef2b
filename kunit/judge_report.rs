// SPDX-License-Identifier: GPL-2.0

//! The judge's matrix for programs: `cat` the debugfs file `matrix`.
//!
//! One line of JSON for each case, as `scripts/imock/report.py` reads it.

use crate::{
    judge::Verdict,
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

/// The text, made when it is first read; see [`Demo`](crate::demo::Demo).
#[pin_data]
pub(crate) struct Matrix {
    #[pin]
    text: Mutex<Option<KVVec<u8>>>,
}

impl Matrix {
    /// Makes the file's data.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self { text <- new_mutex!(None, "Matrix::text") })
    }

    /// Writes the lines.
    pub(crate) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.text.lock();
        let text = text.get_or_insert_with(run);
        f.write_str(core::str::from_utf8(text).unwrap_or("the matrix is no text\n"))
    }
}

fn run() -> KVVec<u8> {
    let mut out = Text(KVVec::new());
    for row in &MATRIX {
        let judged = (row.run)(&mut |cell| {
            // What does not fit into memory ends in a line that is no JSON, which the reader sees.
            let _ = case(&mut out, row, cell);
            Ok(())
        });
        if judged.is_err() {
            let _ = fmt::Write::write_str(&mut out, "{\"failed\":");
        }
    }
    out.0
}

struct Text(KVVec<u8>);

impl fmt::Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.0
            .extend_from_slice(s.as_bytes(), GFP_KERNEL)
            .map_err(|_| fmt::Error)
    }
}

/// A text within quotes.
struct Quoted<'a>(&'a mut Text);

impl fmt::Write for Quoted<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for part in s.split_inclusive(['"', '\\', '\n']) {
            let plain = part.trim_end_matches(['"', '\\', '\n']);
            self.0.write_str(plain)?;
            match part.get(plain.len()..) {
                Some("\"") => self.0.write_str("\\\"")?,
                Some("\\") => self.0.write_str("\\\\")?,
                Some("\n") => self.0.write_str("\\n")?,
                _ => (),
            }
        }
        Ok(())
    }
}

/// Writes a value of text.
fn text(out: &mut Text, key: &str, value: fmt::Arguments<'_>) -> fmt::Result {
    let out: &mut dyn Lines = out;
    out.key(key)?;
    out.quoted(value)
}

/// What both kinds of value need.
trait Lines {
    fn key(&mut self, key: &str) -> fmt::Result;
    fn quoted(&mut self, value: fmt::Arguments<'_>) -> fmt::Result;
}

impl Lines for Text {
    fn key(&mut self, key: &str) -> fmt::Result {
        let first = self.0.last() == Some(&b'{');
        let comma = if first { "" } else { "," };
        fmt::Write::write_fmt(self, fmt!("{comma}\"{key}\":"))
    }

    fn quoted(&mut self, value: fmt::Arguments<'_>) -> fmt::Result {
        fmt::Write::write_str(self, "\"")?;
        fmt::Write::write_fmt(&mut Quoted(self), value)?;
        fmt::Write::write_str(self, "\"")
    }
}

fn number(out: &mut Text, key: &str, value: u64) -> fmt::Result {
    out.key(key)?;
    fmt::Write::write_fmt(out, fmt!("{value}"))
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
    fmt::Write::write_str(out, "{")?;
    text(out, "family", fmt!("{}", row.family))?;
    text(out, "protocol", fmt!("{}", row.protocol))?;
    text(out, "from", fmt!("{}", Named(row, cell.recipe.from)))?;
    text(out, "to", fmt!("{}", Named(row, cell.recipe.to)))?;
    number(out, "pasid", cell.recipe.pasid.is_some().into())?;
    if cell.circumstance != Circumstance::Alone {
        text(out, "variant", fmt!("{:?}", cell.circumstance))?;
    }
    text(out, "verdict", fmt!("{verdict}"))?;
    text(out, "invariant", fmt!("{}", Names(report.broken)))?;
    let [stores, commands, waits, calls] = cell.cost;
    number(out, "stores", stores as u64)?;
    number(out, "commands", commands as u64)?;
    number(out, "waits", waits as u64)?;
    number(out, "calls", calls as u64)?;
    number(out, "states", report.states)?;
    if cell.circumstance == Circumstance::Alone {
        let full = (cell.full)().map_err(|_| fmt::Error)?;
        if !matches!(full.verdict, Verdict::NotExhausted(_)) {
            number(out, "before", full.states)?;
        }
    }
    number(out, "transitions", report.transitions)?;
    number(out, "hardware_lg2", report.concrete.into())?;
    out.key("timeline")?;
    fmt::Write::write_str(out, "[")?;
    if told {
        timeline(out, cell).map_err(|_| fmt::Error)?;
    }
    fmt::Write::write_str(out, "]}\n")
}

/// Writes how the first violation of a case comes about, a text for each line.
fn timeline(out: &mut Text, cell: &Cell<'_>) -> Outcome {
    let mut first = true;
    (cell.tell)(&mut |line| {
        let comma = if first { "" } else { "," };
        first = false;
        let _ = fmt::Write::write_str(out, comma).and_then(|()| out.quoted(line));
    })
}
