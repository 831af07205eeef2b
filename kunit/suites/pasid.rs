// SPDX-License-Identifier: GPL-2.0

//! PASIDs: of all members that have them, or of none.

use super::{
    expect::{
        check_calls,
        default_of,
        each,
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
        foreign_domain,
        Fixture,
        Setup, //
    },
    group::{
        Handle,
        Warning, //
    },
    iommu::{
        AttachError,
        EndpointId,
        Kind,
        Pasid, //
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
    iommu_mock_pasid over Families:
    pasid_is_attached_to_every_member: each Size in SIZES;
    pasids_are_independent: each Size in SIZES;
    members_without_pasids_are_skipped: each Size in SEVERAL;
    group_without_pasids_takes_any: each Size in SIZES;
    pasid_beyond_a_members_limit_is_refused: each Size in SIZES;
    pasid_in_use_is_busy: each Size in SIZES;
    unfit_domain_is_refused: each Size in SIZES;
    driver_without_pasids_is_not_supported: each Size in SIZES;
    refusals_come_in_order: each Size in SIZES;
    attach_unwinds_when_a_member_refuses: each Size in SIZES;
    attach_that_cannot_be_unwound_warns: each Size in SEVERAL;
    detach_blocks_and_returns_the_handle: each Size in SIZES;
    failed_detach_warns_for_each_device: each Size in SIZES;
    detach_of_what_is_not_attached_warns: each Size in SIZES;
}

/// A PASID that all ordinary devices have.
pub(super) fn one() -> Result<Pasid> {
    Pasid::new(1)
}

fn pasid_is_attached_to_every_member(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, one) = (fixture.group()?, one()?);
    let (domain, blocked) = (fixture.domain()?, fixture.blocked()?);
    check_eq!(Pasid::new(0).err(), Some(EINVAL));
    let attached = fixture
        .endpoint(0)?
        .attach_pasid(&domain, one, Some(Handle::new(7)?));
    check_eq!(attached, Ok(()));
    let there = each(0..size.members, |id| pasid(id, one, &domain, None))?;
    check_calls(&fixture, &there)?;
    let (handle, found) = group.handle_of(Some(one), Some(Kind::Paging))?;
    check_eq!(handle.cookie(), 7);
    check!(Arc::ptr_eq(&found, &domain));
    check_eq!(
        group.handle_of(Some(one), Some(Kind::Nested)).err(),
        Some(EBUSY)
    );

    // DMA without it goes where it went.
    fixture.check_all_reach(&default_of(&fixture)?)?;

    // Any member can end it.
    let last = fixture.endpoint(size.members as usize - 1)?;
    check_eq!(
        last.detach_pasid(&domain, one)
            .map(|handle| handle.cookie()),
        Some(7)
    );
    let back = each(0..size.members, |id| {
        pasid(id, one, &blocked, Some(&domain))
    })?;
    check_calls(&fixture, &back)?;
    check_eq!(group.handle_of(Some(one), None).err(), Some(ENOENT));
    check_eq!(watch.count(), 0);
    oracle::check(&fixture)
}

fn pasids_are_independent(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (first, second) = (fixture.domain()?, fixture.domain()?);
    // Neither order nor ownership nor the group's own domain matters.
    for (number, domain) in [(3, &first), (1, &second), (2, &first)] {
        check_eq!(
            endpoint.attach_pasid(domain, Pasid::new(number)?, None),
            Ok(())
        );
        oracle::check(&fixture)?;
    }
    check_eq!(group.attach(&second), Ok(()));
    fixture.check_all_reach(&second)?;
    let numbers = |at: usize| {
        group
            .lock()
            .pasid_entries()
            .get(at)
            .map(|e| e.pasid().get())
    };
    check_eq!(
        [numbers(0), numbers(1), numbers(2), numbers(3)],
        [Some(1), Some(2), Some(3), None]
    );

    // Without a handle there is none to be found.
    check_eq!(group.handle_of(Some(one()?), None).err(), Some(ENOENT));
    check!(endpoint.detach_pasid(&first, Pasid::new(2)?).is_none());
    check_eq!(
        [numbers(0), numbers(1), numbers(2)],
        [Some(1), Some(3), None]
    );
    oracle::check(&fixture)?;
    endpoint.detach_pasid(&first, Pasid::new(3)?);
    endpoint.detach_pasid(&second, Pasid::new(1)?);
    check_eq!(group.lock().warnings(), 0);
    group.detach(&second);
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn members_without_pasids_are_skipped(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let (one, last) = (one()?, size.members - 1);
    let setup = Setup::ordinary(size.members)?;
    let fixture = setup
        .endpoint(last as usize, |e| e.max_pasids = 0)
        .probe()?;
    let endpoint = fixture.endpoint(last as usize)?;
    let (first, second) = (fixture.domain()?, fixture.domain()?);
    let blocked = fixture.blocked()?;
    check_eq!(endpoint.attach_pasid(&first, one, None), Ok(()));
    check_calls(&fixture, &each(0..last, |id| pasid(id, one, &first, None))?)?;
    check!(endpoint
        .replace_pasid(&second, one, Handle::new(1)?)
        .is_ok());
    check_calls(
        &fixture,
        &each(0..last, |id| pasid(id, one, &second, Some(&first)))?,
    )?;
    oracle::check(&fixture)?;
    check_eq!(endpoint.reset_prepare(), Ok(()));
    endpoint.reset_done();
    check_eq!(fixture.recorder().clear(), 2);
    check!(endpoint.detach_pasid(&second, one).is_some());
    check_calls(
        &fixture,
        &each(0..last, |id| pasid(id, one, &blocked, Some(&second)))?,
    )?;
    oracle::check(&fixture)
}

fn group_without_pasids_takes_any(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let mut setup = Setup::ordinary(size.members)?;
    for at in 0..size.members as usize {
        setup = setup.endpoint(at, |e| e.max_pasids = 0);
    }
    let fixture = setup.probe()?;
    let (endpoint, domain) = (fixture.endpoint(0)?, fixture.domain()?);
    let huge = Pasid::new(u32::MAX)?;
    check_eq!(endpoint.attach_pasid(&domain, huge, None), Ok(()));
    check!(endpoint.detach_pasid(&domain, huge).is_none());
    check_calls(&fixture, &[])?;
    check_eq!(fixture.group()?.lock().warnings(), 0);
    check!(fixture.group()?.lock().pasid_entries().is_empty());
    oracle::check(&fixture)
}

fn pasid_beyond_a_members_limit_is_refused(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    for short in 0..size.members as usize {
        let setup = Setup::ordinary(size.members)?.endpoint(short, |e| e.max_pasids = 3);
        let fixture = setup.probe()?;
        let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
        let domain = fixture.domain()?;
        for number in [3, 4, u32::MAX] {
            let number = Pasid::new(number)?;
            watch.refuses(&fixture, group, EINVAL, || {
                endpoint.attach_pasid(&domain, number, None)
            })?;
        }
        check_eq!(endpoint.attach_pasid(&domain, Pasid::new(2)?, None), Ok(()));
        oracle::check(&fixture)?;
        endpoint.detach_pasid(&domain, Pasid::new(2)?);
    }
    Ok(())
}

fn pasid_in_use_is_busy(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint, one) = (fixture.group()?, fixture.endpoint(0)?, one()?);
    let (domain, other) = (fixture.domain()?, fixture.domain()?);
    check_eq!(endpoint.attach_pasid(&domain, one, None), Ok(()));
    for again in [&domain, &other] {
        watch.refuses(&fixture, group, EBUSY, || {
            endpoint.attach_pasid(again, one, None)
        })?;
    }
    endpoint.detach_pasid(&domain, one);
    Ok(())
}

fn unfit_domain_is_refused(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint, one) = (fixture.group()?, fixture.endpoint(0)?, one()?);
    let (domain, foreign) = (fixture.domain()?, foreign_domain()?);
    let misfit = errno::emediumtype();
    watch.refuses(&fixture, group, misfit, || {
        endpoint.attach_pasid(&foreign, one, None)
    })?;
    check_eq!(endpoint.attach_pasid(&domain, one, None), Ok(()));
    let handle = Handle::new(1)?;
    watch.refuses(&fixture, group, misfit, || {
        endpoint.replace_pasid(&foreign, one, handle)
    })?;
    endpoint.detach_pasid(&domain, one);
    Ok(())
}

fn driver_without_pasids_is_not_supported(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let one = one()?;
    // Either it has none, or it cannot block them.
    for (has_blocked, has_pasids) in [(true, false), (false, true)] {
        let setup = Setup::ordinary(size.members)?.config(|c| {
            c.has_blocked = has_blocked;
            c.pasid = has_pasids;
        });
        let fixture = setup.probe()?;
        let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
        let (domain, foreign) = (fixture.domain()?, foreign_domain()?);
        for domain in [&domain, &foreign] {
            let handle = Handle::new(1)?;
            watch.refuses(&fixture, group, errno::eopnotsupp(), || {
                endpoint.attach_pasid(domain, one, None)
            })?;
            watch.refuses(&fixture, group, errno::eopnotsupp(), || {
                endpoint.replace_pasid(domain, one, handle)
            })?;
        }
    }
    Ok(())
}

fn refusals_come_in_order(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint, one) = (fixture.group()?, fixture.endpoint(0)?, one()?);
    let (domain, foreign) = (fixture.domain()?, foreign_domain()?);
    let present = Handle::new(1)?;
    check_eq!(
        endpoint.attach_pasid(&domain, one, Some(present.clone())),
        Ok(())
    );
    check_eq!(endpoint.reset_prepare(), Ok(()));
    let beyond = Pasid::new(4)?;

    // A foreign domain before the reset, the reset before all that the PASID may be.
    let misfit = errno::emediumtype();
    watch.refuses(&fixture, group, misfit, || {
        endpoint.attach_pasid(&foreign, one, None)
    })?;
    watch.refuses(&fixture, group, EBUSY, || {
        endpoint.attach_pasid(&domain, beyond, None)
    })?;
    watch.refuses(&fixture, group, EBUSY, || {
        endpoint.attach_pasid(&domain, one, None)
    })?;
    let handle = Handle::new(2)?;
    watch.refuses(&fixture, group, misfit, || {
        endpoint.replace_pasid(&foreign, one, handle)
    })?;
    let handle = Handle::new(2)?;
    watch.refuses(&fixture, group, EBUSY, || {
        endpoint.replace_pasid(&domain, beyond, handle)
    })?;
    // Not even the same handle draws its WARN.
    watch.refuses(&fixture, group, EBUSY, || {
        endpoint.replace_pasid(&domain, one, present)
    })?;
    endpoint.reset_done();
    check!(endpoint.detach_pasid(&domain, one).is_some());
    oracle::check(&fixture)
}

pub(super) fn attach_unwinds_when_a_member_refuses(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let one = one()?;
    for failing in 0..size.members {
        let fixture = Fixture::new(size.members)?;
        let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
        let (domain, blocked) = (fixture.domain()?, fixture.blocked()?);
        let before = Snapshot::of(group)?;
        fixture.fail(Rule::once(Op::SetPasid, ENOSPC).at(EndpointId(failing)))?;
        let result = endpoint.attach_pasid(&domain, one, Some(Handle::new(1)?));
        check_eq!(result, Err(AttachError::Failed(ENOSPC)));
        let mut calls = each(0..failing, |id| pasid(id, one, &domain, None))?;
        calls.push(refused(pasid(failing, one, &domain, None)), GFP_KERNEL)?;
        for id in 0..failing {
            calls.push(pasid(id, one, &blocked, Some(&domain)), GFP_KERNEL)?;
        }
        check_calls(&fixture, &calls)?;
        check_eq!(Snapshot::of(group)?, before);
        oracle::check(&fixture)?;
        check!(Arc::into_unique_or_drop(domain).is_some());

        let domain = fixture.domain()?;
        check_eq!(endpoint.attach_pasid(&domain, one, None), Ok(()));
        oracle::check(&fixture)?;
        endpoint.detach_pasid(&domain, one);
    }
    check_eq!(watch.count(), 0);
    Ok(())
}

fn attach_that_cannot_be_unwound_warns(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let (one, last) = (one()?, size.members - 1);
    let fixture = Fixture::new(size.members)?;
    let (group, domain) = (fixture.group()?, fixture.domain()?);
    fixture.fail(Rule::once(Op::SetPasid, ENOSPC).at(EndpointId(last)))?;
    let blocking = Rule::once(Op::SetPasid, EIO).towards(Kind::Blocked);
    fixture.fail(blocking.times(last))?;
    let result = fixture.endpoint(0)?.attach_pasid(&domain, one, None);
    check_eq!(result, Err(AttachError::Failed(ENOSPC)));
    check_eq!(fixture.faults().hits(), last + 1);
    check_eq!(watch.count(), last);
    check_eq!(group.lock().warned(Warning::FailedPasidBlock), last);
    check!(group.lock().pasid_entries().is_empty());
    Ok(())
}

fn detach_blocks_and_returns_the_handle(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (domain, blocked) = (fixture.domain()?, fixture.blocked()?);
    check_eq!(group.claim(OWNER), Ok(()));
    for number in 1..4 {
        let number = Pasid::new(number)?;
        let handle = Handle::new(u64::from(number.get()))?;
        check_eq!(endpoint.attach_pasid(&domain, number, Some(handle)), Ok(()));
    }
    for number in [2, 1, 3] {
        let number = Pasid::new(number)?;
        fixture.recorder().clear();
        let handle = endpoint.detach_pasid(&domain, number);
        check_eq!(handle.map(|h| h.cookie()), Some(u64::from(number.get())));
        let back = each(0..size.members, |id| {
            pasid(id, number, &blocked, Some(&domain))
        })?;
        check_calls(&fixture, &back)?;
        oracle::check(&fixture)?;
    }
    check!(Arc::into_unique_or_drop(domain).is_some());
    group.release_claims();
    check_eq!(watch.count(), 0);
    oracle::check(&fixture)
}

fn failed_detach_warns_for_each_device(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint, one) = (fixture.group()?, fixture.endpoint(0)?, one()?);
    let (domain, blocked) = (fixture.domain()?, fixture.blocked()?);
    check_eq!(endpoint.attach_pasid(&domain, one, None), Ok(()));
    fixture.recorder().clear();
    fixture.fail(Rule::once(Op::SetPasid, EIO).times(size.members))?;
    endpoint.detach_pasid(&domain, one);
    let back = each(0..size.members, |id| {
        refused(pasid(id, one, &blocked, Some(&domain)))
    })?;
    check_calls(&fixture, &back)?;
    check_eq!(watch.count(), size.members);
    check_eq!(group.lock().warned(Warning::FailedPasidBlock), size.members);
    check!(group.lock().pasid_entries().is_empty());
    Ok(())
}

fn detach_of_what_is_not_attached_warns(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (domain, other, two) = (fixture.domain()?, fixture.domain()?, Pasid::new(2)?);
    let warning = Warning::PasidNotAttached;
    let detach = |domain, number| endpoint.detach_pasid(domain, number).is_none();
    check!(watch.only_warns(&fixture, group, warning, || detach(&domain, two))?);
    check_eq!(
        endpoint.attach_pasid(&domain, two, Some(Handle::new(1)?)),
        Ok(())
    );
    check!(watch.only_warns(&fixture, group, warning, || detach(&other, two))?);
    let one = one()?;
    check!(watch.only_warns(&fixture, group, warning, || detach(&domain, one))?);
    check!(endpoint.detach_pasid(&domain, two).is_some());
    check_eq!(watch.count(), 3);
    oracle::check(&fixture)
}
