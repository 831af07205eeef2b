// SPDX-License-Identifier: GPL-2.0

//! Deferred attach: a device that a former kernel left running is not touched before its time.

use super::{
    expect::{
        attach,
        check_calls,
        default_of,
        each,
        probe,
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
    group::Belief,
    iommu::{
        AttachError,
        DefaultType,
        EndpointId, //
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mark,
    mock::{
        fault::{
            Op,
            Rule, //
        },
        hw::Reach,
        unit::FORMER_KERNEL, //
    },
    oracle,
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_deferred over Families:
    deferred_device_is_not_touched_at_probe: each Size in SIZES;
    deferred_device_is_attached_once: each Size in SIZES;
    device_that_is_not_deferred_is_left_alone: each Size in SIZES;
    refused_deferred_attach_stays_deferred: each Size in SIZES;
    change_of_the_default_leaves_a_device_deferred: each Size in SIZES;
    failed_change_of_the_default_leaves_a_device_deferred: each Size in SEVERAL;
    claim_attaches_for_real: each Size in SIZES;
    refused_attach_to_a_users_domain_stays_deferred: each Size in SIZES;
    unwind_attaches_for_real: each Size in SEVERAL;
    member_that_joins_a_users_domain_is_not_deferred: each Size in SIZES;
    reset_parks_a_deferred_device_for_real: each Size in SIZES;
}

const FORMER: Reach = Reach::Memory(FORMER_KERNEL + mark::IOVA);

/// A group whose first member is deferred.
fn first_deferred(members: u32) -> Result<Fixture> {
    Setup::ordinary(members)?
        .endpoint(0, |e| e.deferred = true)
        .probe()
}

fn is_deferred(fixture: &Fixture) -> Result<bool> {
    let state = fixture.group()?.lock();
    let first = state.members().first().ok_or(ENODEV)?;
    Ok(matches!(first.belief(), Belief::Deferred))
}

/// Checks that the first device is untouched, and that nothing is wrong with that.
fn check_untouched(fixture: &Fixture) -> Outcome {
    check!(is_deferred(fixture)?);
    check_eq!(fixture.truth(0), FORMER);
    oracle::check(fixture)
}

fn deferred_device_is_not_touched_at_probe(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let setup = Setup::ordinary(size.members)?.endpoint(0, |e| e.deferred = true);
    let mut fixture = setup.build()?;
    fixture.plug(0)?;
    check_calls(&fixture, &[probe(0)])?;
    let default = default_of(&fixture)?;
    for id in 1..size.members {
        fixture.plug(id)?;
        check_calls(&fixture, &[probe(id), attach(id, &default, None)])?;
    }
    check_untouched(&fixture)?;

    // Its driver may bind, so that it can reset the device.
    check_eq!(fixture.endpoint(0)?.use_default(), Ok(()));
    fixture.endpoint(0)?.unuse_default();
    check_eq!(watch.count(), 0);
    check_untouched(&fixture)
}

fn deferred_device_is_attached_once(size: &Size) -> Outcome {
    let fixture = first_deferred(size.members)?;
    let default = default_of(&fixture)?;
    check_eq!(fixture.endpoint(0)?.attach_deferred(), Ok(()));
    check_calls(&fixture, &[attach(0, &default, None)])?;
    fixture.check_all_reach(&default)?;
    check_eq!(fixture.endpoint(0)?.attach_deferred(), Ok(()));
    check_calls(&fixture, &[])?;
    fixture.check_all_reach(&default)
}

fn device_that_is_not_deferred_is_left_alone(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let domain = fixture.domain()?;
    check_eq!(fixture.endpoint(0)?.attach_deferred(), Ok(()));
    check_calls(&fixture, &[])?;
    check_eq!(group.attach(&domain), Ok(()));
    fixture.fail(Rule::once(Op::Attach, EIO).at(EndpointId(0)))?;
    group.detach(&domain);
    check_eq!(watch.count(), 1);
    fixture.recorder().clear();
    let before = Snapshot::of(group)?;
    check_eq!(fixture.endpoint(0)?.attach_deferred(), Ok(()));
    check_calls(&fixture, &[])?;
    check_eq!(Snapshot::of(group)?, before);
    oracle::check(&fixture)
}

fn refused_deferred_attach_stays_deferred(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = first_deferred(size.members)?;
    let default = default_of(&fixture)?;
    for error in [ENOMEM, EIO] {
        fixture.fail(Rule::once(Op::Attach, error))?;
        let result = fixture.endpoint(0)?.attach_deferred();
        check_eq!(result, Err(AttachError::Failed(error)));
        check_calls(&fixture, &[refused(attach(0, &default, None))])?;
        check_untouched(&fixture)?;
    }
    check_eq!(fixture.endpoint(0)?.attach_deferred(), Ok(()));
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default)
}

fn change_of_the_default_leaves_a_device_deferred(size: &Size) -> Outcome {
    let fixture = first_deferred(size.members)?;
    let group = fixture.group()?;
    let (old, identity) = (default_of(&fixture)?, fixture.identity()?);
    check_eq!(group.set_default_type(Some(DefaultType::Identity)), Ok(()));
    let there = each(1..size.members, |id| attach(id, &identity, Some(&old)))?;
    check_calls(&fixture, &there)?;
    check_untouched(&fixture)?;
    check_eq!(fixture.endpoint(0)?.attach_deferred(), Ok(()));
    check_calls(&fixture, &[attach(0, &identity, None)])?;
    fixture.check_all_reach(&identity)
}

fn failed_change_of_the_default_leaves_a_device_deferred(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = first_deferred(size.members)?;
    let group = fixture.group()?;
    let old = default_of(&fixture)?;
    let before = Snapshot::of(group)?;
    fixture.fail(Rule::once(Op::Attach, EIO).at(EndpointId(size.members - 1)))?;
    check_eq!(
        group.set_default_type(Some(DefaultType::Identity)),
        Err(EIO)
    );
    check_eq!(Snapshot::of(group)?, before);
    check_untouched(&fixture)?;
    check_eq!(watch.count(), 0);
    check_eq!(fixture.endpoint(0)?.attach_deferred(), Ok(()));
    fixture.check_all_reach(&old)
}

fn claim_attaches_for_real(size: &Size) -> Outcome {
    let fixture = first_deferred(size.members)?;
    let group = fixture.group()?;
    let (default, blocked) = (default_of(&fixture)?, fixture.blocked()?);
    check_eq!(group.claim(OWNER), Ok(()));
    let there = each(0..size.members, |id| attach(id, &blocked, Some(&default)))?;
    check_calls(&fixture, &there)?;
    fixture.check_all_reach(&blocked)?;
    group.release_claims();
    let back = each(0..size.members, |id| attach(id, &default, Some(&blocked)))?;
    check_calls(&fixture, &back)?;
    fixture.check_all_reach(&default)?;
    check_eq!(fixture.endpoint(0)?.attach_deferred(), Ok(()));
    check_calls(&fixture, &[])
}

fn refused_attach_to_a_users_domain_stays_deferred(size: &Size) -> Outcome {
    let fixture = first_deferred(size.members)?;
    let group = fixture.group()?;
    let (default, domain) = (default_of(&fixture)?, fixture.domain()?);
    fixture.fail(Rule::once(Op::Attach, ENOSPC).at(EndpointId(0)))?;
    check_eq!(group.attach(&domain), Err(AttachError::Failed(ENOSPC)));
    check_calls(&fixture, &[refused(attach(0, &domain, Some(&default)))])?;
    check_untouched(&fixture)?;
    check_eq!(group.attach(&domain), Ok(()));
    fixture.check_all_reach(&domain)?;
    group.detach(&domain);
    fixture.check_all_reach(&default)
}

fn unwind_attaches_for_real(size: &Size) -> Outcome {
    // What a former kernel set up is gone once the device was on another domain.
    let watch = Watch::start()?;
    let fixture = first_deferred(size.members)?;
    let group = fixture.group()?;
    let (default, domain) = (default_of(&fixture)?, fixture.domain()?);
    fixture.fail(Rule::once(Op::Attach, ENOSPC).at(EndpointId(1)))?;
    check_eq!(group.attach(&domain), Err(AttachError::Failed(ENOSPC)));
    check_calls(
        &fixture,
        &[
            attach(0, &domain, Some(&default)),
            refused(attach(1, &domain, Some(&default))),
            attach(0, &default, Some(&domain)),
        ],
    )?;
    check!(!is_deferred(&fixture)?);
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default)
}

fn member_that_joins_a_users_domain_is_not_deferred(size: &Size) -> Outcome {
    let new = size.members;
    let setup = Setup::ordinary(new + 1)?.endpoint(new as usize, |e| e.deferred = true);
    let mut fixture = setup.build()?;
    for id in 0..new {
        fixture.plug(id)?;
    }
    let group = fixture.group()?.clone();
    let domain = fixture.domain()?;
    check_eq!(group.attach(&domain), Ok(()));
    fixture.recorder().clear();
    fixture.plug(new)?;
    check_calls(&fixture, &[probe(new), attach(new, &domain, None)])?;
    fixture.check_all_reach(&domain)?;
    group.detach(&domain);
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn reset_parks_a_deferred_device_for_real(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = first_deferred(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (default, blocked) = (default_of(&fixture)?, fixture.blocked()?);

    fixture.fail(Rule::once(Op::Attach, EIO))?;
    check_eq!(endpoint.reset_prepare(), Err(AttachError::Failed(EIO)));
    check_calls(&fixture, &[refused(attach(0, &blocked, Some(&default)))])?;
    check_untouched(&fixture)?;

    check_eq!(endpoint.reset_prepare(), Ok(()));
    check_calls(&fixture, &[attach(0, &blocked, Some(&default))])?;
    oracle::check(&fixture)?;
    watch.refuses(&fixture, group, EBUSY, || endpoint.attach_deferred())?;
    endpoint.reset_done();
    check_calls(&fixture, &[attach(0, &default, Some(&blocked))])?;
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default)
}
