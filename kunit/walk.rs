// SPDX-License-Identifier: GPL-2.0

//! A random walk over everything that can be asked of a group, with faults.
//!
//! After every operation the oracle compares belief and truth. An operation that failed must have
//! changed nothing, and without a fault nothing may warn but plain misuse. Faults keep to the
//! contract of drivers; what a driver that breaks it does to the oracle is tested elsewhere.

mod coverage;
mod ops;
mod place;
mod snapshot;
pub(crate) mod soak;

pub(crate) use self::coverage::FULL;

use self::{
    coverage::{
        Coverage,
        Outcome as Class, //
    },
    ops::Op,
    place::Place,
    snapshot::Snapshot,
};
use crate::{
    families,
    fixture::{
        Fixture,
        Setup, //
    },
    group::{
        Group,
        Handle, //
    },
    iommu::{
        DefaultType,
        Domain,
        EndpointId,
        Pasid, //
    },
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
    oracle,
    random::Random,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Groups have 1 to this many devices.
pub(crate) const MAX_MEMBERS: u32 = 8;

/// Operations on one group before it is torn down.
const OPS_PER_GROUP: u32 = 500;

/// User domains of a walk at a time.
const DOMAINS: usize = 3;

/// Walks `steps` operations from `seed`, over groups of all sizes, and prints the coverage.
pub(crate) fn walk(seed: u64, steps: u32) -> Outcome {
    note(fmt!(
        "seed {seed}, {steps} operations; iommu_mock_kunit.seed={seed} repeats them"
    ));
    let _quiet = WarnCounter::start()?;
    let mut random = Random::new(seed);
    let mut coverage = Coverage::new(families::has_pasids()?);
    let mut left = steps;
    let mut members = 0;
    while left != 0 {
        members = members % MAX_MEMBERS + 1;
        let now = left.min(OPS_PER_GROUP);
        let mut walker = Walker::new(members)?;
        for at in 0..now {
            if let Err(failed) = walker.step(&mut random, &mut coverage) {
                let step = steps - left + at;
                note(fmt!("at step {step} of seed {seed}, {members} members"));
                note(fmt!(
                    "operations before it, oldest first: {:?}",
                    walker.recent
                ));
                return Err(failed);
            }
        }
        left -= now;
    }
    coverage.print();
    coverage.check(steps)
}

/// One group and what its users know of it.
struct Walker {
    fixture: Fixture,
    /// The group of the present members; a new one once all have left.
    group: Arc<Group>,
    members: u32,
    domains: [Option<Arc<Domain>>; DOMAINS],
    recent: [Option<Op>; 8],
    /// What to bring about, and for how many more operations to try.
    goal: (ops::Kind, Class),
    left_on_goal: u32,
}

impl Walker {
    fn new(members: u32) -> Result<Self> {
        let mut setup = Setup::ordinary(members)?;
        // One device of three has no PASIDs.
        for at in (2..members as usize).step_by(3) {
            setup = setup.endpoint(at, |endpoint| endpoint.max_pasids = 0);
        }
        let fixture = setup.probe()?;
        Ok(Self {
            group: fixture.group()?.clone(),
            fixture,
            members,
            domains: [const { None }; DOMAINS],
            recent: [const { None }; 8],
            goal: (ops::Kind::Attach, Class::Done),
            left_on_goal: 0,
        })
    }

    fn step(&mut self, random: &mut Random, coverage: &mut Coverage) -> Outcome {
        if self.left_on_goal == 0 {
            self.goal = match random.chance(50) {
                true => coverage.rarest(self.members),
                false => (random.pick(ops::Kind::ALL), Class::Done),
            };
            self.left_on_goal = 2 * self.members + 4;
        }
        self.left_on_goal -= 1;
        let (wanted, end) = self.goal;
        let op = ops::choose(random, &self.view(), wanted, end);
        self.recent.rotate_left(1);
        if let Some(newest) = self.recent.last_mut() {
            *newest = Some(op);
        }
        let arrived = op.kind() == wanted;
        let chance = match end {
            Class::Failed | Class::Warned if arrived => 80,
            Class::Done | Class::Refused | Class::Failed | Class::Warned => 5,
        };
        if random.chance(chance) {
            let rule = rule(random, op.kind(), self.members);
            self.fixture.fail(rule)?;
        }

        let before = Snapshot::take(&self.group.lock());
        let hits = self.fixture.faults().hits();
        let result = ops::perform(self, op)?;
        let faulted = self.fixture.faults().hits() != hits;
        self.fixture.faults().clear();

        let after = Snapshot::take(&self.group.lock());
        let warned = after.warnings.wrapping_sub(before.warnings);
        let class = match (result, faulted) {
            _ if warned != 0 => Class::Warned,
            (Ok(()), _) => Class::Done,
            (Err(_), true) => Class::Failed,
            (Err(_), false) => Class::Refused,
        };
        if !faulted && !op.may_warn() {
            check!(warned == 0, "{op:?} raised {warned} WARNs without a fault");
        }
        if result.is_err() && warned == 0 {
            check!(
                before == after,
                "{op:?} failed with {result:?} and changed {before:?} to {after:?}"
            );
        }
        oracle::check(&self.fixture)?;
        coverage.count(op.kind(), class, self.members);
        if (op.kind(), class) == self.goal {
            self.left_on_goal = 0;
        }
        self.follow_group()?;
        Ok(())
    }

    /// Takes the group of the first device, as a device that comes after the last one left forms a
    /// new group; plugs one if there is none.
    fn follow_group(&mut self) -> Result {
        if self.fixture.endpoints().is_empty() {
            self.domains = [const { None }; DOMAINS];
            self.fixture.plug(0)?;
        }
        let group = self.fixture.group()?;
        if !Arc::ptr_eq(group, &self.group) {
            self.group = group.clone();
        }
        Ok(())
    }
}

/// A fault that a driver which keeps to its contract may have, in a call that `kind` makes in a
/// group of so many members.
fn rule(random: &mut Random, kind: ops::Kind, members: u32) -> Rule {
    let call = kind.callback(random);
    let soft = errno::emediumtype();
    let error = random.pick([ENOMEM, EIO, ENOSPC, EBUSY, ENODEV, soft]);
    let leave = match call == Call::Attach && random.chance(10) {
        true => Leave::Fenced,
        false => Leave::Unchanged,
    };
    let rule = Rule::once(call, error)
        .leaving(leave)
        .after(random.below(members.min(3)))
        .times(1 + random.below(3));
    match random.chance(30) {
        true => rule.at(EndpointId(random.below(members))),
        false => rule,
    }
}

/// What a walk may ask for as a default domain.
const DEFAULT_TYPES: [Option<DefaultType>; 4] = [
    None,
    Some(DefaultType::Identity),
    Some(DefaultType::Dma),
    Some(DefaultType::DmaLazy),
];

/// A handle and a PASID by number.
fn handle(number: u32) -> Result<Arc<Handle>> {
    Handle::new(u64::from(number))
}

fn pasid(number: u32) -> Result<Pasid> {
    Pasid::new(number)
}
