// SPDX-License-Identifier: GPL-2.0

//! The steps of each protocol, in their order.

use super::{
    live::{
        space,
        unit,
        By, //
    },
    Setting,
};
use crate::{
    kapi::{
        errno,
        kunit::{
            self,
            check,
            check_eq,
            kunit_suite,
            Outcome, //
        },
    },
    mock::{
        hw::step::{
            Note,
            Step, //
        },
        unit::{
            Modelled as _,
            Space as _,
            Target,
            Unit as _, //
        },
        vtd::{
            VtdSpace,
            VtdUnit, //
        },
    },
};
use kernel::{
    fmt,
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_vtd_protocol:
    steps_come_in_their_order: each Transition in TRANSITIONS;
    marking_changes_each_entry_in_turn;
}

/// Where DMA goes before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Blocked,
    Identity,
    Paging(By),
}

const SS: End = End::Paging(By::Second);
const FS: End = End::Paging(By::First);

/// A transition, and what is done for it: `S`tore, `B`arrier, `C`ommand, `W`ait, `L`isted and
/// `u`n-, `T`agged and `n`ot any more, `R`eturn.
struct Transition {
    protocol: u32,
    pasid: Option<u32>,
    /// Another endpoint is where this one comes from.
    shared: bool,
    from: End,
    to: End,
    steps: &'static str,
}

const fn alone(protocol: u32, from: End, to: End, steps: &'static str) -> Transition {
    Transition {
        protocol,
        pasid: None,
        shared: false,
        from,
        to,
        steps,
    }
}

const fn pasid(protocol: u32, from: End, to: End, steps: &'static str) -> Transition {
    Transition {
        pasid: Some(1),
        ..alone(protocol, from, to, steps)
    }
}

const fn shared(protocol: u32, from: End, to: End, steps: &'static str) -> Transition {
    Transition {
        shared: true,
        ..alone(protocol, from, to, steps)
    }
}

const TRANSITIONS: [Transition; 25] = [
    // One store, three commands with a wait each but for the wait itself, eight stores of nothing,
    // and so on, as `intel_pasid_tear_down_entry()` and the setters go.
    alone(0, SS, SS, "TuSBCWCWSSSSSSSSnSSSSSSSSSSSSSSBSLR"),
    alone(0, FS, FS, "TuSBCWCWSSSSSSSSnSSSSSSSSSSSSSBSLR"),
    alone(0, SS, End::Identity, "uSBCWCWSSSSSSSSnSSSSSSSSSSSSSBSR"),
    alone(0, SS, End::Blocked, "uSBCWCWSSSSSSSSnR"),
    alone(0, End::Blocked, SS, "TSSSSSSSSSSSSSSBSLR"),
    pasid(0, SS, SS, "TLSBCWCWSSSSSSSSSSSSSSSSSSSSSSBSunR"),
    pasid(0, SS, End::Blocked, "SBCWCWSSSSSSSSunR"),
    shared(0, SS, SS, "TuSBCWCWSSSSSSSSSSSSSSSSSSSSSSBSLR"),
    alone(1, SS, SS, "TLSCWCWunR"),
    alone(1, SS, End::Identity, "SCWCWunR"),
    alone(1, End::Identity, SS, "TLSCWCWR"),
    alone(1, SS, FS, "TLSCWSCWCWunR"),
    alone(1, FS, SS, "TLSCWCWSunR"),
    alone(1, FS, FS, "TLSBCWCWSSSSSSSSSCWSunR"),
    pasid(1, SS, SS, "TLSCWCWunR"),
    alone(2, SS, SS, "TLSCWCWunTR"),
    alone(2, FS, FS, "TLSCWCWunTR"),
    shared(2, SS, SS, "TLSBCWCWSSSSSSSSSSSSSSSSSSSSSSBSuR"),
    alone(3, SS, SS, "TTLSCWTSCWSCWCCWunnR"),
    alone(3, FS, FS, "TTLSCWTSCWSCWCCWunnR"),
    shared(3, FS, FS, "TTLSCWTSCWSCWCCWunR"),
    alone(4, SS, SS, "TuSBCWCWSSnSSSSSSSBSLR"),
    alone(4, SS, End::Identity, "uSBCWCWSSnSSSSSSBSR"),
    alone(5, SS, SS, "TLSCWCWunR"),
    alone(5, SS, End::Blocked, "SCWCWunR"),
];

impl kunit::Param for Transition {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = <VtdUnit as crate::mock::unit::Unit>::PROTOCOLS;
        let name = names.get(self.protocol as usize).copied().unwrap_or("?");
        write!(f, "{name}, {:?} to {:?}", self.from, self.to)?;
        match (self.pasid, self.shared) {
            (Some(pasid), _) => write!(f, ", PASID {pasid}"),
            (None, true) => f.write_str(", shared"),
            (None, false) => Ok(()),
        }
    }
}

fn target(unit: &Arc<VtdUnit>, end: End) -> Result<Target<VtdSpace>> {
    Ok(match end {
        End::Blocked => Target::Blocked,
        End::Identity => Target::Identity,
        End::Paging(by) => Target::Paging(space(unit, by)?),
    })
}

fn letter(step: &Step) -> char {
    match step {
        Step::Store(_) => 'S',
        Step::Barrier => 'B',
        Step::Submit(_) => 'C',
        Step::Wait => 'W',
        Step::Call(..) => 'F',
        Step::Note(note) => match note {
            Note::Listed(..) => 'L',
            Note::Unlisted(..) => 'u',
            Note::Tagged(..) => 'T',
            Note::Untagged(_) => 'n',
            Note::Freed(_) => 'f',
            Note::Return => 'R',
        },
    }
}

struct Letters<'a>(&'a [Step]);

impl fmt::Display for Letters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in self.0 {
            write!(f, "{}", letter(step))?;
        }
        Ok(())
    }
}

fn steps_come_in_their_order(transition: &Transition) -> Outcome {
    let unit = unit(&Setting::new(transition.protocol, 2, false), 2, |_| ())?;
    let (from, to) = (
        target(&unit, transition.from)?,
        target(&unit, transition.to)?,
    );
    let pasid = transition.pasid;
    unit.attach(0, pasid, &from).map_err(Error::from)?;
    if transition.shared {
        unit.attach(1, pasid, &from).map_err(Error::from)?;
    }
    unit.machine().start_tape();
    let result = unit.attach(0, pasid, &to);
    let steps = unit.machine().take_tape();
    check!(result.is_ok(), "{result:?}");
    let letters = steps.iter().map(letter);
    check!(
        letters.eq(transition.steps.chars()),
        "{}, expected {}",
        Letters(&steps),
        transition.steps
    );
    Ok(())
}

fn marking_changes_each_entry_in_turn() -> Outcome {
    for protocol in 0..4 {
        let unit = unit(&Setting::new(protocol, 2, false), 2, |_| ())?;
        let space = unit.new_second_stage_space(0)?;
        for id in 0..2 {
            let to = Target::Paging(space.clone());
            unit.attach(id, None, &to).map_err(Error::from)?;
        }
        for (enable, expected) in [(true, "SCWCWSCWCWR"), (true, "R"), (false, "SCWCWSCWCWR")] {
            unit.machine().start_tape();
            space.set_dirty_tracking(enable)?;
            let steps = unit.machine().take_tape();
            let letters = steps.iter().map(letter);
            check!(letters.eq(expected.chars()), "{}", Letters(&steps));
        }
        let first = unit.new_first_stage_space(0)?;
        check_eq!(first.set_dirty_tracking(true), Err(errno::eopnotsupp()));
    }
    Ok(())
}
