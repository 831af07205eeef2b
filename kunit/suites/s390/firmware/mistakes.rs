// SPDX-License-Identifier: GPL-2.0

//! Mistakes of the core and of the driver, each of which shows in columns of its own.

use super::{
    cells::COLUMNS,
    facts::Facts,
    Row,
    POLICIES, //
};
use crate::{
    group::{
        defect::{
            Defect,
            Planted, //
        },
        Recovery, //
    },
    iommu::{
        EndpointId,
        Kind, //
    },
    kapi::kunit::{
        Outcome,
        Param, //
    },
    mock::fault::{
        Leave,
        Op,
        Rule, //
    },
};
use kernel::{
    fmt,
    prelude::*, //
};

/// Who makes a mistake.
#[derive(Clone, Copy)]
enum Whose {
    /// The core.
    Core(Defect),
    /// Whoever gave it the other policy.
    Policy,
    /// The driver, which lets so many attaches of the function in trouble fail, or those to one
    /// kind of domain.
    Driver(Leave, u32, Option<Kind>),
}

/// See the module.
pub(super) struct Mistake {
    name: &'static str,
    whose: Whose,
    /// The columns in which it has to show, in some row.
    pub(super) shows: &'static [&'static str],
}

impl Param for Mistake {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const fn mistake(name: &'static str, whose: Whose, shows: &'static [&'static str]) -> Mistake {
    Mistake { name, whose, shows }
}

/// Together they show in every column.
pub(super) const MISTAKES: [Mistake; 10] = [
    mistake("no WARN", Whose::Core(Defect::WarnLost), &["WARNs"]),
    mistake(
        "not blocked",
        Whose::Core(Defect::FallbackMissing),
        &["after", "believed"],
    ),
    mistake(
        "bound although parked",
        Whose::Core(Defect::BindAfterFailedReturn),
        &["bind"],
    ),
    mistake(
        "kept as a member",
        Whose::Core(Defect::ReleaseKeepsMember),
        &["then power", "then plug"],
    ),
    mistake(
        "the other policy",
        Whose::Policy,
        &["bind", "again", "then again"],
    ),
    mistake(
        "says attached, and is not",
        Whose::Driver(Leave::Lie, 1, None),
        &["during", "after", "believed", "WARNs", "then nothing"],
    ),
    mistake(
        "says fenced, and is not",
        Whose::Driver(Leave::Fenced, 1, None),
        &["believed", "WARNs"],
    ),
    mistake(
        "lies for good",
        Whose::Driver(Leave::Lie, u32::MAX, None),
        &["then elsewhere", "then reset", "then recover"],
    ),
    mistake(
        "takes no page table",
        Whose::Driver(Leave::Unchanged, u32::MAX, Some(Kind::Paging)),
        &["elsewhere"],
    ),
    mistake(
        "cannot block",
        Whose::Driver(Leave::Unchanged, u32::MAX, Some(Kind::Blocked)),
        &["claim", "reset"],
    ),
];

impl Mistake {
    /// What is found out about a function in trouble if it is made.
    pub(super) fn facts(&self, row: &Row, policy: Recovery) -> Outcome<Facts> {
        let mut policies = POLICIES.into_iter().map(|(policy, _)| policy);
        let other = policies.find(|other| *other != policy).unwrap_or(policy);
        match self.whose {
            Whose::Core(defect) => {
                let _planted = Planted::new(defect);
                Facts::gather(&row.way, policy, row.trouble, None)
            }
            Whose::Policy => Facts::gather(&row.way, other, row.trouble, None),
            Whose::Driver(leave, times, to) => {
                let rule = Rule::once(Op::Attach, EIO).leaving(leave).times(times);
                let rule = Rule {
                    to,
                    ..rule.at(EndpointId(0))
                };
                Facts::gather(&row.way, policy, row.trouble, Some(rule))
            }
        }
    }

    /// The columns in which it has to show, one bit each.
    pub(super) fn columns(&self) -> u32 {
        let place = |name: &&str| COLUMNS.iter().position(|column| column == name);
        let places = self.shows.iter().filter_map(place);
        places.fold(0, |columns, at| columns | 1 << at)
    }
}
