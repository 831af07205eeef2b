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
    iommu::{
        Gather,
        Prot, //
    },
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
    mark::{
        next_page,
        IOVA,
        SIZE, //
    },
    mock::{
        hw::{
            step::{
                Note,
                Step, //
            },
            vtd::{
                Descriptor,
                Pages, //
            },
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
    pgtable::{
        PageTable,
        X86FirstStage, //
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
    unmapping_flushes_the_iotlb_before_device_tlbs;
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
    /// Endpoints have device-TLBs.
    ats: bool,
    from: End,
    to: End,
    steps: &'static str,
}

const fn alone(protocol: u32, from: End, to: End, steps: &'static str) -> Transition {
    Transition {
        protocol,
        pasid: None,
        shared: false,
        ats: false,
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

const fn ats(transition: Transition) -> Transition {
    Transition {
        ats: true,
        ..transition
    }
}

const TRANSITIONS: [Transition; 36] = [
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
    // The endpoint's own TLB is flushed last, wherever it comes from.
    ats(alone(0, SS, SS, "TuSBCWCWCWSSSSSSSSnSSSSSSSSSSSSSSBSLR")),
    ats(alone(0, SS, End::Blocked, "uSBCWCWCWSSSSSSSSnR")),
    ats(alone(
        0,
        End::Identity,
        SS,
        "TSBCWCWCWSSSSSSSSSSSSSSSSSSSSSSBSLR",
    )),
    ats(alone(0, End::Blocked, SS, "TSSSSSSSSSSSSSSBSLR")),
    ats(pasid(0, SS, End::Blocked, "SBCWCWCWSSSSSSSSunR")),
    ats(alone(1, SS, SS, "TLSCWCWCWunR")),
    ats(alone(2, SS, SS, "TLSCWCWCWunTR")),
    ats(alone(3, SS, SS, "TTLSCWTSCWSCWCCWCWunnR")),
    ats(alone(4, SS, SS, "TuSBCWCWCWSSnSSSSSSSBSLR")),
    ats(alone(4, SS, End::Identity, "uSBCWCWCWSSnSSSSSSBSR")),
    ats(alone(5, SS, SS, "TLSCWCWCWunR")),
];

impl kunit::Param for Transition {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = <VtdUnit as crate::mock::unit::Unit>::PROTOCOLS;
        let name = names.get(self.protocol as usize).copied().unwrap_or("?");
        write!(f, "{name}, {:?} to {:?}", self.from, self.to)?;
        if self.ats {
            f.write_str(", ATS")?;
        }
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
    let setting = Setting::new(transition.protocol, 2, false);
    let unit = unit(&setting, 2, |e| e.resettable = transition.ats)?;
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
    // Store, PASID cache, IOTLB, and what the endpoint keeps.
    let one = |ats: bool| if ats { "SCWCWCW" } else { "SCWCW" };
    for (protocol, ats) in (0..4).flat_map(|protocol| [(protocol, false), (protocol, true)]) {
        let setting = Setting::new(protocol, 2, false);
        let unit = unit(&setting, 2, |endpoint| endpoint.resettable = ats)?;
        let space = unit.new_second_stage_space(0)?;
        for id in 0..2 {
            let to = Target::Paging(space.clone());
            unit.attach(id, None, &to).map_err(Error::from)?;
        }
        for (enable, count) in [(true, 2), (true, 0), (false, 2)] {
            unit.machine().start_tape();
            space.set_dirty_tracking(enable)?;
            let steps = unit.machine().take_tape();
            let letters = steps.iter().map(letter);
            let entries = (0..count).flat_map(|_| one(ats).chars());
            let expected = Iterator::chain(entries, ['R']);
            check!(letters.eq(expected), "{}", Letters(&steps));
        }
        let first = unit.new_first_stage_space(0)?;
        check_eq!(first.set_dirty_tracking(true), Err(errno::eopnotsupp()));
    }
    Ok(())
}

/// Checks what unmapping in a space has flushed: in one batch, in this order.
fn check_flushed(unit: &VtdUnit, space: &VtdSpace, at: u64, expected: &[Descriptor]) -> Outcome {
    let mut gather = Gather::default();
    check_eq!(space.unmap(at, SIZE, 1, &mut gather), SIZE);
    unit.machine().start_tape();
    space.sync(&gather);
    let steps = unit.machine().take_tape();
    let waits = steps.iter().filter(|step| **step == Step::Wait).count();
    check_eq!(waits, usize::from(!expected.is_empty()));
    let commands = steps.iter().filter_map(|step| match step {
        Step::Submit(command) => Descriptor::decode(*command),
        _ => None,
    });
    check!(commands.eq(expected.iter().copied()), "{steps:x?}");
    Ok(())
}

fn unmapping_flushes_the_iotlb_before_device_tlbs() -> Outcome {
    let unit = unit(&Setting::ats(0), 2, |_| ())?;
    let pages = Pages {
        address: IOVA,
        am: 0,
        ih: true,
    };
    let range = Pages { ih: false, ..pages };
    let device = |sid, pages| Descriptor::DeviceTlb { sid, pages };
    let go = |endpoint, pasid, to: &Target<VtdSpace>| {
        let result = unit.attach(endpoint, pasid, to);
        result.map(|_| ()).map_err(Error::from)
    };

    // Nobody; one; two, of whom one leaves again.
    let second = space(&unit, By::Second)?;
    let target = Target::Paging(second.clone());
    let again = || second.map(IOVA, next_page(), SIZE, 1, Prot::RW).result;
    check_flushed(&unit, &second, IOVA, &[])?;
    again()?;
    go(0, None, &target)?;
    let did = 2;
    let iotlb = Descriptor::IotlbPage { did, pages };
    check_flushed(&unit, &second, IOVA, &[iotlb, device(0, range)])?;
    again()?;
    go(1, None, &target)?;
    let all = [iotlb, device(0, range), device(1, range)];
    check_flushed(&unit, &second, IOVA, &all)?;
    again()?;
    go(0, None, &Target::Blocked)?;
    check_flushed(&unit, &second, IOVA, &[iotlb, device(1, range)])?;
    go(1, None, &Target::Blocked)?;

    // With and without PASID.
    let first = space(&unit, By::First)?;
    let target = Target::Paging(first.clone());
    go(0, None, &target)?;
    go(0, Some(3), &target)?;
    let iotlb = |pasid| Descriptor::PasidIotlbPage { did, pasid, pages };
    let (sid, pasid) = (0, 3);
    let with_pasid = Descriptor::PasidDeviceTlb {
        sid,
        pasid,
        pages: range,
    };
    let all = [iotlb(0), device(0, range), iotlb(3), with_pasid];
    check_flushed(&unit, &first, IOVA, &all)?;
    go(0, Some(3), &Target::Blocked)?;
    go(0, None, &Target::Blocked)?;

    // What is on top of a page may be anywhere.
    let parent = space(&unit, By::Second)?;
    let guest = Arc::pin_init(PageTable::<X86FirstStage>::new(4), GFP_KERNEL)?;
    let nested = unit.new_nested(&parent, guest)?;
    go(0, None, &Target::Paging(nested))?;
    let all = [Descriptor::IotlbPage { did, pages }, device(0, Pages::ALL)];
    check_flushed(&unit, &parent, IOVA, &all)
}
