// SPDX-License-Identifier: GPL-2.0

//! What became of each mutant.

use super::{
    json::Text,
    Named, //
};
use crate::{
    judge_tests::{
        matrix::Row,
        mutants::{
            Fate,
            Mutant, //
        },
    },
    kapi::kunit::Outcome,
    mock::hw::step::Step,
};
use kernel::{
    fmt,
    prelude::*, //
};

/// Writes all of a protocol.
pub(super) fn all(out: &mut Text, row: &Row) -> Outcome {
    (row.spoil)(&mut |mutant| Ok(one(out, row, mutant).map_err(|_| ENOMEM)?))
}

fn one(out: &mut Text, row: &Row, mutant: &Mutant<'_>) -> fmt::Result {
    out.plain(fmt!("{{"))?;
    out.text("family", fmt!("{}", row.family))?;
    out.text("protocol", fmt!("{}", row.protocol))?;
    out.text("from", fmt!("{}", Named(row, mutant.recipe.from)))?;
    out.text("to", fmt!("{}", Named(row, mutant.recipe.to)))?;
    out.number("pasid", mutant.recipe.pasid.is_some().into())?;
    out.number("ats", mutant.recipe.ats.into())?;
    out.text("mutant", fmt!("{}", mutant.defect.name()))?;
    out.text("of", fmt!("{}", mutant.step().map_or("?", name)))?;
    out.number("at", mutant.at as u64)?;
    out.text("step", fmt!("{mutant}"))?;
    match mutant.fate {
        Fate::Killed(invariant, circumstance) => {
            out.text("killed_by", fmt!("{}", invariant.name()))?;
            out.text("variant", fmt!("{circumstance:?}"))?;
        }
        Fate::Blocks(circumstance) => {
            out.text("killed_by", fmt!("I1 (strong)"))?;
            out.text("variant", fmt!("{circumstance:?}"))?;
        }
        Fate::Equivalent(reason) => out.text("equivalent", fmt!("{reason}"))?,
        Fate::Left => out.text("left", fmt!("neither told nor excused"))?,
        Fate::Open => out.text("left", fmt!("not exhausted"))?,
    }
    out.plain(fmt!("}}\n"))
}

/// The kind of a step.
fn name(step: &Step) -> &'static str {
    match step {
        Step::Store(_) => "store",
        Step::Barrier => "barrier",
        Step::Submit(_) => "command",
        Step::Wait => "wait",
        Step::Call(..) => "firmware call",
        Step::Note(_) => "books",
    }
}
