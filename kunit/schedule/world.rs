// SPDX-License-Identifier: GPL-2.0

//! One group and the threads' shares in it, made anew for each schedule.

use super::{
    objects::{
        keep,
        Objects, //
    },
    scene::{
        Scene,
        MAX_OPS, //
    },
    subject::{
        Start,
        Subject, //
    },
};
use crate::{
    fixture::{
        Fixture,
        Setup, //
    },
    group::{
        Belief,
        Endpoint,
        Group,
        Handle,
        Owner,
        Ownership,
        Park,
        State, //
    },
    iommu::{
        DefaultType,
        Domain,
        EndpointId,
        Pasid, //
    },
    kapi::{
        new_mutex,
        schedule::{
            self,
            Act,
            MAX_THREADS, //
        },
        Mutex, //
    },
};
use core::num::NonZeroU64;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// The answer of an operation whose thread had given up before.
const NOT_DONE: i32 = 1;

/// Members that are looked at.
const SLOTS: usize = 4;

/// The PASID that is used.
const PASID: u32 = 1;

/// Operations that need a domain of the thread.
const TAKERS: [Subject; 4] = [
    Subject::Attach,
    Subject::Replace,
    Subject::AttachHandle,
    Subject::AttachPasid,
];

/// How a run left everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// What each operation answered: 0, an errno, or 1 where its thread had given up before.
    results: [[i32; MAX_OPS]; MAX_THREADS],
    /// WARNs raised.
    pub(crate) warned: u32,
    group: View,
    /// The group of a new device, if it formed one.
    new_group: Option<View>,
}

/// What can be seen of a group, without addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct View {
    owner: Ownership,
    current: Option<What>,
    default_type: Option<DefaultType>,
    handle: Option<u64>,
    /// Where the PASID goes.
    pasid: Option<What>,
    /// Device, belief and reset depth.
    members: [Option<(u32, u32, u32)>; SLOTS],
}

/// Which domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Default,
    Blocking,
    First,
    Target(usize),
    Unknown,
}

/// References that a thread takes with it.
#[derive(Default)]
struct Share {
    /// To detach it.
    first: Option<Arc<Domain>>,
    /// To attach it.
    target: Option<Arc<Domain>>,
}

struct Shares {
    /// The user's own reference.
    first: Option<Arc<Domain>>,
    threads: [Share; MAX_THREADS],
    results: [[i32; MAX_OPS]; MAX_THREADS],
    added: KVec<Endpoint>,
}

/// See the module.
#[pin_data]
pub(crate) struct World {
    pub(crate) fixture: Fixture,
    group: Arc<Group>,
    scene: Scene,
    /// User domains that were there before it.
    pub(crate) alive_before: i32,
    /// Domains by address, to name them.
    names: [usize; MAX_THREADS + 1],
    /// Handles of the first user and of each thread.
    handles: KVec<Arc<Handle>>,
    #[pin]
    shares: Mutex<Shares>,
}

/// User domains that are there.
static ALIVE: Atomic<i32> = Atomic::new(0);

/// Part of a user domain, to see that it goes once.
struct Mark;

impl Drop for Mark {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Relaxed);
    }
}

/// User domains that were not dropped, or less than none if some were dropped twice.
pub(crate) fn alive() -> i32 {
    ALIVE.load(Relaxed)
}

fn domain(fixture: &Fixture) -> Result<Arc<Domain>> {
    let domain = fixture.domain()?;
    ALIVE.fetch_add(1, Relaxed);
    domain.set_cookie(Arc::new(Mark, GFP_KERNEL)?)?;
    Ok(domain)
}

/// A user by number.
fn owner(number: u64) -> Result<Owner> {
    Ok(Owner(NonZeroU64::new(number).ok_or(EINVAL)?))
}

impl World {
    /// Makes the world of a scene.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(scene: &Scene) -> Result<Arc<Self>> {
        let alive_before = alive();
        let members = scene.layout.members;
        let mut fixture = Setup::ordinary(members + 1)?.wrap(scene.wrap).build()?;
        for id in 0..members {
            fixture.plug(id)?;
        }
        let group = fixture.group()?.clone();
        let first = domain(&fixture)?;
        let mut names = [Arc::as_ptr(&first).addr(); MAX_THREADS + 1];
        match scene.start {
            Start::Free => (),
            Start::Bound => fixture.endpoint(0)?.use_default()?,
            Start::Owned | Start::Attached | Start::Recovering | Start::Shared => {
                group.claim(owner(1)?)?
            }
        }
        let mut handles = KVec::new();
        for cookie in 0..=MAX_THREADS as u64 {
            handles.push(Handle::new(cookie)?, GFP_KERNEL)?;
        }
        if matches!(scene.start, Start::Attached | Start::Recovering) {
            group.attach(&first)?;
        }
        if scene.start == Start::Shared {
            let handle = || handles.first().cloned().ok_or(EINVAL);
            group.attach_with(&first, handle()?)?;
            if fixture.mock().features().pasid {
                let endpoint = fixture.endpoint(0)?;
                endpoint.attach_pasid(&first, Pasid::new(PASID)?, Some(handle()?))?;
            }
        }
        if scene.start == Start::Recovering {
            fixture.endpoint(0)?.reset_prepare()?;
        }
        let mut threads: [Share; MAX_THREADS] = Default::default();
        for ((share, script), name) in threads
            .iter_mut()
            .zip(scene.scripts)
            .zip(names.iter_mut().skip(1))
        {
            let any = |subjects: &[Subject]| script.iter().any(|s| subjects.contains(s));
            if any(&[Subject::Detach, Subject::DetachPasid]) {
                share.first = Some(first.clone());
            }
            if any(&TAKERS) {
                let target = domain(&fixture)?;
                *name = Arc::as_ptr(&target).addr();
                share.target = Some(target);
            }
        }
        fixture.recorder().clear();
        let shares = Shares {
            first: Some(first),
            threads,
            results: [[NOT_DONE; MAX_OPS]; MAX_THREADS],
            added: KVec::new(),
        };
        let scene = *scene;
        let world = pin_init!(Self {
            fixture,
            group,
            scene,
            alive_before,
            names,
            handles,
            shares <- new_mutex!(shares, "World::shares"),
        });
        Arc::pin_init(world, GFP_KERNEL)
    }

    fn perform(
        &self,
        thread: usize,
        subject: Subject,
        share: &Share,
        attached: &mut bool,
    ) -> Result {
        let device = self.scene.layout.devices.get(thread).ok_or(EINVAL)?;
        let endpoint = self.fixture.endpoint(*device as usize)?;
        let group = &self.group;
        match subject {
            Subject::Unplug => self.fixture.iommu().release(endpoint)?,
            Subject::Claim => group.claim(owner(1 + thread as u64)?)?,
            Subject::Attach | Subject::Replace | Subject::AttachHandle | Subject::AttachPasid => {
                let target = share.target.as_ref().ok_or(EINVAL)?;
                let handle = self.handles.get(1 + thread).ok_or(EINVAL)?.clone();
                match subject {
                    Subject::Attach => group.attach(target)?,
                    Subject::AttachHandle => group.attach_with(target, handle)?,
                    Subject::AttachPasid => {
                        endpoint.attach_pasid(target, Pasid::new(PASID)?, Some(handle))?
                    }
                    _ => drop(group.replace(target, None)?),
                }
                *attached = true;
            }
            Subject::Detach | Subject::DetachPasid => {
                let target = share.target.as_ref().filter(|_| *attached);
                let domain = target.or(share.first.as_ref()).ok_or(EINVAL)?;
                match subject {
                    Subject::Detach => drop(group.detach(domain)),
                    _ => drop(endpoint.detach_pasid(domain, Pasid::new(PASID)?)),
                }
                *attached = false;
            }
            Subject::ReleaseOwnership => group.release_claims(),
            Subject::Bind => endpoint.use_default()?,
            Subject::Unbind => endpoint.unuse_default(),
            Subject::ResetPrepare => endpoint.reset_prepare()?,
            Subject::ResetDone => endpoint.reset_done(),
            Subject::HotAdd => {
                let new = self
                    .fixture
                    .iommu()
                    .probe(EndpointId(self.scene.layout.members))?;
                self.shares.lock().added.push(new, GFP_KERNEL)?;
            }
            Subject::SetType => group.set_default_type(Some(match thread {
                0 => DefaultType::Identity,
                _ => DefaultType::DmaLazy,
            }))?,
            Subject::FreeDomain => {
                schedule::other("free domain");
                let first = self.shares.lock().first.take();
                drop(first);
            }
        }
        Ok(())
    }

    /// Devices that came during the run. The oracle looks at their groups.
    pub(crate) fn take_added(&self) -> KVec<Endpoint> {
        core::mem::take(&mut self.shares.lock().added)
    }

    /// How the run has left everything.
    pub(crate) fn end(&self, warned: u32, added: &[Endpoint]) -> End {
        let new = added.iter().find(|e| !Arc::ptr_eq(e.group(), &self.group));
        // Each lock is given back before the next is taken.
        let results = self.shares.lock().results;
        let group = self.view(&self.group.lock());
        let new_group = new.map(|e| self.view(&e.group().lock()));
        End {
            results,
            warned,
            group,
            new_group,
        }
    }

    fn view(&self, state: &State) -> View {
        let mut members = [None; SLOTS];
        for (slot, member) in members.iter_mut().zip(state.members()) {
            let belief = match member.belief() {
                Belief::OnDomain(_) => 0,
                Belief::Deferred => 1,
                Belief::Parked(Park::Reset) => 2,
                Belief::Parked(Park::FailedReturn) | Belief::Lost(_) => 3,
            };
            *slot = Some((member.device().id().0, belief, member.reset_depth()));
        }
        let is = |slot: Option<&Arc<Domain>>, domain: &Arc<Domain>| {
            slot.is_some_and(|held| Arc::ptr_eq(held, domain))
        };
        let what = |domain: &Arc<Domain>| {
            let address = Arc::as_ptr(domain).addr();
            match self.names.iter().position(|name| *name == address) {
                _ if is(state.default(), domain) => What::Default,
                _ if is(state.blocking(), domain) => What::Blocking,
                Some(0) => What::First,
                Some(target) => What::Target(target),
                None => What::Unknown,
            }
        };
        View {
            owner: state.owner(),
            current: state.current().map(what),
            default_type: state.default_type(),
            handle: state.handle().map(|handle| handle.cookie()),
            pasid: state
                .pasid_entries()
                .first()
                .map(|entry| what(entry.domain())),
            members,
        }
    }

    /// References to every object the core has of them, to see that they are the last ones once
    /// all else has gone.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn objects(&self, added: &[Endpoint]) -> Result<Objects> {
        let mut objects = Objects::default();
        for handle in &self.handles {
            keep(&mut objects.handles, handle)?;
        }
        for endpoint in Iterator::chain(self.fixture.endpoints().iter(), added) {
            keep(&mut objects.groups, endpoint.group())?;
            keep(&mut objects.devices, endpoint.device())?;
            let state = endpoint.group().lock();
            let slots = [state.current(), state.default(), state.blocking()];
            for domain in slots.into_iter().flatten() {
                keep(&mut objects.domains, domain)?;
            }
        }
        Ok(objects)
    }
}

impl Act for World {
    fn act(&self, number: usize) {
        let script = self.scene.scripts.get(number).copied().unwrap_or_default();
        let mut share = Share::default();
        if let Some(mine) = self.shares.lock().threads.get_mut(number) {
            share = core::mem::take(mine);
        }
        let mut attached = false;
        for (at, subject) in script.iter().enumerate() {
            schedule::begin(subject.name());
            let result = self.perform(number, *subject, &share, &mut attached);
            let code = result.map_or_else(Error::to_errno, |()| 0);
            let mut shares = self.shares.lock();
            let row = shares.results.get_mut(number);
            if let Some(slot) = row.and_then(|row| row.get_mut(at)) {
                *slot = code;
            }
            if code != 0 {
                break;
            }
        }
    }
}
