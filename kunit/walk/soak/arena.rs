// SPDX-License-Identifier: GPL-2.0

//! What the threads share, what they do with it, and how it has to be.

use super::{
    actor::Actor,
    session::Session, //
};
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
        Ownership,
        State,
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
    schedule::history::of_2022,
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

/// What the threads of a group do, and to which driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    /// They end what they have begun and nothing else, and nothing fails.
    pub(super) obedient: bool,
    /// The driver is that of 2022, whose callbacks must not meet.
    pub(super) old: bool,
}

/// What happened.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) operations: u64,
    pub(super) done: u64,
    pub(super) refused: u64,
    pub(super) unplugged: u64,
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
    /// A thread found something wrong.
    failed: bool,
}

/// See the module.
#[pin_data]
pub(super) struct Arena {
    pub(super) fixture: Fixture,
    pub(super) members: u32,
    manner: Manner,
    pub(super) domains: KVec<Arc<Domain>>,
    #[pin]
    shared: Mutex<Shared>,
}

impl Arena {
    /// Makes a group of `members` devices of the family under test.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new(members: u32, manner: Manner) -> Result<Arc<Self>> {
        let mut setup = Setup::ordinary(members)?;
        if manner.old {
            setup = setup.wrap(Some(of_2022));
        }
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
            failed: false,
        };
        let arena = pin_init!(Self {
            fixture,
            members,
            manner,
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
    pub(super) fn walk(&self, number: u32, seed: u64, operations: u32) {
        let mut random = Random::new(seed);
        let mut counts = Counts::default();
        let mut walked = Ok(());
        for _ in 0..operations {
            walked = self.step(number, &mut random, &mut counts);
            if walked.is_err() {
                break;
            }
            // Whoever never waits runs through on a kernel that does not preempt.
            if random.chance(10 + number) {
                yield_now();
            }
        }
        let mut shared = self.shared.lock();
        shared.counts.add(&counts);
        shared.failed |= walked.is_err();
    }

    /// Does something with what is there now.
    fn step(&self, number: u32, random: &mut Random, counts: &mut Counts) -> Outcome {
        counts.cpus |= 1 << (CpuId::current().as_u32() & 31);
        let Some(actor) = Actor::new(self)? else {
            // Where a fault keeps the last one from coming back, the next step tries again. Nobody
            // plugs a device that obedient threads are about to plug.
            if !self.manner.obedient {
                let _ = self.plug(random.below(self.members));
            }
            return Ok(());
        };
        // Whoever has the mutex finds everything as it must be, whatever others are about to do.
        if random.chance(20) {
            self.look(&actor.group().lock())?;
        }
        // Hardware looks on whenever it likes.
        if random.chance(30) {
            let _ = self.fixture.truth(random.below(self.members));
        }
        match self.manner.obedient {
            true => Session::new(self, number, actor.present(), random, counts).run(),
            false => self.operate(actor, random, counts),
        }
    }

    /// Does one operation, with a fault now and then.
    fn operate(&self, mut actor: Actor<'_>, random: &mut Random, counts: &mut Counts) -> Outcome {
        let wanted = random.pick(Kind::ALL);
        let op = ops::choose(random, &actor.view(), wanted, Class::Done);
        // Once a PASID could not be blocked, nobody knows any more where those of its group go.
        let back = matches!(
            op.kind(),
            Kind::DetachPasid | Kind::ResetPrepare | Kind::ResetDone
        );
        let spared = self.members % 2 != 0;
        if random.chance(10) && !(spared && back) {
            self.fixture.fail(rule(random, op.kind(), self.members))?;
        }
        let result = ops::perform(&mut actor, op);
        if spared || random.chance(50) {
            self.fixture.faults().clear();
        }
        counts.operations += 1;
        match result {
            Ok(Ok(())) => counts.done += 1,
            // What it was about may have left meanwhile.
            Ok(Err(_)) | Err(ENODEV) => counts.refused += 1,
            Err(error) => return Err(error.into()),
        }
        if op.kind() == Kind::Unplug && matches!(result, Ok(Ok(()))) {
            counts.unplugged += 1;
        }
        Ok(())
    }

    /// Checks a group, whoever works on it otherwise.
    fn look(&self, state: &State) -> Outcome {
        oracle::check_group(&self.fixture, state)?;
        let is = |domain: &Arc<Domain>| state.current().is_some_and(|c| Arc::ptr_eq(c, domain));
        let users = self.domains.iter().any(is);
        let own = [state.default(), state.blocking()];
        check!(
            users || state.current().is_none() || own.into_iter().flatten().any(is),
            "the group is on a domain that is nobody's"
        );
        check!(
            users || state.handle().is_none() || state.members().is_empty(),
            "a handle without a domain of a user"
        );
        Ok(())
    }

    /// The devices that are there now.
    pub(super) fn present(&self) -> Result<KVec<Arc<Endpoint>>> {
        // Somebody may be about to put another one in.
        let mut present = KVec::with_capacity(self.members as usize + 2, GFP_KERNEL)?;
        for endpoint in &self.shared.lock().present {
            present.push(endpoint.clone(), GFP_KERNEL)?;
        }
        Ok(present)
    }

    pub(super) fn plug(&self, id: u32) -> Result {
        let endpoint = Arc::new(self.fixture.iommu().probe(EndpointId(id))?, GFP_KERNEL)?;
        let mut shared = self.shared.lock();
        let known = |known: &Arc<Endpoint>| Arc::ptr_eq(known.device(), endpoint.device());
        if !shared.present.iter().any(known) {
            shared.present.push(endpoint, GFP_KERNEL)?;
        }
        Ok(())
    }

    pub(super) fn unplug(&self, endpoint: &Arc<Endpoint>) -> Result {
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
        check!(!shared.failed, "one of the threads gave up");
        for endpoint in &shared.present {
            self.check_group(endpoint, asked)?;
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
        check_eq!(self.fixture.recorder().breaches(), 0);
        Ok(())
    }

    /// Checks the group of a device that is there. `asked`: something was to fail.
    fn check_group(&self, endpoint: &Endpoint, asked: bool) -> Outcome {
        let state = endpoint.group().lock();
        self.look(&state)?;
        for warning in FAILURES {
            let count = state.warned(warning);
            check!(
                asked || count == 0,
                "{count} WARNs without a fault: {}",
                warning.text()
            );
        }
        if self.manner.obedient {
            check_eq!(state.warnings(), 0);
            check_eq!(state.owner(), Ownership::Free);
            check_eq!((state.recovering(), state.pasid_entries().len()), (0, 0));
            let home = state.current().zip(state.default());
            check!(
                home.is_some_and(|(current, default)| Arc::ptr_eq(current, default)),
                "nobody uses the group, and it is not on its default domain"
            );
        }
        let astray = state.members().iter().any(oracle::is_astray);
        drop(state);
        check!(
            !astray || endpoint.use_default().is_err(),
            "a driver binds while a device is astray"
        );
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
