// SPDX-License-Identifier: GPL-2.0

//! Reset: a device is parked while its group goes on.

use super::{
    expect::{
        attach,
        check_calls,
        default_of,
        pasid,
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
    families::{
        self,
        Families, //
    },
    fixture::{
        Fixture,
        Setup, //
    },
    group::{
        Belief,
        Endpoint,
        Park,
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
    mock::{
        fault::{
            Op,
            Rule, //
        },
        hw::Reach, //
    },
    oracle,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_reset over Families:
    device_is_parked_alone_and_comes_back: each Size in SIZES;
    pairs_nest_and_only_the_outermost_counts: each Size in SIZES;
    unmatched_end_warns: each Size in SIZES;
    device_that_cannot_be_parked_takes_no_part: each Size in SIZES;
    pasids_are_blocked_and_come_back: each Size in SIZES;
    blocked_group_needs_no_call: each Size in SIZES;
    resets_of_members_are_independent: each Size in SEVERAL;
    failed_begin_leaves_the_device_attached: each Size in SIZES;
    begin_without_memory_leaves_the_device_attached: each Size in SIZES;
    failed_end_warns_and_keeps_the_device_blocked: each Size in SIZES;
    failed_end_is_mended_by_the_next_move: each Size in SIZES;
    pasid_that_cannot_be_blocked_warns: each Size in SIZES;
    pasid_that_cannot_come_back_warns: each Size in SIZES;
    reset_of_a_device_after_a_failed_return_brings_it_home: each Size in SIZES;
    lost_device_is_blocked_for_its_reset: each Size in SIZES;
}

pub(super) fn is_parked(endpoint: &Endpoint) -> bool {
    let state = endpoint.group().lock();
    let is_this = |id| id == endpoint.device().id();
    state
        .members()
        .iter()
        .any(|m| is_this(m.device().id()) && matches!(m.belief(), Belief::Parked(Park::Reset)))
}

/// A fixture whose first device is in the middle of a reset.
pub(super) fn in_reset(members: u32) -> Result<Fixture> {
    let fixture = Fixture::new(members)?;
    fixture.endpoint(0)?.reset_prepare()?;
    fixture.recorder().clear();
    Ok(fixture)
}

fn device_is_parked_alone_and_comes_back(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let (default, blocked) = (default_of(&fixture)?, fixture.blocked()?);
    let before = Snapshot::of(group)?;
    for (id, endpoint) in fixture.endpoints().iter().enumerate() {
        let id = id as u32;
        check_eq!(endpoint.reset_prepare(), Ok(()));
        check_calls(&fixture, &[attach(id, &blocked, Some(&default))])?;
        check!(is_parked(endpoint));
        check_eq!(group.lock().recovering(), 1);
        check_eq!(fixture.truth(id), Reach::Aborted);
        check!(group
            .lock()
            .current()
            .is_some_and(|now| Arc::ptr_eq(now, &default)));
        oracle::check(&fixture)?;

        endpoint.reset_done();
        check_calls(&fixture, &[attach(id, &default, Some(&blocked))])?;
        check_eq!(Snapshot::of(group)?, before);
        fixture.check_all_reach(&default)?;
    }
    check_eq!(watch.count(), 0);
    Ok(())
}

fn pairs_nest_and_only_the_outermost_counts(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = in_reset(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (default, blocked) = (default_of(&fixture)?, fixture.blocked()?);
    for _ in 0..2 {
        check_eq!(endpoint.reset_prepare(), Ok(()));
    }
    let depth = || group.lock().members().first().map(|m| m.reset_depth());
    check_eq!(depth(), Some(3));
    check_eq!(group.lock().recovering(), 1);
    oracle::check(&fixture)?;
    for left in [2, 1] {
        endpoint.reset_done();
        check_eq!(depth(), Some(left));
        check!(is_parked(endpoint));
        oracle::check(&fixture)?;
    }
    check_calls(&fixture, &[])?;
    endpoint.reset_done();
    check_calls(&fixture, &[attach(0, &default, Some(&blocked))])?;
    check_eq!(group.lock().recovering(), 0);
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default)
}

fn unmatched_end_warns(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let warning = Warning::UnbalancedReset;
    watch.only_warns(&fixture, group, warning, || endpoint.reset_done())?;
    check_eq!(endpoint.reset_prepare(), Ok(()));
    endpoint.reset_done();
    watch.only_warns(&fixture, group, warning, || endpoint.reset_done())?;

    // Nothing ran below zero.
    check_eq!(endpoint.reset_prepare(), Ok(()));
    check!(is_parked(endpoint));
    endpoint.reset_done();
    check_eq!(watch.count(), 2);
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn device_that_cannot_be_parked_takes_no_part(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let setup = Setup::ordinary(size.members)?.endpoint(0, |e| e.resettable = false);
    let mut fixture = setup.probe()?;
    let group = fixture.group()?.clone();
    let before = Snapshot::of(&group)?;
    let endpoint = fixture.endpoint(0)?;
    check_eq!(endpoint.reset_prepare(), Ok(()));
    endpoint.reset_done();
    endpoint.reset_done();
    check_calls(&fixture, &[])?;
    check_eq!(Snapshot::of(&group)?, before);
    oracle::check(&fixture)?;
    let gone = fixture.unplug(0)?;
    check_eq!(gone.reset_prepare(), Ok(()));
    gone.reset_done();
    check_eq!(watch.count(), 0);
    oracle::check(&fixture)
}

fn pasids_are_blocked_and_come_back(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    // A member with fewer PASIDs has only those parked that it can have.
    for (max, expected) in [(4, &[1, 3][..]), (2, &[1]), (0, &[])] {
        let last = size.members;
        let mut fixture = Setup::ordinary(last + 1)?
            .endpoint(last as usize, |e| e.max_pasids = max)
            .build()?;
        for id in 0..last {
            fixture.plug(id)?;
        }
        let (one, two) = (fixture.domain()?, fixture.domain()?);
        check_eq!(
            fixture
                .endpoint(0)?
                .attach_pasid(&two, Pasid::new(3)?, None),
            Ok(())
        );
        check_eq!(
            fixture
                .endpoint(0)?
                .attach_pasid(&one, Pasid::new(1)?, None),
            Ok(())
        );
        fixture.plug(last)?;
        let endpoint = fixture.endpoint(last as usize)?;
        let (default, blocked) = (default_of(&fixture)?, fixture.blocked()?);
        fixture.recorder().clear();

        let domain_of = |number| if number == 1 { &one } else { &two };
        check_eq!(endpoint.reset_prepare(), Ok(()));
        let mut calls = KVec::new();
        calls.push(attach(last, &blocked, Some(&default)), GFP_KERNEL)?;
        for number in expected.iter().copied() {
            let event = pasid(last, Pasid::new(number)?, &blocked, Some(domain_of(number)));
            calls.push(event, GFP_KERNEL)?;
        }
        check_calls(&fixture, &calls)?;
        oracle::check(&fixture)?;

        endpoint.reset_done();
        let mut calls = KVec::new();
        calls.push(attach(last, &default, Some(&blocked)), GFP_KERNEL)?;
        for number in expected.iter().copied() {
            let event = pasid(last, Pasid::new(number)?, domain_of(number), Some(&blocked));
            calls.push(event, GFP_KERNEL)?;
        }
        check_calls(&fixture, &calls)?;
        oracle::check(&fixture)?;
        fixture.endpoint(0)?.detach_pasid(&one, Pasid::new(1)?);
        fixture.endpoint(0)?.detach_pasid(&two, Pasid::new(3)?);
    }
    check_eq!(watch.count(), 0);
    Ok(())
}

fn blocked_group_needs_no_call(size: &Size) -> Outcome {
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let blocked = fixture.blocked()?;
    check_eq!(group.claim(OWNER), Ok(()));
    fixture.recorder().clear();
    let before = Snapshot::of(group)?;
    check_eq!(endpoint.reset_prepare(), Ok(()));
    check!(is_parked(endpoint));
    fixture.check_all_reach(&blocked)?;
    endpoint.reset_done();
    check_calls(&fixture, &[])?;
    check_eq!(Snapshot::of(group)?, before);
    fixture.check_all_reach(&blocked)?;
    group.release_claims();
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn resets_of_members_are_independent(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let domain = fixture.domain()?;
    for (parked, endpoint) in fixture.endpoints().iter().enumerate() {
        check_eq!(group.lock().recovering(), parked);
        check_eq!(endpoint.reset_prepare(), Ok(()));
        oracle::check(&fixture)?;
    }
    for endpoint in fixture.endpoints() {
        watch.refuses(&fixture, group, EBUSY, || group.attach(&domain))?;
        endpoint.reset_done();
        oracle::check(&fixture)?;
    }
    check_eq!(group.lock().recovering(), 0);
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn failed_begin_leaves_the_device_attached(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (default, blocked) = (default_of(&fixture)?, fixture.blocked()?);
    let before = Snapshot::of(group)?;
    fixture.fail(Rule::once(Op::Attach, EIO))?;
    check_eq!(endpoint.reset_prepare(), Err(AttachError::Failed(EIO)));
    check_calls(&fixture, &[refused(attach(0, &blocked, Some(&default)))])?;
    check_eq!(Snapshot::of(group)?, before);
    fixture.check_all_reach(&default)?;

    // The depth went back, too: an end now has no beginning.
    watch.only_warns(&fixture, group, Warning::UnbalancedReset, || {
        endpoint.reset_done()
    })?;
    check_eq!(endpoint.reset_prepare(), Ok(()));
    check!(is_parked(endpoint));
    endpoint.reset_done();
    fixture.check_all_reach(&default)
}

fn begin_without_memory_leaves_the_device_attached(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let setup = Setup::ordinary(size.members)?.config(|c| c.has_blocked = false);
    let fixture = setup.probe()?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    fixture.fail(Rule::once(Op::Alloc, ENOMEM))?;
    watch.refuses(&fixture, group, ENOMEM, || endpoint.reset_prepare())?;
    check_eq!(endpoint.reset_prepare(), Ok(()));
    oracle::check(&fixture)?;
    endpoint.reset_done();
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn failed_end_warns_and_keeps_the_device_blocked(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = in_reset(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (default, blocked) = (default_of(&fixture)?, fixture.blocked()?);
    fixture.fail(Rule::once(Op::Attach, EIO))?;
    endpoint.reset_done();
    check_calls(
        &fixture,
        &[
            refused(attach(0, &default, Some(&blocked))),
            attach(0, &blocked, Some(&blocked)),
        ],
    )?;
    check_eq!(watch.count(), 1);
    check_eq!(group.lock().warned(Warning::FailedRestore), 1);
    check_eq!(group.lock().recovering(), 0);
    check!(matches!(
        group.lock().members().first().map(|m| m.belief().clone()),
        Some(Belief::Parked(Park::FailedReturn))
    ));
    check_eq!(fixture.truth(0), Reach::Aborted);
    oracle::check(&fixture)?;
    watch.refuses(&fixture, group, EBUSY, || endpoint.use_default())
}

fn failed_end_is_mended_by_the_next_move(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = in_reset(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (default, domain) = (default_of(&fixture)?, fixture.domain()?);
    let blocked = fixture.blocked()?;
    fixture.fail(Rule::once(Op::Attach, EIO))?;
    endpoint.reset_done();
    fixture.recorder().clear();

    // Even to where the group is already; then it concerns that device alone.
    check_eq!(group.attach(&default), Ok(()));
    check_calls(&fixture, &[attach(0, &default, Some(&blocked))])?;
    fixture.check_all_reach(&default)?;
    check_eq!(endpoint.use_default(), Ok(()));
    endpoint.unuse_default();

    check_eq!(endpoint.reset_prepare(), Ok(()));
    fixture.fail(Rule::once(Op::Attach, EIO))?;
    endpoint.reset_done();
    check_eq!(group.attach(&domain), Ok(()));
    fixture.check_all_reach(&domain)?;
    check_eq!(watch.count(), 2);
    group.detach(&domain);
    fixture.check_all_reach(&default)
}

fn pasid_that_cannot_be_blocked_warns(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let domain = fixture.domain()?;
    for number in [1, 2] {
        check_eq!(
            endpoint.attach_pasid(&domain, Pasid::new(number)?, None),
            Ok(())
        );
    }
    fixture.fail(Rule::once(Op::SetPasid, EIO).times(2))?;
    check_eq!(endpoint.reset_prepare(), Ok(()));
    check_eq!(watch.count(), 2);
    check_eq!(group.lock().warned(Warning::FailedPasidBlock), 2);
    check!(is_parked(endpoint));
    check_eq!(fixture.truth(0), Reach::Aborted);
    endpoint.reset_done();
    check_eq!(watch.count(), 2);
    for number in [1, 2] {
        endpoint.detach_pasid(&domain, Pasid::new(number)?);
    }
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn pasid_that_cannot_come_back_warns(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (domain, blocked) = (fixture.domain()?, fixture.blocked()?);
    let (one, two) = (Pasid::new(1)?, Pasid::new(2)?);
    for number in [one, two] {
        check_eq!(endpoint.attach_pasid(&domain, number, None), Ok(()));
    }
    check_eq!(endpoint.reset_prepare(), Ok(()));
    fixture.recorder().clear();
    fixture.fail(Rule::once(Op::SetPasid, EIO))?;
    endpoint.reset_done();
    // One that fails does not keep the others out.
    check_calls(
        &fixture,
        &[
            attach(0, &default_of(&fixture)?, Some(&blocked)),
            refused(pasid(0, one, &domain, Some(&blocked))),
            pasid(0, two, &domain, Some(&blocked)),
        ],
    )?;
    check_eq!(watch.count(), 1);
    check_eq!(group.lock().warned(Warning::FailedPasidRestore), 1);
    for number in [one, two] {
        endpoint.detach_pasid(&domain, number);
    }
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn reset_of_a_device_after_a_failed_return_brings_it_home(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (default, domain) = (default_of(&fixture)?, fixture.domain()?);
    check_eq!(group.attach(&domain), Ok(()));
    fixture.fail(Rule::once(Op::Attach, EIO).at(EndpointId(0)))?;
    group.detach(&domain);
    check_eq!(watch.count(), 1);
    watch.refuses(&fixture, group, EBUSY, || endpoint.use_default())?;
    check_eq!(endpoint.reset_prepare(), Ok(()));
    oracle::check(&fixture)?;
    endpoint.reset_done();
    fixture.check_all_reach(&default)?;
    check_eq!(endpoint.use_default(), Ok(()));
    endpoint.unuse_default();
    check_eq!(watch.count(), 1);
    Ok(())
}

fn lost_device_is_blocked_for_its_reset(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (domain, blocked) = (fixture.domain()?, fixture.blocked()?);
    check_eq!(group.claim(OWNER), Ok(()));
    check_eq!(group.attach(&domain), Ok(()));
    fixture.fail(
        Rule::once(Op::Attach, EIO)
            .at(EndpointId(0))
            .towards(Kind::Blocked),
    )?;
    group.detach(&domain);
    check_eq!(watch.count(), 1);
    check_eq!(fixture.truth(0), oracle::reach(&domain));
    fixture.recorder().clear();
    // The group is blocked, but this device is not.
    check_eq!(endpoint.reset_prepare(), Ok(()));
    check_calls(&fixture, &[attach(0, &blocked, Some(&domain))])?;
    check_eq!(fixture.truth(0), Reach::Aborted);
    check!(Arc::into_unique_or_drop(domain).is_some());
    oracle::check(&fixture)?;
    endpoint.reset_done();
    fixture.check_all_reach(&blocked)?;
    group.release_claims();
    fixture.check_all_reach(&default_of(&fixture)?)
}
