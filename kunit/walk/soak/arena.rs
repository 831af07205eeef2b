// SPDX-License-Identifier: GPL-2.0

//! What the threads share, and what each of them sees of it.

use crate::{
    fixture::{
        check_tame,
        wild,
        Fixture,
        Setup, //
    },
    group::{
        Endpoint,
        Group,
        Warning, //
    },
    iommu::{
        Domain,
        EndpointId, //
    },
    kapi::{
        kunit::{
            check,
            check_eq,
            Outcome, //
        },
        new_mutex,
        thread::yield_now,
        Mutex, //
    },
    mock::hw::Reach,
    oracle,
    random::Random,
    walk::{
        coverage::Outcome as Class,
        ops::{
            self,
            Kind, //
        },
        place::Place,
        rule,
        DOMAINS, //
    },
};
use kernel::{
    cpu::CpuId,
    fmt,
    prelude::*,
    sync::Arc, //
};

/// What happened.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    operations: u64,
    done: u64,
    refused: u64,
    unplugged: u64,
    faults: u64,
    /// CPUs that were seen, one bit each.
    cpus: u32,
}

impl Counts {
    /// Adds what happened elsewhere.
    pub(super) fn add(&mut self, other: &Self) {
        self.operations += other.operations;
        self.done += other.done;
        self.refused += other.refused;
        self.unplugged += other.unplugged;
        self.faults += other.faults;
        self.cpus |= other.cpus;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operations,
            done,
            refused,
            unplugged,
            faults,
            cpus,
        } = self;
        write!(
            f,
            "\"operations\":{operations},\"done\":{done},\"refused\":{refused},\
             \"unplugged\":{unplugged},\"faults\":{faults},\"cpus\":{cpus}"
        )
    }
}

struct Shared {
    /// Devices that are there, or are just coming or leaving.
    present: KVec<Arc<Endpoint>>,
    counts: Counts,
    /// Where a thread gave up, which it never has to.
    error: Option<Error>,
}

/// See the module.
#[pin_data]
pub(super) struct Arena {
    fixture: Fixture,
    members: u32,
    domains: KVec<Arc<Domain>>,
    #[pin]
    shared: Mutex<Shared>,
}

impl Arena {
    /// Makes a group of `members` devices of the family under test.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new(members: u32) -> Result<Arc<Self>> {
        let mut setup = Setup::ordinary(members)?;
        // One device of three has no PASIDs.
        for at in (2..members as usize).step_by(3) {
            setup = setup.endpoint(at, |endpoint| endpoint.max_pasids = 0);
        }
        let fixture = setup.probe()?;
        let mut present = KVec::new();
        for id in 0..members {
            // They are there; this is another reference to each.
            let endpoint = fixture.iommu().probe(EndpointId(id))?;
            present.push(Arc::new(endpoint, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        let mut domains = KVec::new();
        for at in 0..DOMAINS {
            let domain = match at {
                0 => fixture.other_domain()?,
                _ => fixture.domain()?,
            };
            domains.push(domain, GFP_KERNEL)?;
        }
        let shared = Shared {
            present,
            counts: Counts::default(),
            error: None,
        };
        let arena = pin_init!(Self {
            fixture,
            members,
            domains,
            shared <- new_mutex!(shared, "Arena::shared"),
        });
        Arc::pin_init(arena, GFP_KERNEL)
    }

    /// What has happened so far.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = self.shared.lock().counts;
        counts.faults = self.fixture.faults().hits().into();
        counts
    }

    /// Walks as thread `number`.
    pub(super) fn walk(&self, number: usize, seed: u64, operations: u32) {
        let mut random = Random::new(seed);
        let mut counts = Counts::default();
        let mut walked = Ok(());
        for _ in 0..operations {
            walked = self.step(&mut random, &mut counts);
            if walked.is_err() {
                break;
            }
            // Whoever never waits runs through on a kernel that does not preempt.
            if random.chance(10 + number as u32) {
                yield_now();
            }
        }
        let mut shared = self.shared.lock();
        shared.counts.add(&counts);
        shared.error = shared.error.or(walked.err());
    }

    /// Does one operation on what is there now.
    fn step(&self, random: &mut Random, counts: &mut Counts) -> Result {
        let Some(mut actor) = Actor::new(self)? else {
            // Where a fault keeps the last one from coming back, the next step tries again.
            let _ = self.plug(random.below(self.members));
            return Ok(());
        };
        let wanted = random.pick(Kind::ALL);
        let op = ops::choose(random, &actor.view(), wanted, Class::Done);
        if random.chance(5) {
            self.fixture.fail(rule(random, op.kind(), self.members))?;
        }
        // Hardware looks on whenever it likes.
        if random.chance(30) {
            let _ = self.fixture.truth(random.below(self.members));
        }
        let result = ops::perform(&mut actor, op);
        if random.chance(50) {
            self.fixture.faults().clear();
        }
        counts.operations += 1;
        counts.cpus |= 1 << (CpuId::current().as_u32() & 31);
        match result {
            Ok(Ok(())) => counts.done += 1,
            // What it was about may have left meanwhile.
            Ok(Err(_)) | Err(ENODEV) => counts.refused += 1,
            Err(error) => return Err(error),
        }
        if op.kind() == Kind::Unplug && matches!(result, Ok(Ok(()))) {
            counts.unplugged += 1;
        }
        Ok(())
    }

    fn plug(&self, id: u32) -> Result {
        let endpoint = Arc::new(self.fixture.iommu().probe(EndpointId(id))?, GFP_KERNEL)?;
        let mut shared = self.shared.lock();
        let known = |known: &Arc<Endpoint>| Arc::ptr_eq(known.device(), endpoint.device());
        if !shared.present.iter().any(known) {
            shared.present.push(endpoint, GFP_KERNEL)?;
        }
        Ok(())
    }

    fn unplug(&self, endpoint: &Arc<Endpoint>) -> Result {
        let released = self.fixture.iommu().release(endpoint);
        let gone = |there: &Arc<Endpoint>| Arc::ptr_eq(there.device(), endpoint.device());
        self.shared.lock().present.retain(|there| !gone(there));
        released
    }

    /// Checks everything, now that nobody works on it.
    pub(super) fn check(&self) -> Outcome {
        let asked = self.fixture.faults().hits() != 0;
        self.fixture.faults().clear();
        let shared = self.shared.lock();
        check_eq!(shared.error, None);
        for endpoint in &shared.present {
            let state = endpoint.group().lock();
            oracle::check_group(&self.fixture, &state)?;
            for warning in FAILURES {
                let count = state.warned(warning);
                check!(
                    asked || count == 0,
                    "{count} WARNs without a fault: {}",
                    warning.text()
                );
            }
        }
        for id in 0..self.members {
            let there = shared.present.iter().any(|endpoint| {
                let state = endpoint.group().lock();
                let mut members = state.members().iter();
                members.any(|member| member.device().id().0 == id)
            });
            let truth = self.fixture.truth(id);
            check!(
                there || truth == Reach::Aborted,
                "device {id} has left and reaches {truth:x?}"
            );
        }
        check_eq!(wild(self.fixture.mock()), 0);
        Ok(())
    }

    /// Lets all devices go and checks that nobody refers to anything any more.
    pub(super) fn end(arena: Arc<Self>) -> Outcome {
        let mut groups: KVec<Arc<Group>> = KVec::new();
        let mut domains = KVec::new();
        for domain in &arena.domains {
            domains.push(domain.clone(), GFP_KERNEL)?;
        }
        let present = core::mem::take(&mut arena.shared.lock().present);
        for endpoint in present {
            let group = endpoint.group();
            if !groups.iter().any(|known| Arc::ptr_eq(known, group)) {
                groups.push(group.clone(), GFP_KERNEL)?;
            }
            let _ = arena.fixture.iommu().release(&endpoint);
        }
        check_tame(arena.fixture.mock());
        drop(arena);
        let kept = |gone: bool| usize::from(!gone);
        let groups = groups.into_iter();
        let groups = groups.map(|g| kept(Arc::into_unique_or_drop(g).is_some()));
        check_eq!(groups.sum::<usize>(), 0);
        let domains = domains.into_iter();
        let domains = domains.map(|d| kept(Arc::into_unique_or_drop(d).is_some()));
        check_eq!(domains.sum::<usize>(), 0);
        Ok(())
    }
}

/// WARNs that only a driver that fails can cause.
const FAILURES: [Warning; 7] = [
    Warning::FailedReturn,
    Warning::FailedRevert,
    Warning::FailedDefault,
    Warning::FailedRestore,
    Warning::FailedPasidBlock,
    Warning::FailedPasidRevert,
    Warning::FailedPasidRestore,
];

/// A thread's view of an arena, as it was when it looked.
struct Actor<'a> {
    arena: &'a Arena,
    group: Arc<Group>,
    present: KVec<Arc<Endpoint>>,
}

impl<'a> Actor<'a> {
    /// Looks; `None` where there is no device.
    fn new(arena: &'a Arena) -> Result<Option<Self>> {
        let mut present = KVec::with_capacity(arena.members as usize + 2, GFP_KERNEL)?;
        for endpoint in &arena.shared.lock().present {
            present.push(endpoint.clone(), GFP_KERNEL)?;
        }
        // The last one to have come is in the newest group.
        let group = present.last().map(|endpoint| endpoint.group().clone());
        Ok(group.map(|group| Self {
            arena,
            group,
            present,
        }))
    }
}

impl Place for Actor<'_> {
    type Held = Arc<Endpoint>;

    fn group(&self) -> &Arc<Group> {
        &self.group
    }

    fn members(&self) -> u32 {
        self.arena.members
    }

    fn present(&self) -> &[Arc<Endpoint>] {
        &self.present
    }

    fn domains(&self) -> impl Iterator<Item = &Arc<Domain>> {
        self.arena.domains.iter()
    }

    fn domain(&mut self, slot: u32) -> Result<Arc<Domain>> {
        let domain = self.arena.domains.get(slot as usize);
        domain.cloned().ok_or(EINVAL)
    }

    fn plug(&mut self, id: u32) -> Result {
        self.arena.plug(id)
    }

    fn unplug(&mut self, at: usize) -> Result {
        self.arena.unplug(self.present.get(at).ok_or(ENODEV)?)
    }

    fn has_pasids(&self) -> bool {
        self.arena.fixture.mock().features().pasid
    }
}
