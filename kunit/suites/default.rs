// SPDX-License-Identifier: GPL-2.0

//! The change of a group's default domain while nobody uses the devices.

use super::{
    expect::{
        attach,
        check_calls,
        default_of,
        each,
        refused,
        Snapshot,
        Watch,
        OWNER, //
    },
    Size,
    SEVERAL,
    SIZES, //
};
use crate::{
    families::Families,
    fixture::{
        Fixture,
        Setup, //
    },
    group::Handle,
    iommu::{
        DefaultType::{
            Dma,
            DmaLazy,
            Identity, //
        },
        EndpointId, //
    },
    kapi::{
        errno,
        kunit::{
            check,
            check_eq,
            kunit_suite,
            Outcome, //
        }, //
    },
    mock::fault::{
        Op,
        Rule, //
    },
    oracle,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_default over Families:
    change_moves_every_member: each Size in SIZES;
    type_in_force_calls_nobody: each Size in SIZES;
    change_is_refused_while_the_devices_are_used: each Size in SIZES;
    change_without_devices_is_refused: each Size in SIZES;
    change_is_refused_during_a_reset: each Size in SIZES;
    change_that_finds_no_domain_leaves_the_old_one: each Size in SIZES;
    change_unwinds_when_a_member_refuses: each Size in SIZES;
    change_takes_an_unowned_group_off_a_users_domain: each Size in SIZES;
    strict_turns_lazy_while_in_use: each Size in SIZES;
    strict_stays_strict_without_deferred_flush: each Size in SIZES;
    one_member_keeps_its_group_strict: each Size in SEVERAL;
    strict_stays_strict_without_a_queue: each Size in SIZES;
    lazy_turns_strict_by_a_new_domain: each Size in SIZES;
}

fn change_moves_every_member(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let (old, identity) = (default_of(&fixture)?, fixture.identity()?);
    check_eq!(group.set_default_type(Some(Identity)), Ok(()));
    let there = each(0..size.members, |id| attach(id, &identity, Some(&old)))?;
    check_calls(&fixture, &there)?;
    check_eq!(group.lock().default_type(), Some(Identity));
    check!(Arc::into_unique_or_drop(old).is_some());
    fixture.check_all_reach(&identity)?;

    check_eq!(group.set_default_type(Some(DmaLazy)), Ok(()));
    let new = default_of(&fixture)?;
    let back = each(0..size.members, |id| attach(id, &new, Some(&identity)))?;
    check_calls(&fixture, &back)?;
    check_eq!(group.lock().default_type(), Some(DmaLazy));
    fixture.check_all_reach(&new)?;

    // Without a wish it is the system's again.
    check_eq!(group.set_default_type(None), Ok(()));
    check_eq!(group.lock().default_type(), Some(Dma));
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn type_in_force_calls_nobody(size: &Size) -> Outcome {
    for what in [Identity, Dma, DmaLazy] {
        let fixture = Setup::ordinary(size.members)?.system(what).probe()?;
        let group = fixture.group()?;
        let before = Snapshot::of(group)?;
        check_eq!(group.set_default_type(Some(what)), Ok(()));
        check_eq!(group.set_default_type(None), Ok(()));
        // Not even a reset is in the way of no change.
        check_eq!(fixture.endpoint(0)?.reset_prepare(), Ok(()));
        fixture.recorder().clear();
        check_eq!(group.set_default_type(Some(what)), Ok(()));
        check_calls(&fixture, &[])?;
        fixture.endpoint(0)?.reset_done();
        check_eq!(Snapshot::of(group)?, before);
        oracle::check(&fixture)?;
    }
    Ok(())
}

fn change_is_refused_while_the_devices_are_used(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    for user in [false, true] {
        match user {
            false => check_eq!(endpoint.use_default(), Ok(())),
            true => check_eq!(group.claim(OWNER), Ok(())),
        }
        for wish in [None, Some(Identity), Some(Dma)] {
            watch.refuses(&fixture, group, EPERM, || group.set_default_type(wish))?;
        }
        match user {
            false => endpoint.unuse_default(),
            true => group.release_claims(),
        }
    }
    check_eq!(group.set_default_type(Some(Identity)), Ok(()));
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn change_without_devices_is_refused(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let mut fixture = Fixture::new(size.members)?;
    let group = fixture.group()?.clone();
    while !fixture.endpoints().is_empty() {
        fixture.unplug(0)?;
    }
    for wish in [None, Some(Identity), Some(Dma), Some(DmaLazy)] {
        watch.refuses(&fixture, &group, EINVAL, || group.set_default_type(wish))?;
    }
    Ok(())
}

fn change_is_refused_during_a_reset(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    for endpoint in fixture.endpoints() {
        check_eq!(endpoint.reset_prepare(), Ok(()));
        watch.refuses(&fixture, group, EBUSY, || {
            group.set_default_type(Some(Identity))
        })?;
        endpoint.reset_done();
    }
    check_eq!(group.set_default_type(Some(Identity)), Ok(()));
    fixture.check_all_reach(&fixture.identity()?)
}

fn change_that_finds_no_domain_leaves_the_old_one(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Setup::ordinary(size.members)?.system(Identity).probe()?;
    let group = fixture.group()?;
    fixture.fail(Rule::once(Op::Alloc, ENOMEM))?;
    watch.refuses(&fixture, group, ENOMEM, || {
        group.set_default_type(Some(Dma))
    })?;
    check_eq!(fixture.faults().hits(), 1);
    fixture.policy().fail(Some(ENOSPC));
    watch.refuses(&fixture, group, ENOSPC, || {
        group.set_default_type(Some(Dma))
    })?;
    fixture.policy().fail(None);

    let setup = Setup::ordinary(size.members)?.config(|c| c.has_identity = false);
    let fixture = setup.probe()?;
    let group = fixture.group()?;
    watch.refuses(&fixture, group, errno::eopnotsupp(), || {
        group.set_default_type(Some(Identity))
    })
}

pub(super) fn change_unwinds_when_a_member_refuses(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    for failing in 0..size.members {
        let fixture = Fixture::new(size.members)?;
        let group = fixture.group()?;
        let (old, identity) = (default_of(&fixture)?, fixture.identity()?);
        let before = Snapshot::of(group)?;
        fixture.fail(Rule::once(Op::Attach, EIO).at(EndpointId(failing)))?;
        check_eq!(group.set_default_type(Some(Identity)), Err(EIO));
        let mut calls = each(0..failing, |id| attach(id, &identity, Some(&old)))?;
        calls.push(refused(attach(failing, &identity, Some(&old))), GFP_KERNEL)?;
        for id in 0..failing {
            calls.push(attach(id, &old, Some(&identity)), GFP_KERNEL)?;
        }
        check_calls(&fixture, &calls)?;
        check_eq!(Snapshot::of(group)?, before);
        fixture.check_all_reach(&old)?;
        check_eq!(group.set_default_type(Some(Identity)), Ok(()));
        fixture.check_all_reach(&identity)?;
    }
    check_eq!(watch.count(), 0);
    Ok(())
}

fn change_takes_an_unowned_group_off_a_users_domain(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let (domain, identity) = (fixture.domain()?, fixture.identity()?);
    check_eq!(group.attach_with(&domain, Handle::new(7)?), Ok(()));
    fixture.recorder().clear();
    check_eq!(group.set_default_type(Some(Identity)), Ok(()));
    let there = each(0..size.members, |id| attach(id, &identity, Some(&domain)))?;
    check_calls(&fixture, &there)?;
    fixture.check_all_reach(&identity)?;

    // The handle went with its domain: nothing is in the way of drivers or a user.
    check_eq!(group.handle_of(None, None).err(), Some(ENOENT));
    check!(Arc::into_unique_or_drop(domain).is_some());
    check_eq!(group.claim(OWNER), Ok(()));
    group.release_claims();
    check_eq!(fixture.endpoint(0)?.use_default(), Ok(()));
    fixture.endpoint(0)?.unuse_default();
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&identity)
}

fn strict_turns_lazy_while_in_use(size: &Size) -> Outcome {
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let default = default_of(&fixture)?;
    endpoint.use_default()?;
    check_eq!(endpoint.reset_prepare(), Ok(()));
    fixture.recorder().clear();
    check_eq!(group.set_default_type(Some(DmaLazy)), Ok(()));
    check_calls(&fixture, &[])?;
    check_eq!(group.lock().default_type(), Some(DmaLazy));
    check!(Arc::ptr_eq(&default_of(&fixture)?, &default));
    endpoint.reset_done();
    endpoint.unuse_default();
    fixture.check_all_reach(&default)
}

fn strict_stays_strict_without_deferred_flush(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let setup = Setup::ordinary(size.members)?.config(|c| c.deferred_flush = false);
    let fixture = setup.probe()?;
    let group = fixture.group()?;
    let before = Snapshot::of(group)?;
    check_eq!(group.set_default_type(Some(DmaLazy)), Ok(()));
    check_calls(&fixture, &[])?;
    check_eq!(Snapshot::of(group)?, before);
    check_eq!(group.lock().default_type(), Some(Dma));

    // By way of identity, it is the set-up that stays strict.
    check_eq!(group.set_default_type(Some(Identity)), Ok(()));
    check_eq!(group.set_default_type(Some(DmaLazy)), Ok(()));
    check_eq!(group.lock().default_type(), Some(Dma));
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn one_member_keeps_its_group_strict(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    for at in 0..size.members as usize {
        let setup = Setup::ordinary(size.members)?.system(DmaLazy);
        let fixture = setup.endpoint(at, |e| e.deferred_flush = false).probe()?;
        let group = fixture.group()?;
        check_eq!(group.lock().default_type(), Some(Dma));
        check_eq!(group.set_default_type(Some(DmaLazy)), Ok(()));
        check_calls(&fixture, &[])?;
        check_eq!(group.lock().default_type(), Some(Dma));

        // Whoever it is, its opinion counts at set-up, too, and as long as it is there.
        check_eq!(group.set_default_type(Some(Identity)), Ok(()));
        check_eq!(group.set_default_type(Some(DmaLazy)), Ok(()));
        check_eq!(group.lock().default_type(), Some(Dma));
        let mut fixture = fixture;
        fixture.unplug(at)?;
        let group = fixture.group()?;
        check_eq!(group.lock().default_type(), Some(Dma));
        check_eq!(group.set_default_type(Some(DmaLazy)), Ok(()));
        check_eq!(group.lock().default_type(), Some(DmaLazy));
    }
    check_eq!(watch.count(), 0);
    Ok(())
}

fn strict_stays_strict_without_a_queue(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    fixture.policy().fail(Some(ENOMEM));
    watch.refuses(&fixture, group, ENOMEM, || {
        group.set_default_type(Some(DmaLazy))
    })?;
    check_eq!(group.lock().default_type(), Some(Dma));
    fixture.policy().fail(None);
    check_eq!(group.set_default_type(Some(DmaLazy)), Ok(()));
    check_eq!(group.lock().default_type(), Some(DmaLazy));
    Ok(())
}

fn lazy_turns_strict_by_a_new_domain(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Setup::ordinary(size.members)?.system(DmaLazy).probe()?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let old = default_of(&fixture)?;
    endpoint.use_default()?;
    watch.refuses(&fixture, group, EPERM, || group.set_default_type(Some(Dma)))?;
    endpoint.unuse_default();
    check_eq!(group.set_default_type(Some(Dma)), Ok(()));
    let new = default_of(&fixture)?;
    check!(!Arc::ptr_eq(&new, &old));
    let there = each(0..size.members, |id| attach(id, &new, Some(&old)))?;
    check_calls(&fixture, &there)?;
    check!(Arc::into_unique_or_drop(old).is_some());
    fixture.check_all_reach(&new)
}
