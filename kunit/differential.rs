// SPDX-License-Identifier: GPL-2.0

//! The same random operations on our core and on the kernel's own, compared one by one.
//!
//! After each operation both must have given the same answer, raised as many WARNs, called the
//! driver for the same devices with the same domains in the same order, and sent the DMA of every
//! device and PASID to the same place. Where `Documentation/divergences.rst` says that the cores
//! differ, that very difference is asserted, and both sides are torn down and start afresh.

mod choose;
mod compare;
mod divergence;

use self::{
    choose::{
        Model,
        Op, //
    },
    divergence::Divergence,
};
use crate::{
    iommu::EndpointId,
    kapi::{
        errno,
        kunit::{
            check,
            note,
            Outcome,
            WarnCounter, //
        },
    },
    mock::fault::{
        Leave,
        Op as Call,
        Rule, //
    },
    random::Random,
    recorder::Event,
    rig::{
        Core,
        DomainNo,
        Rig,
        Setting, //
    },
};
use kernel::prelude::*;

/// Groups have 1 to this many devices.
const MAX_MEMBERS: u32 = 6;

/// Operations on one pair of groups before both are torn down.
const OPS_PER_GROUP: u32 = 400;

/// User domains of each side.
const DOMAINS: usize = 3;

/// Does `steps` operations from `seed` on both cores.
pub(crate) fn run(seed: u64, steps: u32) -> Outcome {
    note(fmt!(
        "seed {seed}, {steps} operations; iommu_mock_kunit.seed={seed} repeats them"
    ));
    let warnings = WarnCounter::start()?;
    let mut random = Random::new(seed);
    let mut seen = [0u32; Divergence::ALL.len()];
    let (mut done, mut succeeded, mut members) = (0, 0u32, 0);
    while done < steps {
        members = members % MAX_MEMBERS + 1;
        let mut pair = Pair::new(members)?;
        for _ in 0..OPS_PER_GROUP.min(steps - done) {
            done += 1;
            match pair.step(&mut random, &warnings) {
                Ok(Next::GoOn { success }) => succeeded += u32::from(success),
                Ok(Next::StartAfresh(divergence)) => {
                    if let Some(count) = divergence.and_then(|d| seen.get_mut(d as usize)) {
                        *count += 1;
                    }
                    break;
                }
                Err(failed) => {
                    note(fmt!(
                        "at operation {done} of seed {seed}, {members} members"
                    ));
                    note(fmt!("operations, oldest first: {:?}", pair.recent));
                    return Err(failed);
                }
            }
        }
    }
    for (divergence, count) in Divergence::ALL.into_iter().zip(seen) {
        note(fmt!("{count:>7} x {}", divergence.name()));
        // A divergence that never shows is not known to be one.
        check!(count != 0, "{} was never seen", divergence.name());
    }
    let percent = u64::from(succeeded) * 100 / u64::from(steps.max(1));
    note(fmt!("{percent} % of the operations succeeded on both"));
    check!(
        percent >= 40,
        "only {percent} % of the operations succeeded"
    );
    Ok(())
}

/// What to do after an operation.
enum Next {
    /// The cores agree.
    GoOn {
        /// The operation succeeded.
        success: bool,
    },
    /// They differ as they should, or the group is gone.
    StartAfresh(Option<Divergence>),
}

/// What one core did with an operation.
#[derive(Debug)]
struct Answer {
    result: Result,
    warned: u32,
    events: KVec<Event>,
}

/// The same group under both cores.
struct Pair {
    ours: KBox<dyn Rig>,
    kernel: KBox<dyn Rig>,
    model: Model,
    recent: [Option<Op>; 10],
}

impl Pair {
    fn new(members: u32) -> Result<Self> {
        let mut ours = Setting::new(Core::Ours, members).build()?;
        let mut kernel = Setting::new(Core::Kernel, members).build()?;
        for _ in 0..DOMAINS {
            ours.domain()?;
            kernel.domain()?;
        }
        Ok(Self {
            ours,
            kernel,
            model: Model::new(members),
            recent: [const { None }; 10],
        })
    }

    fn step(&mut self, random: &mut Random, warnings: &WarnCounter) -> Outcome<Next> {
        let op = self.model.choose(random);
        self.recent.rotate_left(1);
        if let Some(newest) = self.recent.last_mut() {
            *newest = Some(op);
        }
        if random.chance(25) {
            let rule = rule(random, op, self.model.members);
            self.ours.fail(rule)?;
            self.kernel.fail(rule)?;
        }
        let hits = self.ours.mock().faults().hits();
        let ours = answer(&mut *self.ours, op, warnings);
        let faulted = self.ours.mock().faults().hits() != hits;
        let kernel = answer(&mut *self.kernel, op, warnings);

        if let Some(expected) = Divergence::expected(op, &self.model, faulted, &ours, &kernel) {
            let shown = expected.is_shown(&ours, &kernel);
            check!(
                shown,
                "{op:?} should differ ({}); our core says {ours:?}, the kernel's {kernel:?}",
                expected.name()
            );
            return Ok(Next::StartAfresh(Some(expected)));
        }
        self.compare(op, &ours, &kernel)?;
        let success = ours.result.is_ok();
        if success {
            self.model.done(op);
        }
        match self.model.present.is_empty() {
            true => Ok(Next::StartAfresh(None)),
            false => Ok(Next::GoOn { success }),
        }
    }
}

/// Does an operation under one core, and takes its faults away.
fn answer(rig: &mut dyn Rig, op: Op, warnings: &WarnCounter) -> Answer {
    rig.recorder().clear();
    let before = warnings.count();
    let result = op.perform(rig);
    let answer = Answer {
        result,
        warned: warnings.count() - before,
        events: rig.recorder().take(),
    };
    rig.mock().faults().clear();
    answer
}

/// A fault that a driver which keeps to its contract may have.
fn rule(random: &mut Random, op: Op, members: u32) -> Rule {
    let call = match op {
        Op::AttachPasid { .. } | Op::ReplacePasid { .. } | Op::DetachPasid { .. } => Call::SetPasid,
        _ => Call::Attach,
    };
    let soft = errno::emediumtype();
    let error = random.pick([ENOMEM, EIO, ENOSPC, EBUSY, ENODEV, soft]);
    let leave = match call == Call::Attach && random.chance(10) {
        true => Leave::Fenced,
        false => Leave::Unchanged,
    };
    let rule = Rule::once(call, error)
        .leaving(leave)
        .after(random.below(members.min(3)))
        .times(1 + random.below(2));
    match random.chance(40) {
        true => rule.at(EndpointId(random.below(members))),
        false => rule,
    }
}

/// The domains of either side.
fn domains() -> impl Iterator<Item = DomainNo> {
    (0..DOMAINS).map(DomainNo)
}
