// SPDX-License-Identifier: GPL-2.0

//! Probe: how groups form, and where a device that joins one goes.

use super::{
    expect::{
        attach,
        check_calls,
        default_of,
        each,
        pasid,
        probe,
        refused,
        release,
        Snapshot,
        Watch,
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
        Ownership, //
    },
    iommu::{
        DefaultType,
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
    iommu_mock_probe over Families:
    first_device_forms_a_group_on_its_default_domain;
    members_are_listed_in_order_of_arrival: each Size in SIZES;
    devices_of_different_keys_form_groups_of_their_own: each Size in SIZES;
    second_probe_of_a_device_changes_nothing: each Size in SIZES;
    unknown_device_is_refused;
    driver_that_refuses_a_device_is_asked_nothing_more: each Size in SIZES;
    device_without_a_group_is_released: each Size in SIZES;
    new_member_goes_to_the_default_domain: each Size in SIZES;
    new_member_goes_to_the_users_domain: each Size in SIZES;
    new_member_of_an_owned_group_is_blocked: each Size in SIZES;
    new_member_gets_the_pasids_it_can_have: each Size in SIZES;
    new_member_that_refuses_is_released: each Size in SIZES;
    new_member_that_refuses_a_pasid_is_released: each Size in SIZES;
    failed_first_default_leaves_nothing_behind;
    failed_first_default_domain_is_never_attached;
}

fn first_device_forms_a_group_on_its_default_domain() -> Outcome {
    let mut fixture = Setup::ordinary(1)?.build()?;
    fixture.plug(0)?;
    let default = default_of(&fixture)?;
    check_calls(&fixture, &[probe(0), attach(0, &default, None)])?;
    let state = fixture.group()?.lock();
    check_eq!(state.members().len(), 1);
    check!(state
        .current()
        .is_some_and(|current| Arc::ptr_eq(current, &default)));
    check_eq!(state.default_type(), Some(DefaultType::Dma));
    check_eq!(default.kind(), Kind::Paging);
    check!(state.blocking().is_none());
    check_eq!(state.owner(), Ownership::Free);
    check_eq!(state.warnings(), 0);
    drop(state);
    fixture.check_all_reach(&default)
}

fn members_are_listed_in_order_of_arrival(size: &Size) -> Outcome {
    let mut fixture = Setup::ordinary(size.members)?.build()?;
    for id in (0..size.members).rev() {
        fixture.plug(id)?;
        oracle::check(&fixture)?;
    }
    let default = default_of(&fixture)?;
    let mut calls = KVec::new();
    for id in (0..size.members).rev() {
        calls.push(probe(id), GFP_KERNEL)?;
        calls.push(attach(id, &default, None), GFP_KERNEL)?;
    }
    check_calls(&fixture, &calls)?;

    // Every loop over the members follows that order.
    let domain = fixture.domain()?;
    let group = fixture.group()?;
    check_eq!(group.lock().members().len(), size.members as usize);
    check_eq!(group.attach(&domain), Ok(()));
    let ids = (0..size.members).rev();
    check_calls(
        &fixture,
        &each(ids, |id| attach(id, &domain, Some(&default)))?,
    )?;
    fixture.check_all_reach(&domain)?;
    group.detach(&domain);
    fixture.check_all_reach(&default)
}

fn devices_of_different_keys_form_groups_of_their_own(size: &Size) -> Outcome {
    let mut setup = Setup::ordinary(2 * size.members)?;
    for at in 0..2 * size.members {
        // Interleaved: even numbers in one group, odd ones in the other.
        setup = setup.endpoint(at as usize, |e| e.group = u64::from(at % 2));
    }
    let fixture = setup.probe()?;
    let (even, odd) = (fixture.endpoint(0)?.group(), fixture.endpoint(1)?.group());
    check!(!Arc::ptr_eq(even, odd));
    for endpoint in fixture.endpoints() {
        let expected = if endpoint.device().id().0 % 2 == 0 {
            even
        } else {
            odd
        };
        check!(Arc::ptr_eq(endpoint.group(), expected));
    }
    check_eq!(even.lock().members().len(), size.members as usize);
    check_eq!(odd.lock().members().len(), size.members as usize);

    let before = Snapshot::of(odd)?;
    let domain = fixture.domain()?;
    check_eq!(even.attach(&domain), Ok(()));
    check_eq!(fixture.recorder().clear(), size.members as usize);
    check_eq!(Snapshot::of(odd)?, before);
    oracle::check(&fixture)?;
    check_eq!(odd.claim(OWNER), Ok(()));
    check_eq!(even.lock().owner(), Ownership::Free);
    oracle::check(&fixture)?;
    odd.release_claims();
    even.detach(&domain);
    oracle::check(&fixture)
}

fn second_probe_of_a_device_changes_nothing(size: &Size) -> Outcome {
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let before = Snapshot::of(group)?;
    for id in 0..size.members {
        let again = fixture.iommu().probe(EndpointId(id))?;
        let endpoint = fixture.endpoint(id as usize)?;
        check!(Arc::ptr_eq(again.device(), endpoint.device()));
        check!(Arc::ptr_eq(again.group(), group));
    }
    check_calls(&fixture, &[])?;
    check_eq!(Snapshot::of(group)?, before);
    oracle::check(&fixture)
}

fn unknown_device_is_refused() -> Outcome {
    let fixture = Fixture::new(1)?;
    let before = Snapshot::of(fixture.group()?)?;
    check_eq!(fixture.iommu().probe(EndpointId(7)).err(), Some(ENODEV));
    check_calls(&fixture, &[probe(7)])?;
    check_eq!(Snapshot::of(fixture.group()?)?, before);
    oracle::check(&fixture)
}

fn driver_that_refuses_a_device_is_asked_nothing_more(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let mut fixture = Setup::ordinary(size.members)?.build()?;
    for id in 0..size.members {
        fixture.fail(Rule::once(Op::Probe, EIO).at(EndpointId(id)))?;
        check_eq!(fixture.plug(id), Err(EIO));
        check_calls(&fixture, &[probe(id)])?;
        check_eq!(fixture.endpoints().len(), id as usize);
        oracle::check(&fixture)?;

        // It is the same as ever at the next attempt.
        fixture.plug(id)?;
        let default = default_of(&fixture)?;
        check_calls(&fixture, &[probe(id), attach(id, &default, None)])?;
    }
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn device_without_a_group_is_released(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let mut fixture = Setup::ordinary(size.members)?.build()?;
    for id in 0..size.members {
        fixture.fail(Rule::once(Op::Group, EIO).at(EndpointId(id)))?;
        check_eq!(fixture.plug(id), Err(EIO));
        check_calls(&fixture, &[probe(id), release(id)])?;
        oracle::check(&fixture)?;
        fixture.plug(id)?;
        fixture.recorder().clear();
    }
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default_of(&fixture)?)
}

/// A fixture of `members` probed devices and one that is not.
fn with_one_more(members: u32) -> Result<Fixture> {
    let mut fixture = Setup::ordinary(members + 1)?.build()?;
    for id in 0..members {
        fixture.plug(id)?;
    }
    fixture.recorder().clear();
    Ok(fixture)
}

fn new_member_goes_to_the_default_domain(size: &Size) -> Outcome {
    let mut fixture = with_one_more(size.members)?;
    let default = default_of(&fixture)?;
    fixture.endpoint(0)?.use_default()?;
    fixture.plug(size.members)?;
    check_calls(
        &fixture,
        &[probe(size.members), attach(size.members, &default, None)],
    )?;
    check_eq!(
        fixture.group()?.lock().owner(),
        Ownership::Kernel { drivers: 1 }
    );
    fixture.check_all_reach(&default)?;
    fixture.endpoint(0)?.unuse_default();
    Ok(())
}

fn new_member_goes_to_the_users_domain(size: &Size) -> Outcome {
    let mut fixture = with_one_more(size.members)?;
    let group = fixture.group()?.clone();
    let domain = fixture.domain()?;
    check_eq!(group.claim(OWNER), Ok(()));
    check_eq!(group.attach_with(&domain, Handle::new(7)?), Ok(()));
    fixture.recorder().clear();
    fixture.plug(size.members)?;
    check_calls(
        &fixture,
        &[probe(size.members), attach(size.members, &domain, None)],
    )?;
    fixture.check_all_reach(&domain)?;
    check!(group
        .detach(&domain)
        .is_some_and(|handle| handle.cookie() == 7));
    group.release_claims();
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn new_member_of_an_owned_group_is_blocked(size: &Size) -> Outcome {
    let mut fixture = with_one_more(size.members)?;
    let group = fixture.group()?.clone();
    check_eq!(group.claim(OWNER), Ok(()));
    let blocking = group.lock().blocking().ok_or(ENODEV)?.clone();
    fixture.recorder().clear();
    fixture.plug(size.members)?;
    check_calls(
        &fixture,
        &[probe(size.members), attach(size.members, &blocking, None)],
    )?;
    check_eq!(
        group.lock().owner(),
        Ownership::User {
            owner: OWNER,
            claims: 1
        }
    );
    fixture.check_all_reach(&blocking)?;
    group.release_claims();
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn new_member_gets_the_pasids_it_can_have(size: &Size) -> Outcome {
    families::needs_pasids()?;
    // The kernel's core leaves a new member without the PASIDs of its group.
    let (one, three) = (Pasid::new(1)?, Pasid::new(3)?);
    for (max, expected) in [(4, &[one, three][..]), (2, &[one]), (0, &[])] {
        let new = size.members;
        let mut fixture = Setup::ordinary(new + 1)?
            .endpoint(new as usize, |e| e.max_pasids = max)
            .build()?;
        for id in 0..new {
            fixture.plug(id)?;
        }
        let default = default_of(&fixture)?;
        let domain = fixture.domain()?;
        for number in [three, one] {
            check_eq!(
                fixture.endpoint(0)?.attach_pasid(&domain, number, None),
                Ok(())
            );
        }
        fixture.recorder().clear();
        fixture.plug(new)?;
        let mut calls = KVec::new();
        calls.push(probe(new), GFP_KERNEL)?;
        calls.push(attach(new, &default, None), GFP_KERNEL)?;
        for number in expected {
            calls.push(pasid(new, *number, &domain, None), GFP_KERNEL)?;
        }
        check_calls(&fixture, &calls)?;
        oracle::check(&fixture)?;
        for number in [one, three] {
            fixture.endpoint(0)?.detach_pasid(&domain, number);
            oracle::check(&fixture)?;
        }
        check_eq!(fixture.group()?.lock().warnings(), 0);
    }
    Ok(())
}

fn new_member_that_refuses_is_released(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let mut fixture = with_one_more(size.members)?;
    let group = fixture.group()?.clone();
    let (new, domain) = (size.members, fixture.domain()?);
    let blocked = fixture.blocked()?;
    check_eq!(group.attach(&domain), Ok(()));
    fixture.recorder().clear();
    let before = Snapshot::of(&group)?;
    fixture.fail(Rule::once(Op::Attach, ENOSPC).at(EndpointId(new)))?;
    check_eq!(fixture.plug(new), Err(ENOSPC));
    check_calls(
        &fixture,
        &[
            probe(new),
            refused(attach(new, &domain, None)),
            attach(new, &blocked, None),
            release(new),
        ],
    )?;
    check_eq!(Snapshot::of(&group)?, before);
    fixture.check_all_reach(&domain)?;
    group.detach(&domain);
    fixture.plug(new)?;
    fixture.check_all_reach(&default_of(&fixture)?)?;
    check_eq!(watch.count(), 0);
    Ok(())
}

fn new_member_that_refuses_a_pasid_is_released(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let mut fixture = with_one_more(size.members)?;
    let group = fixture.group()?.clone();
    let (new, domain) = (size.members, fixture.domain()?);
    let (one, two) = (Pasid::new(1)?, Pasid::new(2)?);
    let blocked = fixture.blocked()?;
    let default = default_of(&fixture)?;
    for number in [one, two] {
        check_eq!(
            fixture.endpoint(0)?.attach_pasid(&domain, number, None),
            Ok(())
        );
    }
    fixture.recorder().clear();
    let before = Snapshot::of(&group)?;
    fixture.fail(
        Rule::once(Op::SetPasid, ENOMEM)
            .at(EndpointId(new))
            .after(1),
    )?;
    check_eq!(fixture.plug(new), Err(ENOMEM));
    check_calls(
        &fixture,
        &[
            probe(new),
            attach(new, &default, None),
            pasid(new, one, &domain, None),
            refused(pasid(new, two, &domain, None)),
            attach(new, &blocked, Some(&default)),
            release(new),
        ],
    )?;
    check_eq!(Snapshot::of(&group)?, before);
    oracle::check(&fixture)?;
    for number in [one, two] {
        fixture.endpoint(0)?.detach_pasid(&domain, number);
    }
    Ok(())
}

fn failed_first_default_leaves_nothing_behind() -> Outcome {
    let watch = Watch::start()?;
    let mut fixture = Setup::ordinary(1)?.system(DefaultType::Identity).build()?;
    let (identity, blocked) = (fixture.identity()?, fixture.blocked()?);
    fixture.fail(Rule::once(Op::Attach, EIO))?;
    check_eq!(fixture.plug(0), Err(EIO));
    check_eq!(watch.count(), 1);
    check_calls(
        &fixture,
        &[
            probe(0),
            refused(attach(0, &identity, None)),
            attach(0, &blocked, None),
            attach(0, &blocked, Some(&blocked)),
            release(0),
        ],
    )?;

    // Nothing is known of it: it is as new.
    fixture.plug(0)?;
    check_calls(&fixture, &[probe(0), attach(0, &identity, None)])?;
    check_eq!(fixture.group()?.lock().warnings(), 0);
    check_eq!(fixture.endpoint(0)?.use_default(), Ok(()));
    fixture.endpoint(0)?.unuse_default();
    fixture.check_all_reach(&identity)
}

fn failed_first_default_domain_is_never_attached() -> Outcome {
    let watch = Watch::start()?;
    let mut fixture = Setup::ordinary(1)?.build()?;
    let blocked = fixture.blocked()?;
    let gone = [probe(0), attach(0, &blocked, None), release(0)];

    fixture.fail(Rule::once(Op::Alloc, ENOMEM))?;
    check_eq!(fixture.plug(0), Err(ENOMEM));
    check_calls(&fixture, &gone)?;

    fixture.policy().fail(Some(ENOSPC));
    check_eq!(fixture.plug(0), Err(ENOSPC));
    check_calls(&fixture, &gone)?;
    fixture.policy().fail(None);

    check_eq!(watch.count(), 0);
    fixture.plug(0)?;
    fixture.check_all_reach(&default_of(&fixture)?)
}
