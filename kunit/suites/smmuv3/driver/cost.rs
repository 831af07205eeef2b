// SPDX-License-Identifier: GPL-2.0

//! What an attach costs, and in which order it goes.

use super::{
    marked,
    unit,
    Of, //
};
use crate::{
    kapi::kunit::{
        self,
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mock::{
        hw::{
            machine::{
                Counts,
                Inspect as _, //
            },
            smmuv3::command::{
                self,
                op, //
            },
            step::{
                Note,
                Step, //
            },
        },
        smmuv3::{
            Smmuv3Space,
            Smmuv3Unit, //
        },
        unit::{
            Modelled as _,
            Space as _,
            Target,
            Unit as _, //
        },
    },
};
use kernel::{
    fmt,
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_smmuv3_cost:
    an_attach_costs: each Cost in COSTS;
    lists_enclose_what_is_written;
    a_tag_is_flushed_with_its_last_user;
}

/// Where an endpoint is or goes.
#[derive(Clone, Copy, Debug)]
enum Place {
    Blocked,
    Identity,
    S1(u64),
    S2(u64),
}

/// What a transition costs: stores, commands, waits.
struct Cost {
    name: &'static str,
    protocol: u32,
    ats: bool,
    from: Place,
    to: Place,
    cost: (u64, u64, u64),
}

impl kunit::Param for Cost {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const fn cost(
    name: &'static str,
    protocol: u32,
    ats: bool,
    from: Place,
    to: Place,
    cost: (u64, u64, u64),
) -> Cost {
    Cost {
        name,
        protocol,
        ats,
        from,
        to,
        cost,
    }
}

use Place::{
    Blocked,
    Identity,
    S1,
    S2, //
};

// A wait for each sync of CD or STE, for a flush of a tag, and for one of the ATC. A command for
// each of these, and CMD_PREFETCH_CONFIG behind each STE.
#[rustfmt::skip]
const COSTS: [Cost; 15] = [
    // STE 2, and no CD that could be cleared.
    cost("identity to blocked", 0, false, Identity, Blocked, (2, 3, 2)),
    // CD 3 stores, 2 syncs; STE 3 stores, 3 syncs.
    cost("identity to S1", 0, false, Identity, S1(0), (6, 6, 5)),
    cost("identity to S1, ATS", 0, true, Identity, S1(0), (6, 7, 6)),
    cost("blocked to S1", 0, false, Blocked, S1(0), (5, 5, 4)),
    // STE 3, 3; tag; CD 3, 2.
    cost("S1 to identity", 0, false, S1(0), Identity, (6, 7, 6)),
    cost("S1 to identity, ATS", 0, true, S1(0), Identity, (6, 8, 7)),
    cost("S1 to blocked", 0, false, S1(0), Blocked, (5, 6, 5)),
    // CD 3, 3; tag.
    cost("S1 to S1", 0, false, S1(0), S1(1), (3, 5, 4)),
    cost("S1 to S1, ATS", 0, true, S1(0), S1(1), (3, 6, 5)),
    // CD filled 3; STE 1, 1; all CDs; STE again 0; CD cleared 1; tag.
    cost("S1 to S1, swapped", 1, false, S1(0), S1(1), (5, 5, 3)),
    cost("S1 to itself", 0, false, S1(0), S1(0), (0, 1, 0)),
    // STE 4, 3; tag.
    cost("S2 to S2", 0, false, S2(0), S2(1), (4, 5, 4)),
    cost("identity to S2", 0, false, Identity, S2(0), (3, 3, 2)),
    cost("identity to S2, ATS", 0, true, Identity, S2(0), (4, 4, 3)),
    // STE 5, 3; CD 3, 2; tag.
    cost("S1 to S2", 0, false, S1(0), S2(0), (8, 7, 6)),
];

fn target(unit: &Arc<Smmuv3Unit>, place: Place) -> Result<Target<Smmuv3Space>> {
    let paging = |of, page| Ok(Target::Paging(marked(unit, of, page << 12)?));
    match place {
        Blocked => Ok(Target::Blocked),
        Identity => Ok(Target::Identity),
        S1(page) => paging(Of::Stage1, page),
        S2(page) => paging(Of::Stage2(48), page),
    }
}

fn an_attach_costs(cost: &Cost) -> Outcome {
    let unit = unit(cost.protocol, 1, cost.ats)?;
    let from = target(&unit, cost.from)?;
    let to = match (cost.from, cost.to) {
        (S1(a), S1(b)) if a == b => from.clone(),
        _ => target(&unit, cost.to)?,
    };
    unit.attach(0, None, &from).map_err(Error::from)?;
    let before = unit.machine().counts();
    unit.attach(0, None, &to).map_err(Error::from)?;
    let Counts {
        stores,
        commands,
        waits,
        ..
    } = unit.machine().counts();
    let (stores, commands) = (stores - before.stores, commands - before.commands);
    check_eq!((stores, commands, waits - before.waits), cost.cost);
    Ok(())
}

fn lists_enclose_what_is_written() -> Outcome {
    for protocol in [0, 1] {
        let unit = unit(protocol, 1, false)?;
        let (a, b) = (
            marked(&unit, Of::Stage1, 0x1000)?,
            marked(&unit, Of::Stage1, 0x2000)?,
        );
        let target = |space: &Arc<Smmuv3Space>| Target::Paging(space.clone());
        unit.attach(0, None, &target(&a)).map_err(Error::from)?;
        unit.machine().start_tape();
        unit.attach(0, None, &target(&b)).map_err(Error::from)?;
        let tape = unit.machine().take_tape();
        let position = |wanted: &dyn Fn(&Step) -> bool| tape.iter().position(wanted);
        let listed = position(
            &|step| matches!(step, Step::Note(Note::Listed(space, _)) if *space == b.number()),
        );
        let unlisted = position(
            &|step| matches!(step, Step::Note(Note::Unlisted(space, _)) if *space == a.number()),
        );
        let flush = position(&|step| {
            matches!(step, Step::Submit(command)
                if command::OP.get(&command.0) == op::TLBI_NH_ASID)
        });
        let stores = || {
            let steps = tape.iter().enumerate();
            steps.filter(|(_, step)| matches!(step, Step::Store(_)))
        };
        let first = stores().map(|(at, _)| at).min();
        let last = stores().map(|(at, _)| at).max();
        check!(listed < first && last < unlisted);
        // Whoever unmaps in between flushes for nobody; nobody can use the lines, though.
        check!((protocol == 0) == (unlisted < flush));
        check!(matches!(tape.last(), Some(Step::Note(Note::Return))));
        // A barrier is between what an entry refers to and the entry.
        let barrier = position(&|step| matches!(step, Step::Barrier));
        check!(barrier.is_some() && (protocol == 1 || barrier < first));
    }
    Ok(())
}

fn a_tag_is_flushed_with_its_last_user() -> Outcome {
    let unit = unit(0, 2, false)?;
    let space = marked(&unit, Of::Stage1, 0x1000)?;
    let flushes = |endpoint| -> Result<usize> {
        unit.machine().start_tape();
        unit.attach(endpoint, None, &Target::Blocked)
            .map_err(Error::from)?;
        let tape = unit.machine().take_tape();
        let all = tape.iter().filter(|step| {
            matches!(step, Step::Submit(command)
                if command::OP.get(&command.0) == op::TLBI_NH_ASID)
        });
        Ok(all.count())
    };
    for endpoint in 0..2 {
        unit.attach(endpoint, None, &Target::Paging(space.clone()))
            .map_err(Error::from)?;
    }
    check_eq!(flushes(1)?, 0);
    check_eq!(flushes(0)?, 1);
    check_eq!(flushes(0)?, 0);
    Ok(())
}
