// SPDX-License-Identifier: GPL-2.0

//! Release: a device leaves, its group stays or goes.

use super::{
    expect::{
        attach,
        check_calls,
        default_of,
        probe,
        refused,
        release,
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
        Group,
        Handle,
        Ownership,
        Warning, //
    },
    iommu::{
        AttachError,
        EndpointId,
        Kind,
        Pasid,
        Region,
        RegionKind, //
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
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_release over Families:
    leaving_member_is_blocked_and_the_others_stay: each Size in SIZES;
    last_member_takes_the_groups_domains_along: each Size in SIZES;
    last_member_of_an_owned_group_warns: each Size in SIZES;
    last_member_on_a_users_domain_warns: each Size in SIZES;
    last_member_that_a_driver_uses_warns: each Size in SIZES;
    device_with_a_direct_range_is_left_on_identity: each Size in SIZES;
    device_without_a_release_domain_is_only_released: each Size in SIZES;
    deferred_device_is_left_alone: each Size in SIZES;
    driver_that_refuses_the_release_domain_is_ignored: each Size in SIZES;
    lost_device_is_released_from_where_it_may_still_be: each Size in SIZES;
    parked_member_does_not_leave_the_group_busy: each Size in SEVERAL;
    released_device_answers_enodev: each Size in SIZES;
    group_without_devices_answers_enodev: each Size in SIZES;
    attachments_end_silently_after_the_devices_have_gone: each Size in SIZES;
    replugged_device_forms_a_fresh_group: each Size in SIZES;
}

pub(super) fn leaving_member_is_blocked_and_the_others_stay(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    for leaving in 0..size.members {
        let mut fixture = Fixture::new(size.members)?;
        let group = fixture.group()?.clone();
        let blocked = fixture.blocked()?;
        let domain = fixture.domain()?;
        check_eq!(group.claim(OWNER), Ok(()));
        check_eq!(group.attach(&domain), Ok(()));
        fixture.recorder().clear();
        let warned = watch.count();
        fixture.unplug(leaving as usize)?;
        check_calls(
            &fixture,
            &[attach(leaving, &blocked, Some(&domain)), release(leaving)],
        )?;
        check_eq!(fixture.truth(leaving), Reach::Aborted);
        // The last one leaves an owned group.
        check_eq!(watch.count() - warned, u32::from(size.members == 1));
        oracle::check(&fixture)?;

        let state = group.lock();
        check!(state
            .members()
            .iter()
            .all(|m| m.device().id() != EndpointId(leaving)));
        check_eq!(state.members().len(), size.members as usize - 1);
        drop(state);
        if size.members > 1 {
            fixture.check_all_reach(&domain)?;
            check!(matches!(
                group.lock().owner(),
                Ownership::User { claims: 1, .. }
            ));
            group.detach(&domain);
        }
        group.release_claims();
        oracle::check(&fixture)?;
    }
    Ok(())
}

/// Unplugs all devices of a fixture and returns what is left of one.
fn unplug_all(fixture: &mut Fixture) -> Result<Endpoint> {
    let mut left = fixture.unplug(0)?;
    while !fixture.endpoints().is_empty() {
        left = fixture.unplug(0)?;
    }
    Ok(left)
}

fn check_empty(group: &Group) -> Outcome {
    let state = group.lock();
    check!(state.members().is_empty());
    check!(state.current().is_none());
    check!(state.default().is_none());
    check!(state.blocking().is_none());
    Ok(())
}

fn last_member_takes_the_groups_domains_along(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    // Without a static one, the blocking domain is the group's own, too.
    let setup = Setup::ordinary(size.members)?.config(|c| c.has_blocked = false);
    let mut fixture = setup.probe()?;
    let group = fixture.group()?.clone();
    check_eq!(group.claim(OWNER), Ok(()));
    group.release_claims();
    let default = default_of(&fixture)?;
    let blocking = group.lock().blocking().ok_or(ENODEV)?.clone();
    unplug_all(&mut fixture)?;
    check_empty(&group)?;
    check!(Arc::into_unique_or_drop(default).is_some());
    check!(Arc::into_unique_or_drop(blocking).is_some());
    check_eq!(watch.count(), 0);
    Ok(())
}

/// Checks that the last device that leaves, and no other, raises one WARN.
fn check_last_warns(watch: &Watch, fixture: &mut Fixture, group: &Group) -> Outcome {
    while !fixture.endpoints().is_empty() {
        let before = watch.count();
        let last = fixture.endpoints().len() == 1;
        fixture.unplug(0)?;
        check_eq!(watch.count() - before, u32::from(last));
        check_eq!(group.lock().warned(Warning::LeftInUse), u32::from(last));
        oracle::check(fixture)?;
    }
    check_empty(group)
}

fn last_member_of_an_owned_group_warns(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let mut fixture = Fixture::new(size.members)?;
    let group = fixture.group()?.clone();
    check_eq!(group.claim(OWNER), Ok(()));
    check_last_warns(&watch, &mut fixture, &group)
}

fn last_member_on_a_users_domain_warns(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let mut fixture = Fixture::new(size.members)?;
    let group = fixture.group()?.clone();
    let domain = fixture.domain()?;
    check_eq!(group.attach(&domain), Ok(()));
    check_last_warns(&watch, &mut fixture, &group)?;
    // It is forgotten, nothing more: it is the user's.
    check!(Arc::into_unique_or_drop(domain).is_some());
    Ok(())
}

fn last_member_that_a_driver_uses_warns(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let mut fixture = Fixture::new(size.members)?;
    let group = fixture.group()?.clone();
    fixture.endpoint(0)?.use_default()?;
    check_last_warns(&watch, &mut fixture, &group)
}

fn device_with_a_direct_range_is_left_on_identity(size: &Size) -> Outcome {
    let kinds = [
        (RegionKind::Direct, true, true),
        (RegionKind::Direct, false, false),
        (RegionKind::DirectRelaxable, true, false),
    ];
    for (kind, has_identity, spared) in kinds {
        let region = Region {
            start: 0x2000_0000,
            size: 0x2000,
            kind,
        };
        let last = size.members - 1;
        let mut fixture = Setup::ordinary(size.members)?
            .config(|c| c.has_identity = has_identity)
            .endpoint(last as usize, |e| e.region = Some(region))
            .probe()?;
        let default = default_of(&fixture)?;
        let refuge = match spared {
            true => fixture.identity()?,
            false => fixture.blocked()?,
        };
        fixture.unplug(last as usize)?;
        check_calls(
            &fixture,
            &[attach(last, &refuge, Some(&default)), release(last)],
        )?;
        if spared {
            check_eq!(fixture.truth(last), Reach::Memory(mark::IOVA));
        }
        oracle::check(&fixture)?;

        // The others have no such range.
        let blocked = fixture.blocked()?;
        for id in 0..last {
            fixture.unplug(0)?;
            check_calls(
                &fixture,
                &[attach(id, &blocked, Some(&default)), release(id)],
            )?;
        }
    }
    Ok(())
}

fn device_without_a_release_domain_is_only_released(size: &Size) -> Outcome {
    let setup = Setup::ordinary(size.members)?.config(|c| c.release_to_blocked = false);
    let mut fixture = setup.probe()?;
    for id in 0..size.members {
        fixture.unplug(0)?;
        check_calls(&fixture, &[release(id)])?;
        oracle::check(&fixture)?;
    }
    Ok(())
}

fn deferred_device_is_left_alone(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let setup = Setup::ordinary(size.members)?.endpoint(0, |e| e.deferred = true);
    let mut fixture = setup.probe()?;
    fixture.unplug(0)?;
    check_calls(&fixture, &[release(0)])?;
    check_eq!(fixture.truth(0), Reach::Memory(FORMER_KERNEL + mark::IOVA));
    check_eq!(watch.count(), 0);
    oracle::check(&fixture)
}

fn driver_that_refuses_the_release_domain_is_ignored(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let mut fixture = Fixture::new(size.members)?;
    let (default, blocked) = (default_of(&fixture)?, fixture.blocked()?);
    fixture.fail(Rule::once(Op::Attach, EIO))?;
    fixture.unplug(0)?;
    check_calls(
        &fixture,
        &[refused(attach(0, &blocked, Some(&default))), release(0)],
    )?;
    check_eq!(watch.count(), 0);
    oracle::check(&fixture)
}

fn lost_device_is_released_from_where_it_may_still_be(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let mut fixture = Fixture::new(size.members)?;
    let group = fixture.group()?.clone();
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
    check!(matches!(
        group.lock().members().first().map(|m| m.belief().clone()),
        Some(Belief::Lost(Some(lost))) if Arc::ptr_eq(&lost, &domain)
    ));
    fixture.recorder().clear();
    fixture.unplug(0)?;
    check_calls(&fixture, &[attach(0, &blocked, Some(&domain)), release(0)])?;
    check_eq!(fixture.truth(0), Reach::Aborted);
    oracle::check(&fixture)?;
    group.release_claims();
    Ok(())
}

fn parked_member_does_not_leave_the_group_busy(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let mut fixture = Fixture::new(size.members)?;
    let group = fixture.group()?.clone();
    let (domain, blocked) = (fixture.domain()?, fixture.blocked()?);
    check_eq!(fixture.endpoint(0)?.reset_prepare(), Ok(()));
    watch.refuses(&fixture, &group, EBUSY, || group.attach(&domain))?;
    let gone = fixture.unplug(0)?;
    check_calls(&fixture, &[attach(0, &blocked, Some(&blocked)), release(0)])?;
    check_eq!(group.lock().recovering(), 0);
    check_eq!(group.attach(&domain), Ok(()));
    fixture.check_all_reach(&domain)?;
    watch.only_warns(&fixture, &group, Warning::NotMember, || gone.reset_done())?;
    group.detach(&domain);
    fixture.check_all_reach(&default_of(&fixture)?)
}

pub(super) fn released_device_answers_enodev(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let mut fixture = Fixture::new(size.members)?;
    let group = fixture.group()?.clone();
    let domain = fixture.domain()?;
    let one = Pasid::new(1)?;
    let gone = fixture.unplug(0)?;
    let fx = &fixture;
    watch.refuses(fx, &group, ENODEV, || gone.attach(&domain))?;
    watch.refuses(fx, &group, ENODEV, || gone.claim(OWNER))?;
    watch.refuses(fx, &group, ENODEV, || gone.use_default())?;
    watch.refuses(fx, &group, ENODEV, || gone.attach_pasid(&domain, one, None))?;
    let handle = Handle::new(1)?;
    watch.refuses(fx, &group, ENODEV, || {
        gone.replace_pasid(&domain, one, handle)
    })?;
    watch.refuses(fx, &group, ENODEV, || fx.iommu().release(&gone))?;
    watch.only_warns(fx, &group, Warning::NotMember, || gone.reset_done())?;
    let prepared = watch.only_warns(fx, &group, Warning::NotMember, || gone.reset_prepare())?;
    check_eq!(prepared, Err(AttachError::Failed(ENODEV)));
    let attached = watch.only_warns(fx, &group, Warning::NotMember, || gone.attach_deferred())?;
    check_eq!(attached, Err(AttachError::Failed(ENODEV)));

    let before = watch.count();
    gone.detach(&domain);
    check_eq!(watch.count(), before);
    check_calls(fx, &[])
}

fn group_without_devices_answers_enodev(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let mut fixture = Fixture::new(size.members)?;
    let group = fixture.group()?.clone();
    let domain = fixture.domain()?;
    let gone = unplug_all(&mut fixture)?;
    watch.refuses(&fixture, &group, ENODEV, || group.attach(&domain))?;
    watch.refuses(&fixture, &group, ENODEV, || group.replace(&domain, None))?;
    watch.refuses(&fixture, &group, ENODEV, || group.claim(OWNER))?;
    watch.refuses(&fixture, &group, EINVAL, || group.set_default_type(None))?;
    check!(group.detach(&domain).is_none());
    check!(gone.detach_pasid(&domain, Pasid::new(1)?).is_none());
    check_calls(&fixture, &[])?;
    check_eq!(watch.count(), 0);
    check_empty(&group)
}

fn attachments_end_silently_after_the_devices_have_gone(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let mut fixture = Fixture::new(size.members)?;
    let group = fixture.group()?.clone();
    let domain = fixture.domain()?;
    let one = Pasid::new(1)?;
    check_eq!(group.claim(OWNER), Ok(()));
    check_eq!(group.attach_with(&domain, Handle::new(7)?), Ok(()));
    let attached = fixture
        .endpoint(0)?
        .attach_pasid(&domain, one, Some(Handle::new(8)?));
    check_eq!(attached, Ok(()));
    let gone = unplug_all(&mut fixture)?;
    check_eq!(watch.count(), 1);
    fixture.recorder().clear();

    // In whatever order a user lets go: nothing is called, nothing warns.
    check_eq!(
        gone.detach_pasid(&domain, one)
            .map(|handle| handle.cookie()),
        Some(8)
    );
    check_eq!(group.detach(&domain).map(|handle| handle.cookie()), Some(7));
    group.release_claims();
    check_eq!(group.lock().owner(), Ownership::Free);
    check_eq!(watch.count(), 1);
    check_calls(&fixture, &[])?;
    check!(Arc::into_unique_or_drop(domain).is_some());
    check_empty(&group)
}

fn replugged_device_forms_a_fresh_group(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let mut fixture = Fixture::new(size.members)?;
    let old = fixture.group()?.clone();
    let domain = fixture.domain()?;
    check_eq!(old.claim(OWNER), Ok(()));
    unplug_all(&mut fixture)?;
    check_eq!(watch.count(), 1);
    fixture.recorder().clear();

    fixture.plug(0)?;
    let group = fixture.group()?.clone();
    check!(!Arc::ptr_eq(&group, &old));
    check_eq!(group.lock().owner(), Ownership::Free);
    let default = default_of(&fixture)?;
    check_calls(&fixture, &[probe(0), attach(0, &default, None)])?;
    for id in 1..size.members {
        fixture.plug(id)?;
        check!(Arc::ptr_eq(fixture.endpoint(id as usize)?.group(), &group));
    }
    check_eq!(group.attach(&domain), Ok(()));
    fixture.check_all_reach(&domain)?;
    group.detach(&domain);

    // The user of the old group ends what it began, without effect on the new one.
    fixture.recorder().clear();
    old.release_claims();
    check_calls(&fixture, &[])?;
    check_eq!(watch.count(), 1);
    fixture.check_all_reach(&default)
}
