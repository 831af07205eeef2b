// SPDX-License-Identifier: GPL-2.0

//! Firmware that refuses what must not fail: each protocol of the driver, each thing that may come
//! between, each policy of the core (requirements R0.2 to R0.7 and R0.10).
//!
//! Two functions form a group that a user gives back while its domain is still attached, so that
//! all must go from there to the default domain, and the first one has trouble. Each fact is found
//! out on a group of its own. `Documentation/firmware.rst` shows the table.

mod cells;
mod facts;
mod mistakes;
mod scene;

use self::{
    cells::{
        cell,
        differences,
        names,
        COLUMNS, //
    },
    facts::Facts,
    mistakes::{
        Mistake,
        MISTAKES, //
    },
    scene::Trouble, //
};
use super::{
    Way,
    BOOK,
    LINUX,
    REREGISTER,
    RETRY, //
};
use crate::{
    group::Recovery,
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        note,
        quietly,
        Outcome,
        Param,
        WarnCounter, //
    },
};
use kernel::{
    fmt,
    prelude::*,
    str::CString, //
};

kunit_suite! {
    iommu_mock_zpci_firmware:
    function_in_trouble: each Row in ROWS;
    wrong_cell_is_noticed: each Row in ROWS;
    mistake_shows_in_its_columns: each Mistake in MISTAKES;
    every_column_shows_a_mistake;
}

/// What becomes of a function in one trouble, with each policy.
struct Row {
    way: Way,
    trouble: Trouble,
    expected: [&'static str; 2],
}

impl Row {
    const fn new(way: Way, trouble: Trouble, expected: [&'static str; 2]) -> Self {
        Self {
            way,
            trouble,
            expected,
        }
    }
}

impl Param for Row {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.way.label(f)?;
        write!(f, ": {}", self.trouble.name())
    }
}

/// The policies, in the order of what is expected.
const POLICIES: [(Recovery, &str); 2] = [
    (Recovery::LeaveBlocked, "leave blocked"),
    (Recovery::RecordParked, "record parked"),
];

/// For each policy: where DMA goes, change by change, while the group moves, and after that; what
/// the core believes; WARNs | what it answers to bind, attach of where the group is, attach of
/// another domain, claim, and begin of a reset | where DMA goes when the trouble is over: when
/// nobody does anything, after attach of where the group is, after attach and detach of another
/// domain, a reset by the driver, recovery by the architecture, power off and on, and hot-plug.
///
/// `I` is home, `A` the domain of the user who has gone, `!` the same when it is freed, `-`
/// nowhere.
#[rustfmt::skip]
const ROWS: [Row; 24] = {
    use Trouble::*;
    [
        Row::new(LINUX, Recovers, [
            "- - fenced 0 | ok, ok, ok, ok, ok | !!IIIII",
            "- - fenced 0 | ok, ok, ok, ok, ok | !!IIIII",
        ]),
        Row::new(LINUX, RecoversSoon, [
            "- - fenced 0 | ok, ok, ok, ok, ok | !!IIIII",
            "- - fenced 0 | ok, ok, ok, ok, ok | !!IIIII",
        ]),
        Row::new(LINUX, RegistersNothing, [
            "A- - parked 1 | ok, ok, EIO, ok, ok | --II-II",
            "A- - parked 1 | EBUSY, EIO, EIO, ok, ok | -III-II",
        ]),
        Row::new(LINUX, KeepsAll, [
            "A ! parked 1 | ok, ok, EIO, ok, ok | !!!!-II",
            "A ! parked 1 | EBUSY, EIO, EIO, ok, ok | !!!!-II",
        ]),
        Row::new(LINUX, IsStuck, [
            "A ! parked 1 | ok, ok, EIO, ok, ok | !!!!-II",
            "A ! parked 1 | EBUSY, EIO, EIO, ok, ok | !!!!-II",
        ]),
        Row::new(LINUX, IsGone, [
            "- - fenced 0 | ok, ok, ok, ok, ok | ------I",
            "- - fenced 0 | ok, ok, ok, ok, ok | ------I",
        ]),
        Row::new(RETRY, Recovers, [
            "- - fenced 0 | ok, ok, ok, ok, ok | !!IIIII",
            "- - fenced 0 | ok, ok, ok, ok, ok | !!IIIII",
        ]),
        Row::new(RETRY, RecoversSoon, [
            "-A-I I home 0 | ok, ok, ok, ok, ok | IIIIIII",
            "-A-I I home 0 | ok, ok, ok, ok, ok | IIIIIII",
        ]),
        Row::new(RETRY, RegistersNothing, [
            "A- - parked 1 | ok, ok, EIO, ok, ok | --II-II",
            "A- - parked 1 | EBUSY, EIO, EIO, ok, ok | -III-II",
        ]),
        Row::new(RETRY, KeepsAll, [
            "A- - parked 1 | ok, ok, EIO, ok, ok | --II-II",
            "A- - parked 1 | EBUSY, EIO, EIO, ok, ok | -III-II",
        ]),
        Row::new(RETRY, IsStuck, [
            "A A lost 1 | EBUSY, EIO, EIO, EIO, EIO | AIIIAII",
            "A A lost 1 | EBUSY, EIO, EIO, EIO, EIO | AIIIAII",
        ]),
        Row::new(RETRY, IsGone, [
            "- - fenced 0 | ok, ok, ok, ok, ok | ------I",
            "- - fenced 0 | ok, ok, ok, ok, ok | ------I",
        ]),
        Row::new(BOOK, Recovers, [
            "- - fenced 0 | ok, ok, ok, ok, ok | IIIIIII",
            "- - fenced 0 | ok, ok, ok, ok, ok | IIIIIII",
        ]),
        Row::new(BOOK, RecoversSoon, [
            "- - fenced 0 | ok, ok, ok, ok, ok | IIIIIII",
            "- - fenced 0 | ok, ok, ok, ok, ok | IIIIIII",
        ]),
        Row::new(BOOK, RegistersNothing, [
            "A- - parked 1 | ok, ok, EIO, ok, ok | --II-II",
            "A- - parked 1 | EBUSY, EIO, EIO, ok, ok | -III-II",
        ]),
        Row::new(BOOK, KeepsAll, [
            "A- - parked 1 | ok, ok, EIO, ok, ok | --II-II",
            "A- - parked 1 | EBUSY, EIO, EIO, ok, ok | -III-II",
        ]),
        Row::new(BOOK, IsStuck, [
            "A A lost 1 | EBUSY, EIO, EIO, EIO, EIO | AIIIAII",
            "A A lost 1 | EBUSY, EIO, EIO, EIO, EIO | AIIIAII",
        ]),
        Row::new(BOOK, IsGone, [
            "- - fenced 0 | ok, ok, ok, ok, ok | ------I",
            "- - fenced 0 | ok, ok, ok, ok, ok | ------I",
        ]),
        Row::new(REREGISTER, Recovers, [
            "- - fenced 0 | ok, ok, ok, ok, ok | !!IIIII",
            "- - fenced 0 | ok, ok, ok, ok, ok | !!IIIII",
        ]),
        Row::new(REREGISTER, RecoversSoon, [
            "- - fenced 0 | ok, ok, ok, ok, ok | !!IIIII",
            "- - fenced 0 | ok, ok, ok, ok, ok | !!IIIII",
        ]),
        Row::new(REREGISTER, RegistersNothing, [
            "A- - parked 1 | ok, ok, EIO, ok, ok | --II-II",
            "A- - parked 1 | EBUSY, EIO, EIO, ok, ok | -III-II",
        ]),
        Row::new(REREGISTER, KeepsAll, [
            "A- - parked 1 | ok, ok, EIO, ok, ok | --II-II",
            "A- - parked 1 | EBUSY, EIO, EIO, ok, ok | -III-II",
        ]),
        Row::new(REREGISTER, IsStuck, [
            "A A lost 1 | EBUSY, EIO, EIO, EIO, EIO | AIIIAII",
            "A A lost 1 | EBUSY, EIO, EIO, EIO, EIO | AIIIAII",
        ]),
        Row::new(REREGISTER, IsGone, [
            "- - fenced 0 | ok, ok, ok, ok, ok | ------I",
            "- - fenced 0 | ok, ok, ok, ok, ok | ------I",
        ]),
    ]
};

fn text(facts: &Facts) -> Outcome<CString> {
    Ok(CString::try_from_fmt(fmt!("{facts}"))?)
}

/// Checks each cell of a line of facts.
fn check_cells(policy: &str, found: &str, expected: &str) -> Outcome {
    let differ = differences(found, expected);
    for name in names(differ) {
        note(fmt!(
            "{policy}: {name} is wrong: {found}, expected {expected}"
        ));
    }
    check_eq!(differ, 0);
    Ok(())
}

fn function_in_trouble(row: &Row) -> Outcome {
    let warnings = WarnCounter::start()?;
    for ((policy, name), expected) in POLICIES.into_iter().zip(row.expected) {
        let facts = text(&Facts::gather(&row.way, policy, row.trouble, None)?)?;
        let facts = facts.to_str().unwrap_or_default();
        note(fmt!("{name}: {facts}"));
        check_cells(name, facts, expected)?;
    }
    if row.trouble.is_of_the_environment() {
        check_eq!(warnings.count(), 0);
    }
    Ok(())
}

/// Of what is expected, any cell may be the wrong one, or be missing.
fn wrong_cell_is_noticed(row: &Row) -> Outcome {
    for expected in row.expected {
        check_eq!(differences(expected, expected), 0);
        for column in 0..COLUMNS.len() {
            let right = cell(expected, column).ok_or(EINVAL)?;
            let at = right.as_ptr().addr() - expected.as_ptr().addr();
            for wrong in ["?", ""] {
                let (before, rest) = expected.split_at_checked(at).ok_or(EINVAL)?;
                let after = rest.get(right.len()..).ok_or(EINVAL)?;
                let claim = CString::try_from_fmt(fmt!("{before}{wrong}{after}"))?;
                let claim = claim.to_str().unwrap_or_default();
                let differ = differences(expected, claim);
                // What is missing moves those behind it.
                let noticed = match wrong {
                    "" => differ != 0,
                    _ => differ == 1 << column,
                };
                check!(noticed, "{claim} for {expected} differs in {differ:#x}");
            }
        }
        for empty in ["", "| |"] {
            check_eq!(differences(expected, empty), (1 << COLUMNS.len()) - 1);
        }
    }
    Ok(())
}

fn mistake_shows_in_its_columns(mistake: &Mistake) -> Outcome {
    let _quiet = WarnCounter::start()?;
    let (mut shown, mut broken) = (0, 0);
    // Waiting costs time, and shows nothing more.
    for row in ROWS
        .iter()
        .filter(|row| row.trouble != Trouble::RecoversSoon)
    {
        for ((policy, _), expected) in POLICIES.into_iter().zip(row.expected) {
            let Ok(facts) = quietly(|| mistake.facts(row, policy)) else {
                broken += 1;
                continue;
            };
            let facts = text(&facts)?;
            shown |= differences(facts.to_str().unwrap_or_default(), expected);
        }
    }
    for name in names(shown) {
        note(fmt!("shows in {name}"));
    }
    note(fmt!("{broken} lines could not even be gathered"));
    let missing = mistake.columns() & !shown;
    for name in names(missing) {
        note(fmt!("does not show in {name}"));
    }
    check_eq!(missing, 0);
    Ok(())
}

fn every_column_shows_a_mistake() -> Outcome {
    let shown = MISTAKES
        .iter()
        .fold(0, |all, mistake| all | mistake.columns());
    for name in names(!shown) {
        note(fmt!("no mistake is known to show in {name}"));
    }
    check_eq!(shown, (1 << COLUMNS.len()) - 1);
    Ok(())
}
