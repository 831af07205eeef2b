// SPDX-License-Identifier: GPL-2.0

//! Firmware that refuses what must not fail: each protocol of the driver, each thing that may come
//! between, each policy of the core (requirements R0.2 to R0.7 and R0.10).
//!
//! Two functions form a group that a user gives back while its domain is still attached, so that
//! all must go from there to the default domain, and the first one has trouble. Each fact is found
//! out on a group of its own. `Documentation/firmware.rst` shows the table.

mod facts;
mod scene;

use self::{
    facts::Facts,
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
    group::{
        defect::{
            Defect,
            Planted, //
        },
        Recovery, //
    },
    kapi::kunit::{
        check,
        check_eq,
        fails,
        kunit_suite,
        note,
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
    defect_of_the_core_shows;
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

fn function_in_trouble(row: &Row) -> Outcome {
    let warnings = WarnCounter::start()?;
    for ((policy, name), expected) in POLICIES.into_iter().zip(row.expected) {
        let facts = Facts::gather(&row.way, policy, row.trouble)?;
        let facts = CString::try_from_fmt(fmt!("{facts}"))?;
        let facts = facts.to_str().unwrap_or_default();
        note(fmt!("{name}: {facts}"));
        check!(facts == expected, "{name}: {facts}, expected {expected}");
    }
    if row.trouble.is_of_the_environment() {
        check_eq!(warnings.count(), 0);
    }
    Ok(())
}

fn defect_of_the_core_shows() -> Outcome {
    let _quiet = WarnCounter::start()?;
    let refused = ROWS
        .iter()
        .filter(|row| row.trouble == Trouble::RegistersNothing);
    for row in refused {
        for defect in [
            Defect::WarnLost,
            Defect::FallbackMissing,
            Defect::BindAfterFailedReturn,
        ] {
            let planted = Planted::new(defect);
            let found = fails(|| function_in_trouble(row));
            drop(planted);
            check!(found, "{defect:?} does not show");
        }
    }
    Ok(())
}
