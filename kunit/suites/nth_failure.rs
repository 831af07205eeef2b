// SPDX-License-Identifier: GPL-2.0

//! Every operation with the first, the second, ... call of a driver failing, until it succeeds
//! because no call is left that could fail.
//!
//! Memory of the kernel runs out in [`allocation`]. Page tables have an allocator of their own that
//! can be told to.

mod adaptor;
mod allocation;
mod dma;
mod operations;

use self::{
    adaptor::{
        any_call_of_a_map_can_fail,
        any_call_of_a_probe_can_fail,
        any_call_of_a_rig_can_fail,
        KERNEL, //
    },
    dma::{
        any_call_of_a_mapping_can_fail,
        any_table_of_a_mapping_can_fail,
        Mode,
        MODES, //
    },
    operations::{
        Operation,
        OPERATIONS, //
    },
};
use super::{
    expect::{
        default_of,
        Snapshot, //
    },
    Size,
    SIZES, //
};
use crate::{
    fixture::{
        Fixture,
        Setup, //
    },
    group::{
        AddressSpace,
        Group,
        Handle, //
    },
    iommu::{
        Domain,
        Pasid, //
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        note,
        Outcome,
        WarnCounter, //
    },
    mark,
    mock::{
        fault::{
            Op,
            Rule, //
        },
        hw::Reach, //
    },
    oracle,
    rig::{
        Setting,
        SETTINGS, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_nth_failure:
    any_call_of_an_operation_can_fail: each Size in SIZES;
    any_call_of_a_rig_can_fail: each Setting in SETTINGS;
    any_call_of_a_probe_can_fail: each Setting in KERNEL;
    any_call_of_a_map_can_fail;
    any_call_of_a_mapping_can_fail: each Mode in MODES;
    any_table_of_a_mapping_can_fail: each Mode in MODES;
}

/// What fails with what.
const ERROR: Error = ENOSPC;

/// More calls than any operation makes.
const ENOUGH: u32 = 64;

/// All that can fail.
const CALLS: [Op; 7] = [
    Op::Probe,
    Op::Group,
    Op::Alloc,
    Op::Map,
    Op::SyncMap,
    Op::Attach,
    Op::SetPasid,
];

/// What an operation works on: a group of `members` devices, one more that could join it, and one
/// that would form another.
struct Scene {
    fixture: Fixture,
    members: u32,
    pasid: Pasid,
    old: Arc<Domain>,
    new: Option<Arc<Domain>>,
    handle: Option<Arc<Handle>>,
    space: AddressSpace,
}

impl Scene {
    fn new(members: u32, operation: &Operation) -> Result<Self> {
        let mut setup = Setup::ordinary(members + 2)?;
        let other = members as usize + 1;
        setup = (operation.setup)(setup.endpoint(other, |endpoint| endpoint.group = 1));
        let mut fixture = setup.build()?;
        fixture.recorder().keep();
        for id in 0..members {
            fixture.plug(id)?;
        }
        let old = fixture.domain()?;
        let mut scene = Self {
            fixture,
            members,
            pasid: Pasid::new(1)?,
            old,
            new: None,
            handle: None,
            space: AddressSpace::new(),
        };
        scene.renew()?;
        (operation.before)(&mut scene)?;
        Ok(scene)
    }

    /// Makes what the operation attaches.
    fn renew(&mut self) -> Result {
        self.new = Some(self.fixture.domain()?);
        self.handle = Some(Handle::new(7)?);
        Ok(())
    }

    fn group(&self) -> Result<&Arc<Group>> {
        self.fixture.group()
    }

    fn new_domain(&self) -> Result<&Arc<Domain>> {
        self.new.as_ref().ok_or(EINVAL)
    }

    fn new_handle(&self) -> Result<Arc<Handle>> {
        self.handle.clone().ok_or(EINVAL)
    }

    /// Checks that nobody refers to what a refused operation was given or has made, but for a
    /// blocking domain, which the group keeps.
    fn check_let_go(&mut self, had_blocking: bool) -> Outcome {
        let blocking = self.group()?.lock().blocking().is_some() && !had_blocking;
        let kept = blocking && self.fixture.mock().blocked().is_none();
        check_eq!(self.fixture.recorder().referred(), usize::from(kept));
        let domain = self.new.take().and_then(Arc::into_unique_or_drop);
        check!(domain.is_some(), "the new domain is still referred to");
        let handle = self.handle.take().and_then(Arc::into_unique_or_drop);
        check!(handle.is_some(), "the new handle is still referred to");
        Ok(())
    }

    /// Brings a group home that an operation has left anywhere, and checks that it is there.
    fn mend(&self) -> Outcome {
        let (group, endpoint) = (self.group()?, self.fixture.endpoint(0)?);
        let pasid = self.pasid;
        if is_attached(group, pasid) {
            endpoint.detach_pasid(&self.old, pasid);
        }
        check_eq!(group.attach(&self.old), Ok(()));
        check_eq!(endpoint.attach_pasid(&self.old, pasid, None), Ok(()));
        self.fixture.check_all_reach(&self.old)?;
        endpoint.detach_pasid(&self.old, pasid);
        group.detach(&self.old);
        self.fixture.check_all_reach(&default_of(&self.fixture)?)?;
        for endpoint in self.fixture.endpoints() {
            let id = endpoint.device().id();
            let truth = self.fixture.mock().dma(id, Some(pasid), mark::IOVA);
            check_eq!(truth, Reach::Aborted);
        }
        Ok(())
    }

    /// Takes all away and checks that nothing is left of it.
    fn end(mut self) -> Outcome {
        let _quiet = WarnCounter::start()?;
        while !self.fixture.endpoints().is_empty() {
            self.fixture.unplug(0)?;
        }
        let Self {
            fixture,
            old,
            new,
            space,
            ..
        } = self;
        drop(space);
        let referred = fixture.recorder().referred();
        drop(fixture);
        check_eq!(referred, 0);
        check!(Arc::into_unique_or_drop(old).is_some());
        check!(new.and_then(Arc::into_unique_or_drop).is_some());
        Ok(())
    }
}

fn is_attached(group: &Group, pasid: Pasid) -> bool {
    let state = group.lock();
    let mut entries = state.pasid_entries().iter();
    entries.any(|entry| entry.pasid() == pasid)
}

/// Lets call number `nth` of a kind fail, and returns whether there was such a call.
fn fails_at(members: u32, operation: &Operation, call: Op, nth: u32) -> Outcome<bool> {
    let warnings = WarnCounter::start()?;
    let mut scene = Scene::new(members, operation)?;
    let before = Snapshot::of(scene.group()?)?;
    let had_blocking = scene.group()?.lock().blocking().is_some();
    check_eq!(warnings.count(), 0);
    let rule = Rule::once(call, ERROR).after(nth);
    let rule = scene.fixture.faults().arm(rule)?;
    scene.fixture.recorder().keep();
    let result = (operation.run)(&mut scene);
    let hit = scene.fixture.faults().progress(rule);
    let hit = hit.is_some_and(|progress| progress.spent);
    scene.fixture.faults().clear();
    oracle::check(&scene.fixture)?;

    let forced = operation.forced.contains(&call);
    let expected = match hit && !forced {
        true => Err(ERROR),
        false => Ok(()),
    };
    check_eq!(result, expected);
    let warned = hit && operation.warns.contains(&call);
    check_eq!(warnings.count(), u32::from(warned));
    if hit && forced {
        if let Some(again) = operation.again {
            again(&mut scene)?;
        }
        scene.mend()?;
    } else if hit {
        check_eq!(Snapshot::of(scene.group()?)?, before);
        scene.check_let_go(had_blocking)?;
        scene.fixture.recorder().keep();
        scene.renew()?;
        check_eq!((operation.run)(&mut scene), Ok(()));
        oracle::check(&scene.fixture)?;
    }
    check_eq!(warnings.count(), u32::from(warned));
    scene.end()?;
    Ok(hit)
}

/// Lets one call after the other fail, until there is none, and returns how many did.
fn fails_everywhere(members: u32, operation: &Operation) -> Outcome<u32> {
    let mut failures = 0;
    for call in CALLS {
        let mut nth = 0;
        while fails_at(members, operation, call, nth)
            .inspect_err(|_| note(fmt!("in {}: {call:?} {nth}", operation.name)))?
        {
            nth += 1;
            check!(nth < ENOUGH, "{} never ends", operation.name);
        }
        failures += nth;
    }
    check!(failures != 0, "{} calls no driver", operation.name);
    Ok(failures)
}

fn any_call_of_an_operation_can_fail(size: &Size) -> Outcome {
    let (mut failures, mut result) = (0, Ok(()));
    for operation in &OPERATIONS {
        match fails_everywhere(size.members, operation) {
            Ok(more) => failures += more,
            Err(failed) => result = Err(failed),
        }
    }
    note(fmt!("{failures} failures, one in each run"));
    result
}
