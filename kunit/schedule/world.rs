// SPDX-License-Identifier: GPL-2.0

//! One group and the threads' shares in it, made anew for each schedule.

use super::{
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
        Owner,
        Ownership,
        Park,
        State, //
    },
    iommu::{
        DefaultType,
        Device,
        Domain,
        EndpointId, //
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
            Start::Owned | Start::Attached | Start::Recovering => group.claim(owner(1)?)?,
        }
        if matches!(scene.start, Start::Attached | Start::Recovering) {
            group.attach(&first)?;
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
            if script.contains(&Subject::Detach) {
                share.first = Some(first.clone());
            }
            if script.contains(&Subject::Attach) || script.contains(&Subject::Replace) {
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
            Subject::Attach | Subject::Replace => {
                let target = share.target.as_ref().ok_or(EINVAL)?;
                match subject {
                    Subject::Attach => group.attach(target)?,
                    _ => drop(group.replace(target, None)?),
                }
                *attached = true;
            }
            Subject::Detach => {
                let target = share.target.as_ref().filter(|_| *attached);
                let domain = target.or(share.first.as_ref()).ok_or(EINVAL)?;
                drop(group.detach(domain));
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
        let mut objects = Objects {
            groups: KVec::new(),
            devices: KVec::new(),
            domains: KVec::new(),
        };
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

/// See [`World::objects`].
pub(crate) struct Objects {
    groups: KVec<Arc<Group>>,
    devices: KVec<Arc<Device>>,
    domains: KVec<Arc<Domain>>,
}

fn keep<T: ?Sized>(list: &mut KVec<Arc<T>>, object: &Arc<T>) -> Result {
    if !list.iter().any(|kept| Arc::ptr_eq(kept, object)) {
        list.push(object.clone(), GFP_KERNEL)?;
    }
    Ok(())
}

impl Objects {
    /// Drops them all, and returns how many of them somebody else still holds.
    pub(crate) fn leaked(self) -> usize {
        let gone = |kept: bool| usize::from(!kept);
        let groups = self.groups.into_iter();
        let groups = groups.map(|g| gone(Arc::into_unique_or_drop(g).is_some()));
        let count = groups.sum::<usize>();
        let devices = self.devices.into_iter();
        let devices = devices.map(|d| gone(Arc::into_unique_or_drop(d).is_some()));
        let count = count + devices.sum::<usize>();
        let domains = self.domains.into_iter();
        let domains = domains.map(|d| gone(Arc::into_unique_or_drop(d).is_some()));
        count + domains.sum::<usize>()
    }
}
