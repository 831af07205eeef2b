// SPDX-License-Identifier: GPL-2.0

//! The same random operations on our core and on the kernel's own, compared one by one.
//!
//! After each operation both must have given the same answer, raised as many WARNs, called the
//! driver for the same devices with the same domains in the same order, and sent the DMA of every
//! device and PASID to the same place. Where `Documentation/divergences.rst` says that the cores
//! differ, that very difference is asserted, and both sides are torn down and start afresh.
//!
//! In between, the kernel's core alone is misused as our types do not permit; see [`Misuse`].

mod choose;
mod compare;
mod coverage;
mod distort;
mod divergence;
mod misuse;
mod ops;
mod pair;
mod shrink;
mod view;

pub(crate) use self::{
    distort::Distortion,
    misuse::{
        Misuse,
        Slip, //
    }, //
};

use self::{
    coverage::Coverage,
    divergence::Divergence,
    ops::Op,
    pair::{
        Answer,
        GroupSays,
        Next,
        Pair, //
    },
};
use crate::{
    families,
    iommu::EndpointId,
    kapi::{
        errno,
        kunit::{
            check,
            note,
            Failed,
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
    rig::{
        DomainNo,
        Scene, //
    },
};
use kernel::{
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    },
};

/// Operations on one pair of groups before both are torn down.
const OPS_PER_GROUP: u32 = 400;

/// In so many, everything must have been seen, and what is rare.
const ENOUGH: u32 = 2_000;
const ENOUGH_FOR_RARE: u32 = 20_000;

/// User domains of each side.
const DOMAINS: usize = 3;

/// A mistake in the comparison itself, for a test of it.
#[derive(Clone, Copy)]
pub(crate) enum Mistake {
    /// In what is expected of a misuse.
    Verdict(Misuse, Slip),
    /// In what our core's driver has recorded.
    Record(Distortion),
}

/// An operation, and what fails meanwhile.
#[derive(Clone, Copy, Debug)]
struct Step {
    op: Op,
    rule: Option<Rule>,
}

/// Operations after which the cores differ, in the order in which they were done.
pub(crate) struct Difference {
    members: u32,
    steps: KVec<Step>,
    failed: Failed,
}

impl Difference {
    /// How many operations it took.
    pub(crate) fn length(&self) -> usize {
        self.steps.len()
    }
}

/// A walk over groups of devices of one kind.
pub(crate) struct Walk {
    scene: Scene,
    seed: u64,
    steps: u32,
    members: u32,
    coverage: Coverage,
    seen: [u32; Divergence::ALL.len()],
    mistake: Option<Mistake>,
}

impl Walk {
    /// `steps` operations from `seed` on both cores, on groups of up to `members` devices.
    pub(crate) fn new(scene: Scene, members: u32, seed: u64, steps: u32) -> Self {
        Self {
            scene,
            seed,
            steps,
            members,
            coverage: Coverage::new(),
            seen: [0; Divergence::ALL.len()],
            mistake: None,
        }
    }

    /// The same, but with a mistake.
    pub(crate) fn mistaken(self, mistake: Mistake) -> Self {
        Self {
            mistake: Some(mistake),
            ..self
        }
    }

    /// Does them. A difference is printed with the fewest operations that show it.
    pub(crate) fn run(mut self) -> Outcome {
        let (seed, steps) = (self.seed, self.steps);
        note(fmt!(
            "seed {seed}, {steps} operations; iommu_mock_kunit.seed={seed} repeats them"
        ));
        let start = Instant::<Monotonic>::now();
        if let Err(difference) = self.explore() {
            return Err(self.shrink(difference));
        }
        let time = u64::try_from(start.elapsed().as_micros_ceil()).unwrap_or(u64::MAX);
        let speed = (u64::from(steps) * 1_000_000).checked_div(time);
        note(fmt!("{} operations a second", speed.unwrap_or(0)));
        self.report()
    }

    /// Does them until the cores differ.
    pub(crate) fn explore(&mut self) -> Result<(), Difference> {
        let mut random = Random::new(self.seed);
        let (mut done, mut members) = (0, 0);
        while done < self.steps {
            members = match members < self.members {
                true => members + 1,
                false => 1,
            };
            let mut steps = KVec::new();
            let mut group = || {
                let warnings = WarnCounter::start()?;
                let mut pair = Pair::new(self.scene, members, self.mistake)?;
                for _ in 0..OPS_PER_GROUP.min(self.steps - done) {
                    done += 1;
                    let step = pair.choose(&mut random, &self.coverage);
                    steps.push(step, GFP_KERNEL)?;
                    match pair.step(step, &warnings)? {
                        Next::GoOn(end) => self.coverage.count(step.op, end),
                        Next::StartAfresh(divergence) => {
                            self.coverage.count(step.op, coverage::End::Last);
                            if let Some(count) =
                                divergence.and_then(|d| self.seen.get_mut(d as usize))
                            {
                                *count += 1;
                            }
                            break;
                        }
                    }
                }
                Ok(())
            };
            group().map_err(|failed| Difference {
                members,
                steps,
                failed,
            })?;
        }
        Ok(())
    }

    /// Says what was seen, and whether that is enough for so many operations.
    fn report(&self) -> Outcome {
        let enough = self.steps >= ENOUGH;
        let pasids = families::has_pasids()?;
        for (divergence, count) in Divergence::ALL.into_iter().zip(self.seen) {
            if divergence.shows_in(self.scene, pasids) {
                note(fmt!("{count:>7} x {}", divergence.name()));
                let enough = match divergence.is_rare() {
                    true => self.steps >= ENOUGH_FOR_RARE,
                    false => enough,
                };
                // A divergence that never shows is not known to be one.
                check!(
                    count != 0 || !enough,
                    "{} was never seen",
                    divergence.name()
                );
            }
        }
        self.coverage.report(self.scene, pasids, enough)
    }
}

/// A fault that a driver which keeps to its contract may have.
fn rule(random: &mut Random, op: Op, members: u32) -> Rule {
    let call = match op {
        Op::AttachPasid { .. } | Op::ReplacePasid { .. } | Op::DetachPasid { .. } => Call::SetPasid,
        Op::ResetPrepare { .. } | Op::ResetDone { .. } if random.chance(30) => Call::SetPasid,
        Op::Plug { .. } => random.pick([Call::Probe, Call::Group, Call::Attach, Call::Attach]),
        Op::Map { .. } => random.pick([Call::Map, Call::SyncMap]),
        Op::Unmap { .. } => Call::Unmap,
        Op::SetType { .. } => random.pick([Call::Attach, Call::Attach, Call::Alloc, Call::Map]),
        _ => Call::Attach,
    };
    let soft = errno::emediumtype();
    let error = match call {
        Call::Attach | Call::SetPasid => random.pick([ENOMEM, EIO, ENOSPC, EBUSY, ENODEV, soft]),
        _ => random.pick([ENOMEM, EIO, ENOSPC]),
    };
    let leave = match call == Call::Attach && random.chance(10) {
        true => Leave::Fenced,
        false => Leave::Unchanged,
    };
    let rule = Rule::once(call, error)
        .leaving(leave)
        .after(random.below(members.min(3)))
        .times(1 + random.below(2));
    match (op, call) {
        (Op::Plug { id }, _) => rule.after(0).at(EndpointId(id)),
        (_, Call::Map | Call::SyncMap | Call::Unmap) => rule,
        _ if random.chance(40) => rule.at(EndpointId(random.below(members))),
        _ => rule,
    }
}

/// The domains of either side.
fn domains() -> impl Iterator<Item = DomainNo> {
    (0..DOMAINS).map(DomainNo)
}
