// SPDX-License-Identifier: GPL-2.0

//! What happens when even the way back fails, and that there is none from blocking.

use super::{
    expect::{
        attach,
        check_calls,
        default_of,
        each,
        refused,
        Watch,
        OWNER, //
    },
    Size,
    SEVERAL,
    SIZES, //
};
use crate::{
    families::Families,
    fixture::Fixture,
    group::{
        Belief,
        Park,
        Step,
        Warning, //
    },
    iommu::{
        AttachError,
        EndpointId,
        Kind, //
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mock::{
        fault::{
            Leave,
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
    iommu_mock_revert over Families:
    member_that_cannot_be_put_back_is_blocked: each Size in SEVERAL;
    each_member_that_cannot_be_put_back_warns: each Size in SEVERAL;
    member_that_cannot_even_be_blocked_is_lost: each Size in SEVERAL;
    fenced_member_is_put_back_like_any_other: each Size in SEVERAL;
    parked_member_is_parked_again: each Size in SEVERAL;
    way_to_blocking_is_never_undone: each Size in SIZES;
    detach_of_a_device_checks_its_domain_first: each Size in SIZES;
}

/// What the core believes of the device at `at`.
fn belief(fixture: &Fixture, at: usize) -> Result<Belief> {
    let state = fixture.group()?.lock();
    Ok(state.members().get(at).ok_or(ENODEV)?.belief().clone())
}

/// The last member refuses, and the first cannot be put back; `times` calls of it fail.
fn fail_both(fixture: &Fixture, members: u32, times: u32) -> Result {
    fixture.fail(Rule::once(Op::Attach, ENOSPC).at(EndpointId(members - 1)))?;
    let back = Rule::once(Op::Attach, EIO).at(EndpointId(0)).after(1);
    fixture.fail(back.times(times))
}

fn member_that_cannot_be_put_back_is_blocked(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, last) = (fixture.group()?, size.members - 1);
    let (default, domain) = (default_of(&fixture)?, fixture.domain()?);
    let blocked = fixture.blocked()?;
    fail_both(&fixture, size.members, 1)?;
    check_eq!(group.attach(&domain), Err(AttachError::Failed(ENOSPC)));

    let mut calls = each(0..last, |id| attach(id, &domain, Some(&default)))?;
    calls.push(refused(attach(last, &domain, Some(&default))), GFP_KERNEL)?;
    calls.push(refused(attach(0, &default, Some(&domain))), GFP_KERNEL)?;
    calls.push(attach(0, &blocked, Some(&domain)), GFP_KERNEL)?;
    for id in 1..last {
        calls.push(attach(id, &default, Some(&domain)), GFP_KERNEL)?;
    }
    check_calls(&fixture, &calls)?;
    check_eq!(watch.count(), 1);
    check_eq!(group.lock().warned(Warning::FailedRevert), 1);
    check!(matches!(
        belief(&fixture, 0)?,
        Belief::Parked(Park::FailedReturn)
    ));
    check_eq!(fixture.truth(0), Reach::Aborted);
    for member in group.lock().members() {
        let step = match member.device().id().0 {
            0 => Step::Parked,
            id if id == last => Step::Refused,
            _ => Step::Reverted,
        };
        check_eq!(member.step(), step);
    }
    check!(group
        .lock()
        .current()
        .is_some_and(|now| Arc::ptr_eq(now, &default)));
    check!(Arc::into_unique_or_drop(domain).is_some());
    watch.refuses(&fixture, group, EBUSY, || {
        fixture.endpoint(0)?.use_default()
    })?;

    // The next move takes it along.
    let domain = fixture.domain()?;
    check_eq!(group.attach(&domain), Ok(()));
    fixture.check_all_reach(&domain)?;
    group.detach(&domain);
    check_eq!(watch.count(), 1);
    fixture.check_all_reach(&default)
}

fn each_member_that_cannot_be_put_back_warns(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, last) = (fixture.group()?, size.members - 1);
    let domain = fixture.domain()?;
    fixture.fail(Rule::once(Op::Attach, ENOSPC).at(EndpointId(last)))?;
    for id in 0..last {
        fixture.fail(Rule::once(Op::Attach, EIO).at(EndpointId(id)).after(1))?;
    }
    check_eq!(group.attach(&domain), Err(AttachError::Failed(ENOSPC)));
    check_eq!(fixture.faults().hits(), last + 1);
    check_eq!(watch.count(), last);
    check_eq!(group.lock().warned(Warning::FailedRevert), last);
    check_eq!(group.lock().outcome().reverted, 0);
    oracle::check(&fixture)?;
    check_eq!(group.claim(OWNER), Ok(()));
    group.release_claims();
    check_eq!(watch.count(), last);
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn member_that_cannot_even_be_blocked_is_lost(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let (default, domain) = (default_of(&fixture)?, fixture.domain()?);
    fail_both(&fixture, size.members, 2)?;
    check_eq!(group.attach(&domain), Err(AttachError::Failed(ENOSPC)));
    check_eq!(watch.count(), 1);
    check!(matches!(
        belief(&fixture, 0)?,
        Belief::Lost(Some(lost)) if Arc::ptr_eq(&lost, &domain)
    ));
    // It may still reach the domain, which is therefore kept.
    check_eq!(fixture.truth(0), oracle::reach(&domain));
    oracle::check(&fixture)?;
    watch.refuses(&fixture, group, EBUSY, || {
        fixture.endpoint(0)?.use_default()
    })?;

    // The default domain is current; all the same the device is taken there.
    fixture.recorder().clear();
    check_eq!(group.attach(&default), Ok(()));
    check_calls(&fixture, &[attach(0, &default, Some(&domain))])?;
    check!(Arc::into_unique_or_drop(domain).is_some());
    check_eq!(watch.count(), 1);
    fixture.check_all_reach(&default)
}

fn fenced_member_is_put_back_like_any_other(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, last) = (fixture.group()?, size.members - 1);
    let (default, domain) = (default_of(&fixture)?, fixture.domain()?);
    let fenced = Rule::once(Op::Attach, EIO).leaving(Leave::Fenced);
    fixture.fail(fenced.at(EndpointId(0)))?;
    fixture.fail(Rule::once(Op::Attach, ENOSPC).at(EndpointId(last)))?;
    check_eq!(group.attach(&domain), Err(AttachError::Failed(ENOSPC)));
    let mut calls = each(0..last, |id| attach(id, &domain, Some(&default)))?;
    calls.push(refused(attach(last, &domain, Some(&default))), GFP_KERNEL)?;
    for id in 0..last {
        calls.push(attach(id, &default, Some(&domain)), GFP_KERNEL)?;
    }
    check_calls(&fixture, &calls)?;
    check_eq!(group.lock().outcome().reverted, last as usize);
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default)
}

fn parked_member_is_parked_again(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, last) = (fixture.group()?, size.members - 1);
    let (default, domain) = (default_of(&fixture)?, fixture.domain()?);
    let blocked = fixture.blocked()?;
    check_eq!(group.attach(&domain), Ok(()));
    fixture.fail(Rule::once(Op::Attach, EIO).at(EndpointId(0)))?;
    group.detach(&domain);
    check_eq!(watch.count(), 1);
    fixture.recorder().clear();

    fixture.fail(Rule::once(Op::Attach, ENOSPC).at(EndpointId(last)))?;
    check_eq!(group.attach(&domain), Err(AttachError::Failed(ENOSPC)));
    let from = |id| if id == 0 { &blocked } else { &default };
    let mut calls = each(0..last, |id| attach(id, &domain, Some(from(id))))?;
    calls.push(refused(attach(last, &domain, Some(&default))), GFP_KERNEL)?;
    for id in 0..last {
        calls.push(attach(id, from(id), Some(&domain)), GFP_KERNEL)?;
    }
    check_calls(&fixture, &calls)?;
    check!(matches!(
        belief(&fixture, 0)?,
        Belief::Parked(Park::FailedReturn)
    ));
    check_eq!(watch.count(), 1);
    oracle::check(&fixture)?;
    watch.refuses(&fixture, group, EBUSY, || {
        fixture.endpoint(0)?.use_default()
    })
}

fn way_to_blocking_is_never_undone(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    for failing in 0..size.members {
        let fixture = Fixture::new(size.members)?;
        let group = fixture.group()?;
        let (domain, blocked) = (fixture.domain()?, fixture.blocked()?);
        check_eq!(group.claim(OWNER), Ok(()));
        check_eq!(group.attach(&domain), Ok(()));
        fixture.recorder().clear();
        let before = watch.count();
        let rule = Rule::once(Op::Attach, EIO).at(EndpointId(failing));
        fixture.fail(rule.towards(Kind::Blocked))?;
        group.detach(&domain);

        // Everybody is asked once, and nobody is sent back to the old domain.
        let mut calls = each(0..size.members, |id| attach(id, &blocked, Some(&domain)))?;
        if let Some(call) = calls.get_mut(failing as usize) {
            *call = refused(*call);
        }
        check_calls(&fixture, &calls)?;
        check_eq!(watch.count(), before + 1);
        check_eq!(group.lock().warned(Warning::FailedReturn), 1);
        check!(group
            .lock()
            .current()
            .is_some_and(|now| Arc::ptr_eq(now, &blocked)));
        check!(matches!(
            belief(&fixture, failing as usize)?,
            Belief::Lost(Some(_))
        ));
        oracle::check(&fixture)?;

        // Released, it goes home with the others.
        group.release_claims();
        check_eq!(watch.count(), before + 1);
        fixture.check_all_reach(&default_of(&fixture)?)?;
    }
    Ok(())
}

fn detach_of_a_device_checks_its_domain_first(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (domain, other) = (fixture.domain()?, fixture.domain()?);
    let wrong = Warning::NotCurrent;
    watch.only_warns(&fixture, group, wrong, || endpoint.detach(&domain))?;
    check_eq!(group.attach(&domain), Ok(()));
    watch.only_warns(&fixture, group, wrong, || endpoint.detach(&other))?;
    if size.members > 1 {
        let warning = Warning::NotSingleton;
        watch.only_warns(&fixture, group, warning, || endpoint.detach(&domain))?;
        group.detach(&domain);
    } else {
        endpoint.detach(&domain);
    }
    check_eq!(watch.count(), if size.members > 1 { 3 } else { 2 });
    fixture.check_all_reach(&default_of(&fixture)?)
}
