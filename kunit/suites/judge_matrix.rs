// SPDX-License-Identifier: GPL-2.0

//! Every transition of every family with every protocol, judged.

use crate::{
    judge::{
        Invariant,
        Verdict, //
    },
    judge_tests::{
        families::MATRIX,
        matrix::{
            Circumstance,
            Row, //
        },
        mutants::Toll, //
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        note,
        Outcome, //
    },
};
use kernel::{
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    },
};

kunit_suite! {
    iommu_mock_judge_matrix:
    every_transition_is_worth_what_is_said: each Row in MATRIX;
    what_is_read_in_one_go_matters: each Row in MATRIX;
    failure_leaves_what_is_said_in_force: each Row in MATRIX;
    reduction_changes_no_verdict: slow each Row in MATRIX;
    every_mutant_is_told_or_as_good: slow each Row in MATRIX;
}

fn every_transition_is_worth_what_is_said(row: &Row) -> Outcome {
    let start = Instant::<Monotonic>::now();
    let (mut cells, mut states, mut open) = (0u64, 0u64, 0u64);
    let (mut told, mut unexpected, mut last) = (false, 0, 0);
    (row.run)(&mut |cell| {
        let unlike = core::mem::replace(&mut last, cell.report.broken) != cell.report.broken;
        if cell.circumstance == Circumstance::Alone || unlike {
            cell.note();
        }
        if matches!(cell.report.verdict, Verdict::Broken(_)) && !told {
            told = true;
            (cell.tell)(&mut |line| note(line))?;
        }
        cells += 1;
        if !cell.expected.is(&cell.report) {
            unexpected += 1;
            cell.note();
            note(fmt!("        expected {:?}", cell.expected));
        }
        states += cell.report.states;
        open += u64::from(matches!(cell.report.verdict, Verdict::NotExhausted(_)));
        Ok(())
    })?;
    note(fmt!(
        "{} {}: {cells} cases, {states} states, {} ms",
        row.family,
        row.protocol,
        start.elapsed().as_millis()
    ));
    check!(unexpected == 0, "{unexpected} verdicts are not as expected");
    check!(open == 0, "{open} cases are not exhausted");
    Ok(())
}

fn every_mutant_is_told_or_as_good(row: &Row) -> Outcome {
    let start = Instant::<Monotonic>::now();
    let mut toll = Toll::default();
    (row.spoil)(&mut |mutant| toll.count(mutant))?;
    note(fmt!(
        "{} {}: {} ms",
        row.family,
        row.protocol,
        start.elapsed().as_millis()
    ));
    toll.note(row.protocol);
    check_eq!(toll.open, 0);
    check_eq!(toll.left, 0);
    Ok(())
}

fn reduction_changes_no_verdict(row: &Row) -> Outcome {
    let (mut compared, mut large, mut before, mut after, mut concrete) = (0u64, 0u64, 0, 0, 0);
    // States of the smallest case that was too large; nothing would come of others of that size.
    let mut limit = u64::MAX;
    (row.run)(&mut |cell| {
        if cell.report.states >= limit {
            large += 1;
            return Ok(());
        }
        let full = (cell.full)()?;
        if let Verdict::NotExhausted(_) = full.verdict {
            limit = cell.report.states;
            large += 1;
            return Ok(());
        }
        compared += 1;
        before += full.states;
        after += cell.report.states;
        concrete = full.concrete.max(concrete);
        check_eq!(
            (cell.report.broken, cell.report.blocked),
            (full.broken, full.blocked)
        );
        Ok(())
    })?;
    note(fmt!(
        "{} {}: {compared} cases, {before} states reduced to {after}, each case up to 2^{concrete} \
         states of hardware; {large} cases were too large without reduction",
        row.family,
        row.protocol
    ));
    // Less effort is a lower limit, too.
    let enough = large * u64::from(crate::effort().min(100)) / 1000;
    check!(compared > enough, "hardly anything could be compared");
    Ok(())
}

fn what_is_read_in_one_go_matters(row: &Row) -> Outcome {
    let words = (row.reads)()?;
    note(fmt!(
        "{} {}: needs reads of {words} words",
        row.family,
        row.protocol
    ));
    check_eq!(words, row.reads_at_least);
    Ok(())
}

fn failure_leaves_what_is_said_in_force(row: &Row) -> Outcome {
    let (mut failures, mut old, mut broken) = (0, 0, 0);
    (row.refuse)(&mut |report| {
        failures += 1;
        old += u32::from(!report.breaks(Invariant::Old));
        broken |= report.broken & !Invariant::Old.bit() & !Invariant::Error.bit();
        Ok(())
    })?;
    note(fmt!(
        "{} {}: {failures} failures, behind {old} of which the old side is in force",
        row.family,
        row.protocol
    ));
    check_eq!(broken, 0);
    check_eq!(old == failures, !row.fails_blocked);
    Ok(())
}
