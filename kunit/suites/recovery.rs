// SPDX-License-Identifier: GPL-2.0

//! What can be done to a group while one of its devices is being reset, and what cannot.

use super::{
    expect::{
        attach,
        check_calls,
        default_of,
        each,
        pasid,
        Watch,
        OWNER, //
    },
    reset::{
        in_reset,
        is_parked, //
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
    group::Handle,
    iommu::{
        DefaultType,
        Pasid, //
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mock::hw::Reach,
    oracle,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_recovery over Families:
    moves_that_may_fail_are_refused: each Size in SIZES;
    move_to_where_the_group_is_is_none: each Size in SIZES;
    pasid_changes_are_refused: each Size in SIZES;
    detach_leaves_the_parked_device_alone: each Size in SIZES;
    release_of_ownership_leaves_the_parked_device_alone: each Size in SIZES;
    pasid_detached_meanwhile_does_not_come_back: each Size in SIZES;
    drivers_may_come_and_go: each Size in SIZES;
    device_may_join_meanwhile: each Size in SIZES;
}

fn moves_that_may_fail_are_refused(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = in_reset(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let domain = fixture.domain()?;
    watch.refuses(&fixture, group, EBUSY, || group.attach(&domain))?;
    let handle = Handle::new(1)?;
    watch.refuses(&fixture, group, EBUSY, || {
        group.attach_with(&domain, handle)
    })?;
    watch.refuses(&fixture, group, EBUSY, || group.replace(&domain, None))?;
    let handle = Handle::new(1)?;
    watch.refuses(&fixture, group, EBUSY, || {
        group.replace(&domain, Some(handle))
    })?;
    watch.refuses(&fixture, group, EBUSY, || group.claim(OWNER))?;
    watch.refuses(&fixture, group, EBUSY, || {
        group.set_default_type(Some(DefaultType::Identity))
    })?;
    if size.members == 1 {
        watch.refuses(&fixture, group, EBUSY, || endpoint.attach(&domain))?;
    } else {
        // Earlier tests come first.
        watch.refuses(&fixture, group, EINVAL, || endpoint.attach(&domain))?;
    }
    watch.refuses(&fixture, group, EBUSY, || endpoint.attach_deferred())?;
    endpoint.reset_done();
    check_eq!(group.attach(&domain), Ok(()));
    fixture.check_all_reach(&domain)?;
    group.detach(&domain);
    Ok(())
}

fn move_to_where_the_group_is_is_none(size: &Size) -> Outcome {
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (default, domain) = (default_of(&fixture)?, fixture.domain()?);
    check_eq!(endpoint.reset_prepare(), Ok(()));
    fixture.recorder().clear();
    check_eq!(group.attach(&default), Ok(()));
    check_calls(&fixture, &[])?;
    endpoint.reset_done();

    check_eq!(group.attach_with(&domain, Handle::new(1)?), Ok(()));
    check_eq!(endpoint.reset_prepare(), Ok(()));
    fixture.recorder().clear();
    let former = group.replace(&domain, Some(Handle::new(2)?));
    check!(matches!(former, Ok(Some(handle)) if handle.cookie() == 1));
    check_calls(&fixture, &[])?;
    check!(is_parked(endpoint));
    oracle::check(&fixture)?;
    endpoint.reset_done();
    fixture.check_all_reach(&domain)?;
    group.detach(&domain);
    fixture.check_all_reach(&default)
}

fn pasid_changes_are_refused(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (old, new) = (fixture.domain()?, fixture.domain()?);
    let (one, two) = (Pasid::new(1)?, Pasid::new(2)?);
    check_eq!(endpoint.attach_pasid(&old, one, None), Ok(()));
    check_eq!(endpoint.reset_prepare(), Ok(()));
    // Whichever device is asked, be it the one in reset or not.
    for endpoint in fixture.endpoints() {
        watch.refuses(&fixture, group, EBUSY, || {
            endpoint.attach_pasid(&new, two, None)
        })?;
        let handle = Handle::new(1)?;
        watch.refuses(&fixture, group, EBUSY, || {
            endpoint.replace_pasid(&new, one, handle)
        })?;
    }
    endpoint.reset_done();
    check!(endpoint.replace_pasid(&new, one, Handle::new(1)?).is_ok());
    oracle::check(&fixture)?;
    check!(endpoint.detach_pasid(&new, one).is_some());
    Ok(())
}

pub(super) fn detach_leaves_the_parked_device_alone(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (default, domain) = (default_of(&fixture)?, fixture.domain()?);
    let blocked = fixture.blocked()?;
    check_eq!(group.attach(&domain), Ok(()));
    check_eq!(endpoint.reset_prepare(), Ok(()));
    fixture.recorder().clear();
    group.detach(&domain);
    let others = each(1..size.members, |id| attach(id, &default, Some(&domain)))?;
    check_calls(&fixture, &others)?;
    check!(is_parked(endpoint));
    check!(Arc::into_unique_or_drop(domain).is_some());
    oracle::check(&fixture)?;

    // It goes where its group is now.
    endpoint.reset_done();
    check_calls(&fixture, &[attach(0, &default, Some(&blocked))])?;
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default)
}

fn release_of_ownership_leaves_the_parked_device_alone(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (default, blocked) = (default_of(&fixture)?, fixture.blocked()?);
    check_eq!(group.claim(OWNER), Ok(()));
    check_eq!(endpoint.reset_prepare(), Ok(()));
    fixture.recorder().clear();
    group.release_claims();
    let others = each(1..size.members, |id| attach(id, &default, Some(&blocked)))?;
    check_calls(&fixture, &others)?;
    check_eq!(fixture.truth(0), Reach::Aborted);
    oracle::check(&fixture)?;
    endpoint.reset_done();
    check_calls(&fixture, &[attach(0, &default, Some(&blocked))])?;
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default)
}

fn pasid_detached_meanwhile_does_not_come_back(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (endpoint, one) = (fixture.endpoint(0)?, Pasid::new(1)?);
    let (domain, blocked) = (fixture.domain()?, fixture.blocked()?);
    check_eq!(endpoint.attach_pasid(&domain, one, None), Ok(()));
    check_eq!(endpoint.reset_prepare(), Ok(()));
    fixture.recorder().clear();
    endpoint.detach_pasid(&domain, one);
    let others = each(1..size.members, |id| {
        pasid(id, one, &blocked, Some(&domain))
    })?;
    check_calls(&fixture, &others)?;
    oracle::check(&fixture)?;
    endpoint.reset_done();
    check_calls(
        &fixture,
        &[attach(0, &default_of(&fixture)?, Some(&blocked))],
    )?;
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn drivers_may_come_and_go(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = in_reset(size.members)?;
    for endpoint in fixture.endpoints() {
        check_eq!(endpoint.use_default(), Ok(()));
        oracle::check(&fixture)?;
    }
    for endpoint in fixture.endpoints() {
        endpoint.unuse_default();
    }
    check_calls(&fixture, &[])?;
    check_eq!(watch.count(), 0);
    oracle::check(&fixture)?;
    fixture.endpoint(0)?.reset_done();
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn device_may_join_meanwhile(size: &Size) -> Outcome {
    let mut fixture = Setup::ordinary(size.members + 1)?.build()?;
    for id in 0..size.members {
        fixture.plug(id)?;
    }
    check_eq!(fixture.endpoint(0)?.reset_prepare(), Ok(()));
    fixture.plug(size.members)?;
    check_eq!(
        fixture.truth(size.members),
        oracle::reach(&default_of(&fixture)?)
    );
    check_eq!(fixture.truth(0), Reach::Aborted);
    oracle::check(&fixture)?;
    fixture.endpoint(0)?.reset_done();
    fixture.check_all_reach(&default_of(&fixture)?)
}
