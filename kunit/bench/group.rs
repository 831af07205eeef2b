// SPDX-License-Identifier: GPL-2.0

//! Moving groups between domains, beside `drivers/iommu/iommu.c` with the same driver.

use super::{
    measure::{
        time,
        Pairs, //
    },
    sheet::{
        Limits,
        Row,
        Sheet, //
    },
};
use crate::rig::{
    Core,
    DomainNo,
    HandleNo,
    Rig,
    Setting, //
};
use kernel::prelude::*;

const PEER: &str = "iommu.c";
const MEMBERS: [u32; 4] = [1, 10, 100, 1000];

/// Members that are moved in a round.
const MOVES: u32 = 1000;

const PAIR: Limits = Limits {
    floor: 1300,
    aim: 800,
};
const REPLACE: Limits = Limits {
    floor: 1000,
    aim: 800,
};

/// One of the sides, with two domains.
struct Side {
    rig: KBox<dyn Rig>,
    domains: [DomainNo; 2],
}

/// What is done to a group, once.
type Move = fn(&mut Side) -> Result;

impl Side {
    fn new(core: Core, members: u32) -> Result<Self> {
        let mut rig = Setting::new(core, members).build()?;
        let domains = [rig.domain()?, rig.domain()?];
        Ok(Self { rig, domains })
    }

    fn time(&mut self, what: Move, times: u32) -> Result<u64> {
        let taken = time(|| {
            for _ in 0..times {
                what(self)?;
            }
            Ok(())
        });
        self.rig.recorder().clear();
        taken
    }
}

fn attach_detach(side: &mut Side) -> Result {
    let [domain, _] = side.domains;
    side.rig.attach(domain, None)?;
    side.rig.detach(domain);
    Ok(())
}

fn replace_twice(side: &mut Side) -> Result {
    let [a, b] = side.domains;
    side.rig.replace(b, HandleNo(2))?;
    side.rig.replace(a, HandleNo(1))
}

fn claim_release(side: &mut Side) -> Result {
    side.rig.claim()?;
    side.rig.release();
    Ok(())
}

/// Measures all moves with all group sizes, and what each further member costs.
pub(super) fn measure(sheet: &mut Sheet) -> Result {
    for (what, body, limits, each) in [
        ("attach+detach", attach_detach as Move, PAIR, 1),
        ("replace", replace_twice as Move, REPLACE, 2),
        ("claim+release", claim_release as Move, PAIR, 1),
    ] {
        let mut first = None;
        for members in MEMBERS {
            let (pairs, times) = one(sheet, members, body, what == "replace")?;
            let mut pairs = pairs;
            sheet.pair(
                &Row {
                    what,
                    size: members.into(),
                    peer: PEER,
                    limits: Some(limits),
                    times: times.saturating_mul(each),
                },
                &mut pairs,
            )?;
            let (ours, theirs) = pairs.summaries();
            let median = |[_, median, _]: [u64; 3]| median / u64::from(times.max(1));
            let now = (median(ours.quartiles), median(theirs.quartiles));
            let Some((a, b)) = first else {
                first = Some(now);
                continue;
            };
            let more = (now.0.saturating_sub(a), now.1.saturating_sub(b));
            let ratio = more.0.saturating_mul(1000).checked_div(more.1);
            let row = Row {
                what: extra(what),
                size: members.into(),
                peer: PEER,
                limits: Some(REPLACE),
                times: 1,
            };
            sheet.figure(&row, ratio.unwrap_or(0), "ratio");
        }
    }
    Ok(())
}

fn extra(what: &str) -> &'static str {
    match what {
        "attach+detach" => "attach+detach, each extra member",
        "replace" => "replace, each extra member",
        _ => "claim+release, each extra member",
    }
}

fn one(sheet: &mut Sheet, members: u32, body: Move, attached: bool) -> Result<(Pairs, u32)> {
    let mut ours = Side::new(Core::Ours, members)?;
    let mut theirs = Side::new(Core::Kernel, members)?;
    if attached {
        for side in [&mut ours, &mut theirs] {
            let [domain, _] = side.domains;
            side.rig.attach(domain, Some(HandleNo(1)))?;
        }
    }
    let times = MOVES.checked_div(members).unwrap_or(1).max(1);
    let mut pairs = Pairs::new();
    for round in sheet.rounds() {
        round.take(
            &mut pairs,
            || ours.time(body, times),
            || theirs.time(body, times),
        )?;
    }
    if attached {
        for side in [&mut ours, &mut theirs] {
            let [domain, _] = side.domains;
            side.rig.detach(domain);
        }
    }
    Ok((pairs, times))
}
