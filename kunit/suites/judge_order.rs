// SPDX-License-Identifier: GPL-2.0

//! The order in which a queue is worked off, where an endpoint keeps translations itself (ATS):
//! what Linux relies on, what manuals say, and hardware that guarantees nothing.
//!
//! An endpoint that is told of a page before the IOTLB is asks the IOTLB again.

use crate::{
    judge::{
        judge,
        timeline,
        Invariant,
        Options, //
    },
    judge_tests::{
        families::{
            Amd,
            Legacy,
            Scalable, //
        },
        family::Judged,
        recipe::{
            End,
            Meanwhile,
            Recipe, //
        },
        record::Recorded,
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        note,
        Outcome, //
    },
    mock::hw::{
        amd::AmdVi,
        model::Model,
        step::Step,
        vtd::{
            Order,
            Registers, //
        },
    },
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_judge_order:
    endpoint_is_not_to_be_told_before_the_iotlb;
    queue_without_order_needs_a_wait_in_between;
    manual_orders_less_than_linux_relies_on;
}

/// Numbers of protocols that break nothing.
const STORE128: u32 = 1;
const LEGACY_STORE128: u32 = 5;

/// A page is unmapped in the old space of an endpoint with ATS, which goes to another space.
fn unmapped<J: Judged>(protocol: u32, stage: usize, pasid: Option<u32>) -> Result<Recorded<J>> {
    let recorded = Recorded::new(Recipe {
        ats: true,
        meanwhile: Meanwhile::UnmapOld,
        pasid,
        ..Recipe::new(protocol, End::A(stage), End::B(stage))
    })?;
    recorded.ok_or(ENOENT)
}

/// What breaks on some hardware, if whoever unmaps flushes like this.
fn broken_by<J: Judged>(
    recorded: &Recorded<J>,
    model: &dyn Model,
    flush: Option<&[Step]>,
) -> Outcome<u16> {
    let mut case = recorded.case(&recorded.steps);
    case.model = model;
    if let (Some(edit), Some(flush)) = (&mut case.edit, flush) {
        edit.listed = flush;
    }
    let report = judge(&case, Options::default(), None)?;
    if report.broken != 0 {
        timeline(&case, Options::default(), &mut |line| note(line))?;
    }
    Ok(report.broken)
}

/// What unmapping has flushed.
fn flush_of<J: Judged>(recorded: &Recorded<J>) -> Outcome<KVVec<Step>> {
    let mut flush = KVVec::new();
    if let Some(edit) = recorded.case(&recorded.steps).edit {
        flush.extend_from_slice(edit.listed, GFP_KERNEL)?;
    }
    let is_command = |step: &&Step| matches!(step, Step::Submit(_));
    check!(flush.iter().filter(is_command).count() >= 2, "{flush:x?}");
    Ok(flush)
}

/// The last command of a batch first.
fn telling_the_endpoint_first_breaks<J: Judged>(protocol: u32, stage: usize) -> Outcome {
    let recorded = unmapped::<J>(protocol, stage, None)?;
    check_eq!(broken_by(&recorded, recorded.model(), None)?, 0);
    let flush = flush_of(&recorded)?;
    let is_command = |step: &Step| matches!(step, Step::Submit(_));
    let last = flush.iter().rposition(is_command).unwrap_or(0);
    let mut backwards = KVVec::new();
    if let Some(step) = flush.get(last) {
        backwards.push(*step, GFP_KERNEL)?;
    }
    for (at, step) in flush.iter().enumerate() {
        if at != last {
            backwards.push(*step, GFP_KERNEL)?;
        }
    }
    let broken = broken_by(&recorded, recorded.model(), Some(&backwards))?;
    check_eq!(broken, Invariant::Stale.bit());
    Ok(())
}

fn endpoint_is_not_to_be_told_before_the_iotlb() -> Outcome {
    for stage in 0..3 {
        telling_the_endpoint_first_breaks::<Scalable>(STORE128, stage)?;
    }
    telling_the_endpoint_first_breaks::<Legacy>(LEGACY_STORE128, 0)?;
    for (protocol, stage) in [(0, 0), (0, 1), (STORE128, 0), (STORE128, 1)] {
        telling_the_endpoint_first_breaks::<Amd>(protocol, stage)?;
    }
    Ok(())
}

/// Batches break on that hardware, and a wait behind each command helps.
fn order_is_relied_on<J: Judged>(recorded: &Recorded<J>, model: &dyn Model) -> Outcome {
    check_eq!(broken_by(recorded, recorded.model(), None)?, 0);
    let broken = broken_by(recorded, model, None)?;
    check!(broken & Invariant::Stale.bit() != 0, "{broken:#x}");
    let steps = with_waits(&recorded.steps)?;
    let flush = with_waits(&flush_of(recorded)?)?;
    let mut case = recorded.case(&steps);
    case.model = model;
    if let Some(edit) = &mut case.edit {
        edit.listed = &flush;
    }
    check_eq!(judge(&case, Options::default(), None)?.broken, 0);
    Ok(())
}

fn with_waits(steps: &[Step]) -> Result<KVVec<Step>> {
    let mut waits = KVVec::new();
    for step in steps {
        waits.push(*step, GFP_KERNEL)?;
        if let Step::Submit(_) = step {
            waits.push(Step::Wait, GFP_KERNEL)?;
        }
    }
    Ok(waits)
}

fn queue_without_order_needs_a_wait_in_between() -> Outcome {
    let vtd = unmapped::<Scalable>(STORE128, 0, None)?;
    let order = Order::Nothing;
    let registers = Registers {
        order,
        ..*vtd.registers()
    };
    order_is_relied_on(&vtd, &registers)?;
    let amd = unmapped::<Amd>(STORE128, 0, None)?;
    let in_order = false;
    let registers = AmdVi {
        in_order,
        ..*amd.registers()
    };
    order_is_relied_on(&amd, &registers)
}

fn manual_orders_less_than_linux_relies_on() -> Outcome {
    // Without PASID: second stage, first stage, nested.
    for (stage, relies) in [(0, false), (1, true), (2, true)] {
        let recorded = unmapped::<Scalable>(STORE128, stage, None)?;
        let order = Order::Manual;
        let registers = Registers {
            order,
            ..*recorded.registers()
        };
        match relies {
            true => order_is_relied_on(&recorded, &registers)?,
            false => check_eq!(broken_by(&recorded, &registers, None)?, 0),
        }
    }
    // An endpoint is told of a PASID behind all of the IOTLB.
    let recorded = unmapped::<Scalable>(STORE128, 1, Some(1))?;
    let order = Order::Manual;
    let registers = Registers {
        order,
        ..*recorded.registers()
    };
    check_eq!(broken_by(&recorded, &registers, None)?, 0);
    Ok(())
}
