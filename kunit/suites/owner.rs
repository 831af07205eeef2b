// SPDX-License-Identifier: GPL-2.0

//! DMA ownership: who may use the devices, and who is refused what.

use super::{
    expect::{
        attach,
        check_calls,
        default_of,
        each,
        refused,
        Watch,
        OTHER,
        OWNER, //
    },
    Size,
    SIZES, //
};
use crate::{
    families::{
        self,
        Families, //
    },
    fixture::{
        Fixture,
        Setup, //
    },
    group::{
        Handle,
        Owner,
        Ownership,
        Warning, //
    },
    iommu::{
        AttachError,
        EndpointId,
        Kind,
        Pasid, //
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
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
    iommu_mock_owner over Families:
    claim_blocks_every_member: each Size in SIZES;
    claim_blocks_without_a_blocked_domain: each Size in SIZES;
    claim_is_refused_while_the_group_is_used: each Size in SIZES;
    claim_is_refused_off_the_default_domain: each Size in SIZES;
    claim_fails_without_memory_for_a_blocking_domain: each Size in SIZES;
    claim_is_refused_during_a_reset: each Size in SIZES;
    claim_unwinds_when_a_member_refuses: each Size in SIZES;
    claims_of_devices_are_counted: each Size in SIZES;
    second_claim_of_a_device_is_always_granted: each Size in SIZES;
    release_of_the_group_ends_all_claims: each Size in SIZES;
    release_forces_a_users_domain_off: each Size in SIZES;
    release_that_nobody_may_do_warns: each Size in SIZES;
    release_with_attachments_left_warns: each Size in SIZES;
    failed_release_refuses_drivers_until_it_is_mended: each Size in SIZES;
}

const fn user(owner: Owner, claims: u32) -> Ownership {
    Ownership::User { owner, claims }
}

const fn kernel(drivers: u32) -> Ownership {
    Ownership::Kernel { drivers }
}

fn claim_blocks_every_member(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let (default, blocked) = (default_of(&fixture)?, fixture.blocked()?);
    check_eq!(group.claim(OWNER), Ok(()));
    let there = each(0..size.members, |id| attach(id, &blocked, Some(&default)))?;
    check_calls(&fixture, &there)?;
    check_eq!(group.lock().owner(), user(OWNER, 1));
    check!(group.is_claimed());
    fixture.check_all_reach(&blocked)?;

    group.release_claims();
    let back = each(0..size.members, |id| attach(id, &default, Some(&blocked)))?;
    check_calls(&fixture, &back)?;
    check_eq!(group.lock().owner(), Ownership::Free);
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default)
}

fn claim_blocks_without_a_blocked_domain(size: &Size) -> Outcome {
    let setup = Setup::ordinary(size.members)?.config(|c| c.has_blocked = false);
    let fixture = setup.probe()?;
    let group = fixture.group()?;
    let default = default_of(&fixture)?;
    check_eq!(group.claim(OWNER), Ok(()));
    let blocking = group.lock().blocking().ok_or(ENODEV)?.clone();
    check_eq!(blocking.kind(), Kind::Paging);
    let there = each(0..size.members, |id| attach(id, &blocking, Some(&default)))?;
    check_calls(&fixture, &there)?;
    fixture.check_all_reach(&blocking)?;
    group.release_claims();

    // It is kept: the next claim needs no memory.
    fixture.fail(Rule::once(Op::Alloc, ENOMEM))?;
    check_eq!(group.claim(OWNER), Ok(()));
    check_eq!(fixture.faults().hits(), 0);
    check!(group
        .lock()
        .current()
        .is_some_and(|current| Arc::ptr_eq(current, &blocking)));
    fixture.check_all_reach(&blocking)?;
    group.release_claims();
    fixture.check_all_reach(&default)
}

fn claim_is_refused_while_the_group_is_used(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let domain = fixture.domain()?;
    endpoint.use_default()?;
    // Where it is comes second to who uses it.
    check_eq!(group.attach(&domain), Ok(()));
    watch.refuses(&fixture, group, EPERM, || group.claim(OWNER))?;
    watch.refuses(&fixture, group, EPERM, || endpoint.claim(OWNER))?;
    group.detach(&domain);
    watch.refuses(&fixture, group, EPERM, || group.claim(OWNER))?;
    endpoint.unuse_default();

    check_eq!(group.claim(OWNER), Ok(()));
    watch.refuses(&fixture, group, EPERM, || group.claim(OWNER))?;
    watch.refuses(&fixture, group, EPERM, || group.claim(OTHER))?;
    watch.refuses(&fixture, group, EPERM, || endpoint.claim(OTHER))?;
    check_eq!(group.lock().owner(), user(OWNER, 1));
    group.release_claims();
    check_eq!(endpoint.claim(OTHER), Ok(()));
    watch.refuses(&fixture, group, EPERM, || endpoint.claim(OWNER))?;
    endpoint.release_claim();
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn claim_is_refused_off_the_default_domain(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let setup = Setup::ordinary(size.members)?;
    let fixture = setup.probe()?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (domain, one) = (fixture.domain()?, Pasid::new(1)?);
    check_eq!(group.attach(&domain), Ok(()));
    watch.refuses(&fixture, group, EBUSY, || group.claim(OWNER))?;
    watch.refuses(&fixture, group, EBUSY, || endpoint.claim(OWNER))?;
    group.detach(&domain);

    check_eq!(group.attach_with(&domain, Handle::new(1)?), Ok(()));
    watch.refuses(&fixture, group, EBUSY, || group.claim(OWNER))?;
    group.detach(&domain);

    if families::has_pasids()? {
        check_eq!(endpoint.attach_pasid(&domain, one, None), Ok(()));
        watch.refuses(&fixture, group, EBUSY, || group.claim(OWNER))?;
        watch.refuses(&fixture, group, EBUSY, || endpoint.claim(OWNER))?;
        endpoint.detach_pasid(&domain, one);
    }

    // None of them went as far as to ask for a blocking domain.
    check!(group.lock().blocking().is_none());
    check_eq!(group.claim(OWNER), Ok(()));
    group.release_claims();
    Ok(())
}

fn claim_fails_without_memory_for_a_blocking_domain(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let setup = Setup::ordinary(size.members)?.config(|c| c.has_blocked = false);
    let fixture = setup.probe()?;
    let group = fixture.group()?;
    fixture.fail(Rule::once(Op::Alloc, ENOMEM).times(2))?;
    watch.refuses(&fixture, group, ENOMEM, || group.claim(OWNER))?;
    watch.refuses(&fixture, group, ENOMEM, || {
        fixture.endpoint(0)?.claim(OWNER)
    })?;
    check_eq!(fixture.faults().hits(), 2);
    check!(group.lock().blocking().is_none());
    check_eq!(group.claim(OWNER), Ok(()));
    group.release_claims();
    Ok(())
}

fn claim_is_refused_during_a_reset(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    check_eq!(endpoint.reset_prepare(), Ok(()));
    watch.refuses(&fixture, group, EBUSY, || group.claim(OWNER))?;
    watch.refuses(&fixture, group, EBUSY, || endpoint.claim(OWNER))?;
    endpoint.reset_done();
    check_eq!(group.claim(OWNER), Ok(()));
    group.release_claims();
    Ok(())
}

pub(super) fn claim_unwinds_when_a_member_refuses(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    for failing in 0..size.members {
        let fixture = Fixture::new(size.members)?;
        let group = fixture.group()?;
        let (default, blocked) = (default_of(&fixture)?, fixture.blocked()?);
        fixture.fail(Rule::once(Op::Attach, EIO).at(EndpointId(failing)))?;
        check_eq!(group.claim(OWNER), Err(AttachError::Failed(EIO)));
        let mut calls = each(0..failing, |id| attach(id, &blocked, Some(&default)))?;
        calls.push(
            refused(attach(failing, &blocked, Some(&default))),
            GFP_KERNEL,
        )?;
        for id in 0..failing {
            calls.push(attach(id, &default, Some(&blocked)), GFP_KERNEL)?;
        }
        check_calls(&fixture, &calls)?;
        check_eq!(group.lock().owner(), Ownership::Free);
        fixture.check_all_reach(&default)?;
        check_eq!(group.claim(OWNER), Ok(()));
        fixture.check_all_reach(&blocked)?;
        group.release_claims();
    }
    check_eq!(watch.count(), 0);
    Ok(())
}

pub(super) fn claims_of_devices_are_counted(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let (default, blocked) = (default_of(&fixture)?, fixture.blocked()?);
    for (claims, endpoint) in fixture.endpoints().iter().enumerate() {
        check_eq!(endpoint.claim(OWNER), Ok(()));
        check_eq!(group.lock().owner(), user(OWNER, claims as u32 + 1));
        fixture.check_all_reach(&blocked)?;
    }
    check_eq!(fixture.recorder().clear(), size.members as usize);
    for (left, endpoint) in fixture.endpoints().iter().enumerate().rev() {
        check_eq!(group.lock().owner(), user(OWNER, left as u32 + 1));
        fixture.check_all_reach(&blocked)?;
        check_calls(&fixture, &[])?;
        endpoint.release_claim();
    }
    let back = each(0..size.members, |id| attach(id, &default, Some(&blocked)))?;
    check_calls(&fixture, &back)?;
    check_eq!(group.lock().owner(), Ownership::Free);
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default)
}

fn second_claim_of_a_device_is_always_granted(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (domain, one) = (fixture.domain()?, Pasid::new(1)?);
    check_eq!(endpoint.claim(OWNER), Ok(()));
    check_eq!(group.attach_with(&domain, Handle::new(1)?), Ok(()));
    if families::has_pasids()? {
        check_eq!(endpoint.attach_pasid(&domain, one, None), Ok(()));
    }
    check_eq!(endpoint.reset_prepare(), Ok(()));
    fixture.recorder().clear();
    check_eq!(endpoint.claim(OWNER), Ok(()));
    check_eq!(group.lock().owner(), user(OWNER, 2));
    endpoint.release_claim();
    check_eq!(group.lock().owner(), user(OWNER, 1));
    check_calls(&fixture, &[])?;
    oracle::check(&fixture)?;
    endpoint.reset_done();
    if families::has_pasids()? {
        endpoint.detach_pasid(&domain, one);
    }
    group.detach(&domain);
    endpoint.release_claim();
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn release_of_the_group_ends_all_claims(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    for endpoint in fixture.endpoints() {
        check_eq!(endpoint.claim(OWNER), Ok(()));
    }
    group.release_claims();
    check_eq!(group.lock().owner(), Ownership::Free);
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn release_forces_a_users_domain_off(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let (default, domain) = (default_of(&fixture)?, fixture.domain()?);
    check_eq!(group.claim(OWNER), Ok(()));
    check_eq!(group.attach(&domain), Ok(()));
    fixture.recorder().clear();
    group.release_claims();
    let back = each(0..size.members, |id| attach(id, &default, Some(&domain)))?;
    check_calls(&fixture, &back)?;
    check_eq!(watch.count(), 0);
    check!(Arc::into_unique_or_drop(domain).is_some());
    fixture.check_all_reach(&default)
}

fn release_that_nobody_may_do_warns(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    watch.only_warns(&fixture, group, Warning::BadRelease, || {
        group.release_claims()
    })?;
    watch.only_warns(&fixture, group, Warning::BadRelease, || {
        endpoint.release_claim()
    })?;
    for drivers in [1, 2] {
        endpoint.use_default()?;
        check_eq!(group.lock().owner(), kernel(drivers));
        // The kernel's core takes a use off the count here when there are several.
        watch.only_warns(&fixture, group, Warning::BadRelease, || {
            endpoint.release_claim()
        })?;
        watch.only_warns(&fixture, group, Warning::BadRelease, || {
            group.release_claims()
        })?;
    }
    endpoint.unuse_default();
    endpoint.unuse_default();
    check_eq!(watch.count(), 6);
    Ok(())
}

fn release_with_attachments_left_warns(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (domain, one) = (fixture.domain()?, Pasid::new(1)?);
    check_eq!(endpoint.claim(OWNER), Ok(()));

    check_eq!(group.attach_with(&domain, Handle::new(1)?), Ok(()));
    watch.only_warns(&fixture, group, Warning::BadRelease, || {
        group.release_claims()
    })?;
    watch.only_warns(&fixture, group, Warning::BadRelease, || {
        endpoint.release_claim()
    })?;
    check!(group.detach(&domain).is_some());

    check_eq!(watch.count(), 2);
    if families::has_pasids()? {
        check_eq!(endpoint.attach_pasid(&domain, one, None), Ok(()));
        watch.only_warns(&fixture, group, Warning::BadRelease, || {
            group.release_claims()
        })?;
        watch.only_warns(&fixture, group, Warning::BadRelease, || {
            endpoint.release_claim()
        })?;
        endpoint.detach_pasid(&domain, one);
        check_eq!(watch.count(), 4);
    }

    let warned = watch.count();
    check_eq!(group.lock().owner(), user(OWNER, 1));
    endpoint.release_claim();
    check_eq!(watch.count(), warned);
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn failed_release_refuses_drivers_until_it_is_mended(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    for failing in 0..size.members {
        let fixture = Fixture::new(size.members)?;
        let group = fixture.group()?;
        let (default, blocked) = (default_of(&fixture)?, fixture.blocked()?);
        check_eq!(group.claim(OWNER), Ok(()));
        fixture.recorder().clear();
        let before = watch.count();
        fixture.fail(Rule::once(Op::Attach, EIO).at(EndpointId(failing)))?;
        group.release_claims();
        check_eq!(watch.count(), before + 1);
        check_eq!(group.lock().warned(Warning::FailedReturn), 1);
        check_eq!(group.lock().owner(), Ownership::Free);
        check!(group
            .lock()
            .current()
            .is_some_and(|now| Arc::ptr_eq(now, &default)));

        // The others are home; that one is blocked, and no driver may bind to any.
        let mut calls = each(0..=failing, |id| attach(id, &default, Some(&blocked)))?;
        if let Some(last) = calls.last_mut() {
            *last = refused(*last);
        }
        calls.push(attach(failing, &blocked, Some(&blocked)), GFP_KERNEL)?;
        for id in failing + 1..size.members {
            calls.push(attach(id, &default, Some(&blocked)), GFP_KERNEL)?;
        }
        check_calls(&fixture, &calls)?;
        for endpoint in fixture.endpoints() {
            watch.refuses(&fixture, group, EBUSY, || endpoint.use_default())?;
        }

        check_eq!(group.claim(OWNER), Ok(()));
        fixture.check_all_reach(&blocked)?;
        group.release_claims();
        fixture.check_all_reach(&default)?;
        check_eq!(watch.count(), before + 1);
        check_eq!(fixture.endpoint(0)?.use_default(), Ok(()));
        fixture.endpoint(0)?.unuse_default();
    }
    Ok(())
}
