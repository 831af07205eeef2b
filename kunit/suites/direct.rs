// SPDX-License-Identifier: GPL-2.0

//! Ranges that firmware needs mapped 1:1: in every default domain, and never blocked.

use super::{
    expect::{
        attach,
        check_calls,
        default_of,
        each,
        probe,
        release,
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
    group::{
        Handle,
        Warning, //
    },
    iommu::{
        AttachError,
        DefaultType,
        Domain,
        EndpointId,
        Kind,
        Region,
        RegionKind, //
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
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_direct over Families:
    range_is_mapped_by_kind: each Size in SIZES;
    whole_pages_are_mapped_around_what_is_there: each Size in SEVERAL;
    range_of_a_later_member_is_mapped: each Size in SIZES;
    range_is_mapped_before_the_switch: each Size in SIZES;
    failed_mapping_is_made_up_for_after_the_switch: each Size in SIZES;
    mapping_that_fails_twice_ends_the_first_default;
    mapping_that_fails_twice_restores_the_old_default: each Size in SIZES;
    mapping_that_fails_twice_takes_a_users_handle: each Size in SIZES;
    failed_restore_of_the_old_default_warns_once: each Size in SIZES;
    claim_is_refused_and_unwound: each Size in SIZES;
    claim_is_refused_without_a_blocked_domain_too: each Size in SIZES;
    attach_of_the_blocked_domain_is_refused: each Size in SIZES;
    member_with_a_range_cannot_join_a_blocked_group: each Size in SIZES;
    users_domain_is_not_refused: each Size in SIZES;
}

const START: u64 = 0x2000_0000;
const SIZE: u64 = 0x3000;

const fn region(kind: RegionKind) -> Region {
    Region {
        start: START,
        size: SIZE,
        kind,
    }
}

/// A group whose last member has a range that must stay mapped.
fn last_direct(members: u32) -> Result<Setup> {
    let last = members as usize - 1;
    let setup = Setup::ordinary(members)?;
    Ok(setup.endpoint(last, |e| e.region = Some(region(RegionKind::Direct))))
}

/// Checks that `domain` maps the range 1:1 and nothing next to it, or none of it.
fn check_mapped(domain: &Domain, mapped: bool) -> Outcome {
    for page in 0..SIZE / 0x1000 {
        let at = START + page * 0x1000;
        check_eq!(domain.iova_to_phys(at), Some(at).filter(|_| mapped));
    }
    check_eq!(domain.iova_to_phys(START - 1), None);
    check_eq!(domain.iova_to_phys(START + SIZE), None);
    Ok(())
}

fn range_is_mapped_by_kind(size: &Size) -> Outcome {
    let kinds = [
        (RegionKind::Direct, true, true),
        (RegionKind::DirectRelaxable, true, false),
        (RegionKind::Reserved, false, false),
        (RegionKind::Msi, false, false),
    ];
    for (kind, mapped, unblockable) in kinds {
        let last = size.members as usize - 1;
        let setup = Setup::ordinary(size.members)?;
        let fixture = setup
            .endpoint(last, |e| e.region = Some(region(kind)))
            .probe()?;
        let group = fixture.group()?;
        check_mapped(&*default_of(&fixture)?, mapped)?;
        let needs = |at: usize| group.lock().members().get(at).map(|m| m.require_direct());
        check_eq!(needs(last), Some(unblockable));
        if last != 0 {
            check_eq!(needs(0), Some(false));
        }
        check_eq!(group.claim(OWNER).is_err(), unblockable);
        if !unblockable {
            fixture.check_all_reach(&fixture.blocked()?)?;
            group.release_claims();
        }
        fixture.check_all_reach(&default_of(&fixture)?)?;
    }
    Ok(())
}

fn whole_pages_are_mapped_around_what_is_there(size: &Size) -> Outcome {
    // Two ranges that overlap, neither of them made of whole pages.
    let ranges = [(START + 0x1800, 0x1000), (START + 0x10, SIZE - 0x20)];
    let mut setup = Setup::ordinary(size.members)?;
    for (at, (start, size)) in ranges.into_iter().enumerate() {
        let kind = RegionKind::Direct;
        setup = setup.endpoint(at, |e| e.region = Some(Region { start, size, kind }));
    }
    let fixture = setup.probe()?;
    check_mapped(&*default_of(&fixture)?, true)?;

    // All at once in a domain that is new to all of them.
    let group = fixture.group()?;
    check_eq!(group.set_default_type(Some(DefaultType::Identity)), Ok(()));
    check_eq!(group.set_default_type(Some(DefaultType::Dma)), Ok(()));
    check_mapped(&*default_of(&fixture)?, true)?;
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn range_of_a_later_member_is_mapped(size: &Size) -> Outcome {
    let new = size.members;
    let mut fixture = last_direct(new + 1)?.build()?;
    for id in 0..new {
        fixture.plug(id)?;
    }
    let default = default_of(&fixture)?;
    check_mapped(&default, false)?;
    fixture.plug(new)?;
    check_mapped(&default, true)?;
    fixture.check_all_reach(&default)?;

    // If it cannot be mapped the device joins all the same.
    fixture.unplug(new as usize)?;
    let default = default_of(&fixture)?;
    check_eq!(default.unmap(START, SIZE), SIZE);
    fixture.fail(Rule::once(Op::Map, ENOMEM))?;
    fixture.plug(new)?;
    check_eq!(fixture.faults().hits(), 1);
    check_mapped(&default, false)?;
    fixture.check_all_reach(&default)
}

fn range_is_mapped_before_the_switch(size: &Size) -> Outcome {
    let fixture = last_direct(size.members)?
        .system(DefaultType::Identity)
        .probe()?;
    let group = fixture.group()?;
    // The mark of the new domain goes through, its range does not; the attach comes too late to be
    // tried twice.
    fixture.fail(Rule::once(Op::Map, ENOMEM).after(1))?;
    fixture.fail(Rule::once(Op::Attach, EIO))?;
    check_eq!(group.set_default_type(Some(DefaultType::Dma)), Err(EIO));
    check_eq!(fixture.faults().hits(), 2);
    fixture.check_all_reach(&fixture.identity()?)
}

fn failed_mapping_is_made_up_for_after_the_switch(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = last_direct(size.members)?
        .system(DefaultType::Identity)
        .probe()?;
    let group = fixture.group()?;
    fixture.fail(Rule::once(Op::Map, ENOMEM).after(1))?;
    check_eq!(group.set_default_type(Some(DefaultType::Dma)), Ok(()));
    check_eq!(fixture.faults().hits(), 1);
    let default = default_of(&fixture)?;
    check_mapped(&default, true)?;
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default)
}

fn mapping_that_fails_twice_ends_the_first_default() -> Outcome {
    let watch = Watch::start()?;
    let mut fixture = last_direct(1)?.build()?;
    fixture.fail(Rule::once(Op::Map, ENOMEM).after(1).times(2))?;
    check_eq!(fixture.plug(0), Err(ENOMEM));
    check_eq!(fixture.faults().hits(), 2);
    check_eq!(watch.count(), 0);
    // It is left where its range works.
    let events = fixture.recorder().take();
    check_eq!(events.len(), 4);
    check_eq!(events.first(), Some(&probe(0)));
    check_eq!(events.last(), Some(&release(0)));
    fixture.plug(0)?;
    let default = default_of(&fixture)?;
    check_calls(&fixture, &[probe(0), attach(0, &default, None)])?;
    check_mapped(&default, true)
}

/// Makes a change to translation fail after the switch; returns the old default domain.
fn fail_late(fixture: &Fixture) -> Result<Arc<Domain>> {
    fixture.fail(Rule::once(Op::Map, ENOMEM).after(1).times(2))?;
    default_of(fixture)
}

fn mapping_that_fails_twice_restores_the_old_default(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = last_direct(size.members)?
        .system(DefaultType::Identity)
        .probe()?;
    let group = fixture.group()?;
    let old = fail_late(&fixture)?;
    let before = Snapshot::of(group)?;
    check_eq!(group.set_default_type(Some(DefaultType::Dma)), Err(ENOMEM));
    // There and back again.
    check_eq!(fixture.recorder().clear(), 2 * size.members as usize);
    check_eq!(Snapshot::of(group)?, before);
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&old)
}

/// The group has left the domain that the handle came with.
fn mapping_that_fails_twice_takes_a_users_handle(size: &Size) -> Outcome {
    let fixture = last_direct(size.members)?
        .system(DefaultType::Identity)
        .probe()?;
    let group = fixture.group()?;
    let domain = fixture.domain()?;
    check_eq!(group.attach_with(&domain, Handle::new(1)?), Ok(()));
    let old = fail_late(&fixture)?;
    check_eq!(group.set_default_type(Some(DefaultType::Dma)), Err(ENOMEM));
    fixture.check_all_reach(&old)?;
    check!(group.lock().handle().is_none());
    check_eq!(group.attach(&domain), Ok(()));
    group.detach(&domain);
    Ok(())
}

fn failed_restore_of_the_old_default_warns_once(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    for failing in 0..size.members {
        let fixture = last_direct(size.members)?
            .system(DefaultType::Identity)
            .probe()?;
        let group = fixture.group()?;
        let old = fail_late(&fixture)?;
        let before = watch.count();
        fixture.fail(Rule::once(Op::Attach, EIO).at(EndpointId(failing)).after(1))?;
        check_eq!(group.set_default_type(Some(DefaultType::Dma)), Err(ENOMEM));
        check_eq!(watch.count(), before + 1);
        check_eq!(group.lock().warned(Warning::FailedReturn), 1);
        check!(group
            .lock()
            .default()
            .is_some_and(|now| Arc::ptr_eq(now, &old)));
        for endpoint in fixture.endpoints() {
            watch.refuses(&fixture, group, EBUSY, || endpoint.use_default())?;
        }
    }
    Ok(())
}

fn claim_is_refused_and_unwound(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = last_direct(size.members)?.probe()?;
    let (group, last) = (fixture.group()?, size.members - 1);
    let (default, blocked) = (default_of(&fixture)?, fixture.blocked()?);
    let before = Snapshot::of(group)?;
    for of_device in [false, true] {
        let result = match of_device {
            false => group.claim(OWNER),
            true => fixture.endpoint(0)?.claim(OWNER),
        };
        check_eq!(result, Err(AttachError::Failed(EINVAL)));
        let mut calls = each(0..last, |id| attach(id, &blocked, Some(&default)))?;
        for id in 0..last {
            calls.push(attach(id, &default, Some(&blocked)), GFP_KERNEL)?;
        }
        check_calls(&fixture, &calls)?;
        check_eq!(Snapshot::of(group)?, before);
        fixture.check_all_reach(&default)?;
    }
    check_eq!(watch.count(), 0);
    Ok(())
}

fn claim_is_refused_without_a_blocked_domain_too(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let setup = last_direct(size.members)?.config(|c| c.has_blocked = false);
    let fixture = setup.probe()?;
    let (group, last) = (fixture.group()?, size.members as usize - 1);
    let default = default_of(&fixture)?;
    let before = Snapshot::of(group)?;
    check_eq!(group.claim(OWNER), Err(AttachError::Failed(EINVAL)));
    // An empty page table blocks as well as anything.
    let blocking = group.lock().blocking().ok_or(ENODEV)?.clone();
    check_eq!(blocking.kind(), Kind::Paging);
    check_eq!(fixture.recorder().clear(), 2 * last);
    check_eq!(Snapshot::of(group)?, before);
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default)
}

fn attach_of_the_blocked_domain_is_refused(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = last_direct(size.members)?.probe()?;
    let group = fixture.group()?;
    let (default, blocked) = (default_of(&fixture)?, fixture.blocked()?);
    let before = Snapshot::of(group)?;
    check_eq!(group.attach(&blocked), Err(AttachError::Failed(EINVAL)));
    let replaced = group.replace(&blocked, None);
    check!(matches!(replaced, Err(AttachError::Failed(error)) if error == EINVAL));
    let all_but_the_last = size.members as usize - 1;
    check_eq!(fixture.recorder().clear(), 4 * all_but_the_last);
    check_eq!(Snapshot::of(group)?, before);
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default)
}

fn member_with_a_range_cannot_join_a_blocked_group(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let new = size.members;
    let mut fixture = last_direct(new + 1)?.build()?;
    for id in 0..new {
        fixture.plug(id)?;
    }
    let group = fixture.group()?.clone();
    check_eq!(group.claim(OWNER), Ok(()));
    fixture.recorder().clear();
    let before = Snapshot::of(&group)?;
    check_eq!(fixture.plug(new), Err(EINVAL));
    let identity = fixture.identity()?;
    check_calls(
        &fixture,
        &[probe(new), attach(new, &identity, None), release(new)],
    )?;
    check_eq!(Snapshot::of(&group)?, before);
    fixture.check_all_reach(&fixture.blocked()?)?;
    group.release_claims();
    fixture.plug(new)?;
    check_eq!(watch.count(), 0);
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn users_domain_is_not_refused(size: &Size) -> Outcome {
    let fixture = last_direct(size.members)?.probe()?;
    let group = fixture.group()?;
    let domain = fixture.domain()?;
    check_eq!(group.attach(&domain), Ok(()));
    fixture.check_all_reach(&domain)?;
    group.detach(&domain);
    fixture.check_all_reach(&default_of(&fixture)?)
}
