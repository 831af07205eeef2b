// SPDX-License-Identifier: GPL-2.0

//! The domain search of an address space: as few domains as will do, and no failure taken for a
//! misfit.

use super::{
    expect::{
        attach,
        check_calls,
        default_of,
        each,
        refused,
        Snapshot,
        Watch, //
    },
    Size,
    SEVERAL,
    SIZES, //
};
use crate::{
    families::Families,
    fixture::{
        foreign_domain,
        Fixture,
        Setup, //
    },
    group::{
        AddressSpace,
        Group, //
    },
    iommu::{
        AttachError,
        Domain,
        EndpointId, //
    },
    kapi::{
        errno,
        kunit::{
            check,
            check_eq,
            kunit_suite,
            Outcome, //
        },
        log, //
    },
    mark,
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
    iommu_mock_search over Families:
    first_group_gets_a_domain_of_its_own: each Size in SIZES;
    second_group_shares_the_first_domain_that_fits: each Size in SIZES;
    soft_refusal_goes_on_to_the_next: each Size in SIZES;
    soft_refusal_of_a_later_member_is_unwound: each Size in SEVERAL;
    misfits_everywhere_make_a_domain: each Size in SIZES;
    hard_refusal_stops_without_another_domain: each Size in SIZES;
    group_that_is_busy_stops_the_search: each Size in SIZES;
    search_without_memory_leaves_all_as_it_was: each Size in SIZES;
    soft_refusal_of_the_new_domain_is_reported: each Size in SIZES;
    group_without_devices_is_refused;
    replace_goes_straight_to_what_fits: each Size in SIZES;
    failed_replace_keeps_the_users_domain: each Size in SIZES;
    soft_refusals_leave_no_word_in_the_log: each Size in SIZES;
    word_in_the_log_is_noticed;
}

/// Groups of `members` devices each; those of group n have `bits[n]` address bits.
fn groups(members: u32, bits: &[u32]) -> Result<Fixture> {
    let mut setup = Setup::ordinary(members * bits.len() as u32)?;
    for (group, bits) in bits.iter().enumerate() {
        for at in 0..members as usize {
            setup = setup.endpoint(group * members as usize + at, |e| {
                e.group = group as u64;
                e.bits = *bits;
            });
        }
    }
    setup.probe()
}

/// The devices of group `group`.
fn ids(members: u32, group: u32) -> core::ops::Range<u32> {
    group * members..(group + 1) * members
}

fn group_at(fixture: &Fixture, members: u32, group: u32) -> Result<&Arc<Group>> {
    Ok(fixture.endpoint((group * members) as usize)?.group())
}

/// The next allocation fails, and is noticed in [`FaultPlan::hits`](crate::mock::fault::FaultPlan).
fn forbid_allocation(fixture: &Fixture) -> Result {
    fixture.fail(Rule::once(Op::Alloc, ENOSPC))
}

fn same(domains: &[Arc<Domain>], expected: &[&Arc<Domain>]) -> bool {
    domains.len() == expected.len()
        && domains
            .iter()
            .zip(expected)
            .all(|(one, other)| Arc::ptr_eq(one, other))
}

fn first_group_gets_a_domain_of_its_own(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = groups(size.members, &[48])?;
    let group = fixture.group()?;
    let default = default_of(&fixture)?;
    let mut space = AddressSpace::new();
    check!(space.domains().is_empty());
    let Ok(domain) = space.attach(group) else {
        check!(false, "no domain for an empty address space");
        return Ok(());
    };
    check!(same(space.domains(), &[&domain]));
    let there = each(0..size.members, |id| attach(id, &domain, Some(&default)))?;
    check_calls(&fixture, &there)?;
    mark::mark(&domain)?;
    fixture.check_all_reach(&domain)?;
    group.detach(&domain);
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default)
}

/// Attaches a group by `space` and returns its domain.
fn found(
    space: &mut AddressSpace,
    fixture: &Fixture,
    group: u32,
    members: u32,
) -> Outcome<Arc<Domain>> {
    let found = space.attach(group_at(fixture, members, group)?);
    check!(found.is_ok(), "group {}: {:?}", group, found.err());
    found.map_err(|_| EINVAL.into())
}

fn second_group_shares_the_first_domain_that_fits(size: &Size) -> Outcome {
    let n = size.members;
    let fixture = groups(n, &[48, 48, 48])?;
    let mut space = AddressSpace::new();
    let first = found(&mut space, &fixture, 0, n)?;
    forbid_allocation(&fixture)?;
    for group in [1, 2] {
        check!(Arc::ptr_eq(&found(&mut space, &fixture, group, n)?, &first));
    }
    check_eq!(fixture.faults().hits(), 0);
    check!(same(space.domains(), &[&first]));
    mark::mark(&first)?;
    fixture.check_all_reach(&first)?;
    for group in 0..3 {
        group_at(&fixture, n, group)?.detach(&first);
    }
    oracle::check(&fixture)
}

pub(super) fn soft_refusal_goes_on_to_the_next(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let n = size.members;
    // A device that issues 32 bits cannot use a table for 48.
    let fixture = groups(n, &[48, 32, 32])?;
    let mut space = AddressSpace::new();
    let wide = found(&mut space, &fixture, 0, n)?;
    let narrow = found(&mut space, &fixture, 1, n)?;
    check!(same(space.domains(), &[&wide, &narrow]));
    fixture.recorder().clear();
    forbid_allocation(&fixture)?;
    check!(Arc::ptr_eq(&found(&mut space, &fixture, 2, n)?, &narrow));
    check_eq!(fixture.faults().hits(), 0);
    check!(same(space.domains(), &[&wide, &narrow]));

    // In order, the first device of the group being the one that refuses.
    let default = group_at(&fixture, n, 2)?
        .lock()
        .default()
        .ok_or(ENODEV)?
        .clone();
    let mut calls = KVec::new();
    calls.push(refused(attach(2 * n, &wide, Some(&default))), GFP_KERNEL)?;
    for id in ids(n, 2) {
        calls.push(attach(id, &narrow, Some(&default)), GFP_KERNEL)?;
    }
    check_calls(&fixture, &calls)?;
    oracle::check(&fixture)?;
    check_eq!(watch.count(), 0);
    for (group, domain) in [(0, &wide), (1, &narrow), (2, &narrow)] {
        group_at(&fixture, n, group)?.detach(domain);
    }
    oracle::check(&fixture)
}

fn soft_refusal_of_a_later_member_is_unwound(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let n = size.members;
    // All of the second group but its last device could use the domain of the first.
    let mut setup = Setup::ordinary(2 * n)?;
    for at in n as usize..2 * n as usize {
        setup = setup.endpoint(at, |e| e.group = 1);
    }
    let fixture = setup
        .endpoint(2 * n as usize - 1, |e| e.bits = 32)
        .build()?;
    let mut fixture = fixture;
    for id in 0..n {
        fixture.plug(id)?;
    }
    // The narrow one first: its group's domains are made for it.
    for id in (n..2 * n).rev() {
        fixture.plug(id)?;
    }
    let mut space = AddressSpace::new();
    let wide = found(&mut space, &fixture, 0, n)?;
    let group = group_at(&fixture, n, 1)?;
    let default = group.lock().default().ok_or(ENODEV)?.clone();
    fixture.recorder().clear();
    let Ok(narrow) = space.attach(group) else {
        check!(false, "no domain for the second group");
        return Ok(());
    };
    check!(!Arc::ptr_eq(&narrow, &wide));
    let mut calls = KVec::new();
    calls.push(
        refused(attach(2 * n - 1, &wide, Some(&default))),
        GFP_KERNEL,
    )?;
    for id in (n..2 * n).rev() {
        calls.push(attach(id, &narrow, Some(&default)), GFP_KERNEL)?;
    }
    check_calls(&fixture, &calls)?;
    oracle::check(&fixture)?;
    check_eq!(watch.count(), 0);
    group.detach(&narrow);
    group_at(&fixture, n, 0)?.detach(&wide);
    oracle::check(&fixture)
}

fn misfits_everywhere_make_a_domain(size: &Size) -> Outcome {
    let n = size.members;
    let bits = [48, 40, 36, 32];
    let fixture = groups(n, &bits)?;
    let mut space = AddressSpace::new();
    for group in 0..4 {
        let domain = found(&mut space, &fixture, group, n)?;
        check_eq!(space.domains().len(), group as usize + 1);
        check!(space
            .domains()
            .last()
            .is_some_and(|last| Arc::ptr_eq(last, &domain)));
        oracle::check(&fixture)?;
    }
    for group in 0..4 {
        let domain = space.domains().get(group as usize).ok_or(ENODEV)?;
        group_at(&fixture, n, group)?.detach(domain);
    }
    oracle::check(&fixture)
}

pub(super) fn hard_refusal_stops_without_another_domain(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let n = size.members;
    for error in [ENOMEM, ENOSPC, EINVAL, EBUSY, ENODEV] {
        let fixture = groups(n, &[48, 32, 32])?;
        let mut space = AddressSpace::new();
        let wide = found(&mut space, &fixture, 0, n)?;
        let narrow = found(&mut space, &fixture, 1, n)?;
        let group = group_at(&fixture, n, 2)?;
        forbid_allocation(&fixture)?;
        // Behind a misfit: the wide domain never gets as far as the plan.
        fixture.fail(Rule::once(Op::Attach, error).at(EndpointId(2 * n)))?;
        watch_refusal(&watch, &fixture, group, &mut space, error)?;
        check!(same(space.domains(), &[&wide, &narrow]));
        check_eq!(fixture.faults().hits(), 1);
        check!(space.attach(group).is_ok());
        check!(same(space.domains(), &[&wide, &narrow]));
        for (group, domain) in [(0, &wide), (1, &narrow), (2, &narrow)] {
            group_at(&fixture, n, group)?.detach(domain);
        }
        oracle::check(&fixture)?;
    }
    Ok(())
}

/// Checks that a search ends with `error`, and that the group is where it was.
fn watch_refusal(
    watch: &Watch,
    fixture: &Fixture,
    group: &Group,
    space: &mut AddressSpace,
    error: Error,
) -> Outcome {
    let (before, warned) = (Snapshot::of(group)?, watch.count());
    check_eq!(space.attach(group).err().map(Error::from), Some(error));
    check_eq!(Snapshot::of(group)?, before);
    check_eq!(watch.count(), warned);
    oracle::check(fixture)
}

fn group_that_is_busy_stops_the_search(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let n = size.members;
    let fixture = groups(n, &[48, 48])?;
    let mut space = AddressSpace::new();
    let group = group_at(&fixture, n, 1)?;
    let domain = fixture.domain_for(n as usize)?;
    check_eq!(group.attach(&domain), Ok(()));
    watch_refusal(&watch, &fixture, group, &mut space, EBUSY)?;
    check!(space.domains().is_empty());
    let first = found(&mut space, &fixture, 0, n)?;
    forbid_allocation(&fixture)?;
    watch_refusal(&watch, &fixture, group, &mut space, EBUSY)?;
    group.detach(&domain);
    check_eq!(fixture.endpoint(n as usize)?.reset_prepare(), Ok(()));
    watch_refusal(&watch, &fixture, group, &mut space, EBUSY)?;
    fixture.endpoint(n as usize)?.reset_done();
    check_eq!(fixture.faults().hits(), 0);
    check!(same(space.domains(), &[&first]));
    group_at(&fixture, n, 0)?.detach(&first);
    oracle::check(&fixture)
}

fn search_without_memory_leaves_all_as_it_was(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let n = size.members;
    let fixture = groups(n, &[48, 32])?;
    let mut space = AddressSpace::new();
    let wide = found(&mut space, &fixture, 0, n)?;
    let group = group_at(&fixture, n, 1)?;
    fixture.fail(Rule::once(Op::Alloc, ENOMEM))?;
    watch_refusal(&watch, &fixture, group, &mut space, ENOMEM)?;
    check!(same(space.domains(), &[&wide]));

    // Nor is a domain kept that could be made, but not attached.
    fixture.fail(Rule::once(Op::Attach, EIO).at(EndpointId(2 * n - 1)))?;
    watch_refusal(&watch, &fixture, group, &mut space, EIO)?;
    check!(same(space.domains(), &[&wide]));
    check_eq!(fixture.faults().hits(), 2);
    group_at(&fixture, n, 0)?.detach(&wide);
    oracle::check(&fixture)
}

fn soft_refusal_of_the_new_domain_is_reported(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let n = size.members;
    let fixture = groups(n, &[48, 32])?;
    let mut space = AddressSpace::new();
    let wide = found(&mut space, &fixture, 0, n)?;
    let group = group_at(&fixture, n, 1)?;
    let misfit = errno::emediumtype();
    for failing in ids(n, 1) {
        fixture.fail(Rule::once(Op::Attach, misfit).at(EndpointId(failing)))?;
        watch_refusal(&watch, &fixture, group, &mut space, misfit)?;
        check!(same(space.domains(), &[&wide]));
    }
    // Once each: it is no reason to make another one.
    check_eq!(fixture.faults().hits(), n);
    group_at(&fixture, n, 0)?.detach(&wide);
    oracle::check(&fixture)
}

fn group_without_devices_is_refused() -> Outcome {
    let mut fixture = groups(1, &[48])?;
    let group = fixture.group()?.clone();
    fixture.unplug(0)?;
    let mut space = AddressSpace::new();
    for result in [space.attach(&group), space.replace(&group)] {
        check_eq!(result.err(), Some(AttachError::Failed(ENODEV)));
    }
    check!(space.domains().is_empty());
    Ok(())
}

fn replace_goes_straight_to_what_fits(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let n = size.members;
    let fixture = groups(n, &[48, 32])?;
    let mut space = AddressSpace::new();
    let wide = found(&mut space, &fixture, 0, n)?;
    let group = group_at(&fixture, n, 1)?;
    let old = fixture.domain_for(n as usize)?;
    check_eq!(group.attach(&old), Ok(()));
    fixture.recorder().clear();
    let Ok(narrow) = space.replace(group) else {
        check!(false, "no domain to replace by");
        return Ok(());
    };
    let mut calls = KVec::new();
    calls.push(refused(attach(n, &wide, Some(&old))), GFP_KERNEL)?;
    for id in ids(n, 1) {
        calls.push(attach(id, &narrow, Some(&old)), GFP_KERNEL)?;
    }
    check_calls(&fixture, &calls)?;
    check!(same(space.domains(), &[&wide, &narrow]));
    check!(Arc::into_unique_or_drop(old).is_some());
    oracle::check(&fixture)?;

    // What it is on already fits, without a call.
    let again = space.replace(group);
    check!(again.is_ok_and(|domain| Arc::ptr_eq(&domain, &narrow)));
    check_calls(&fixture, &[refused(attach(n, &wide, Some(&narrow)))])?;
    check_eq!(watch.count(), 0);
    group.detach(&narrow);
    group_at(&fixture, n, 0)?.detach(&wide);
    oracle::check(&fixture)
}

fn failed_replace_keeps_the_users_domain(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let n = size.members;
    for error in [ENOMEM, errno::emediumtype()] {
        let fixture = groups(n, &[48])?;
        let group = fixture.group()?;
        let mut space = AddressSpace::new();
        let old = fixture.domain()?;
        check_eq!(group.attach(&old), Ok(()));
        let before = Snapshot::of(group)?;
        fixture.fail(Rule::once(Op::Attach, error).at(EndpointId(n - 1)))?;
        check_eq!(space.replace(group).err().map(Error::from), Some(error));
        check_eq!(Snapshot::of(group)?, before);
        check!(space.domains().is_empty());
        fixture.check_all_reach(&old)?;
        group.detach(&old);
    }
    check_eq!(watch.count(), 0);
    Ok(())
}

fn soft_refusals_leave_no_word_in_the_log(size: &Size) -> Outcome {
    let n = size.members;
    let fixture = groups(n, &[48, 40, 36, 32])?;
    let foreign = foreign_domain()?;
    let misfit = errno::emediumtype();
    let mark = log::End::now();
    let mut space = AddressSpace::new();
    for group in 0..4 {
        found(&mut space, &fixture, group, n)?;
    }
    for at in 0..4 {
        let group = group_at(&fixture, n, at)?;
        let domain = space.domains().get(at as usize).ok_or(ENODEV)?;
        let fits = fixture.domain_for((at * n) as usize)?;
        fixture.fail(Rule::once(Op::Attach, misfit))?;
        for unfit in [&fits, &foreign] {
            let refusal = group.replace(unfit, None).err();
            check_eq!(refusal, Some(AttachError::Incompatible));
        }
        check_eq!(fixture.faults().hits(), at + 1);
        group.detach(domain);
    }
    check_eq!(mark.lines_since(c"iommu"), 0);
    oracle::check(&fixture)
}

fn word_in_the_log_is_noticed() -> Outcome {
    let mark = log::End::now();
    check_eq!(mark.lines_since(c"iommu"), 0);
    pr_info!("iommu-mock: a word\n");
    pr_info!("another one\n");
    check_eq!(mark.lines_since(c"a word"), 1);
    check_eq!(mark.lines_since(c"no such word"), 0);
    check!(mark.lines_since(c"") >= 2);
    // The module's own name is in front of all it prints.
    check_eq!(mark.lines_since(c"iommu"), 2);
    check_eq!(log::End::now().lines_since(c"iommu"), 0);
    Ok(())
}
