// SPDX-License-Identifier: GPL-2.0

//! What replacing a domain is worth on each family, decided by exhausting what hardware may see.

use super::script::Script;
use crate::{
    judge::{
        Report,
        Verdict, //
    },
    judge_tests::{
        families::MATRIX,
        matrix::{
            Cell,
            Circumstance,
            Row, //
        },
        recipe::End, //
    },
};
use kernel::prelude::*;

/// How many cases came to each verdict.
#[derive(Default)]
struct Sums {
    hitless: u32,
    blocked: u32,
    broken: u32,
    /// Not what the family's author says, or not exhausted.
    wrong: u32,
    states: u64,
}

impl Sums {
    fn add(&mut self, cell: &Cell<'_>) {
        match cell.report.verdict {
            Verdict::Hitless => self.hitless += 1,
            Verdict::Blocked => self.blocked += 1,
            Verdict::Broken(_) => self.broken += 1,
            Verdict::NotExhausted(_) => (),
        }
        self.wrong += u32::from(!cell.expected.is(&cell.report));
        self.states += cell.report.states;
    }
}

/// A verdict in a word.
fn word(report: &Report) -> &'static str {
    match report.verdict {
        Verdict::Hitless => "hitless",
        Verdict::Blocked => "blocked",
        Verdict::Broken(_) => "broken",
        Verdict::NotExhausted(_) => "unknown",
    }
}

/// Judges every transition of every family.
pub(super) fn act(script: &mut Script) -> Result {
    script.act("Is a replace hitless? Every state that hardware may see of it");
    for line in [
        "A -> B as each driver does it: hitless, every DMA reaches A or B; blocked, some is",
        "aborted. Then all cases: from and to anything, PASIDs, others at work meanwhile.",
        "Broken is what somebody else can bring about, e.g. an unmap that returns while hardware",
        "still has the page; `make report` tells how.",
    ] {
        script.say(fmt!("   {line}"));
    }
    script.say(fmt!(""));
    script.say(fmt!(
        "        {:<7} {:<16} {:<8} {:>22}   {:>5} cases: {:>7} {:>7} {:>6} {:>8}",
        "family",
        "protocol",
        "A -> B",
        "stores/commands/waits",
        "",
        "hitless",
        "blocked",
        "broken",
        "states"
    ));
    for row in &MATRIX {
        judge(script, row)?;
    }
    Ok(())
}

fn judge(script: &mut Script, row: &Row) -> Result {
    let (mut sums, mut cases) = (Sums::default(), 0u32);
    let mut replace = None;
    let judged = (row.run)(&mut |cell| {
        sums.add(cell);
        cases += 1;
        let plain = cell.circumstance == Circumstance::Alone && cell.recipe.pasid.is_none();
        if plain && (cell.recipe.from, cell.recipe.to) == (End::A(0), End::B(0)) {
            replace = Some((word(&cell.report), cell.cost));
        }
        Ok(())
    });
    let (verdict, [stores, commands, waits, calls]) = replace.ok_or(ENOENT)?;
    let what = fmt!(
        "{:<7} {:<16} {:<8} {:>12}/{:>4}/{:>4}   {:>5}        {:>7} {:>7} {:>6} {:>8}",
        row.family,
        row.protocol,
        verdict,
        stores.max(calls),
        commands,
        waits,
        cases,
        sums.hitless,
        sums.blocked,
        sums.broken,
        sums.states
    );
    script.check(what, judged.is_ok() && sums.wrong == 0 && cases != 0);
    Ok(())
}
