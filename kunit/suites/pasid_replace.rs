// SPDX-License-Identifier: GPL-2.0

//! Replacing the domain of a PASID in use: straight over, or not at all.

use super::{
    expect::{
        check_calls,
        each,
        pasid,
        refused,
        Snapshot,
        Watch, //
    },
    pasid::one,
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
        Handle,
        Warning, //
    },
    iommu::{
        AttachError,
        EndpointId,
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
    iommu_mock_pasid_replace over Families:
    replace_goes_straight_from_old_to_new: each Size in SIZES;
    member_that_lacks_the_pasid_is_skipped: each Size in SIZES;
    replace_by_the_same_domain_swaps_the_handle: each Size in SIZES;
    replace_by_the_same_handle_warns: each Size in SIZES;
    replace_of_a_pasid_not_in_use_is_refused: each Size in SIZES;
    replace_unwinds_when_a_member_refuses: each Size in SIZES;
    replace_that_cannot_be_unwound_blocks: each Size in SEVERAL;
    replace_that_cannot_even_block_warns_twice: each Size in SEVERAL;
}

fn replace_goes_straight_from_old_to_new(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint, one) = (fixture.group()?, fixture.endpoint(0)?, one()?);
    let (old, new) = (fixture.domain()?, fixture.domain()?);
    check_eq!(endpoint.attach_pasid(&old, one, None), Ok(()));
    fixture.recorder().clear();
    let former = endpoint.replace_pasid(&new, one, Handle::new(2)?);
    check!(matches!(former, Ok(None)));
    let there = each(0..size.members, |id| pasid(id, one, &new, Some(&old)))?;
    check_calls(&fixture, &there)?;
    oracle::check(&fixture)?;
    check!(Arc::into_unique_or_drop(old).is_some());

    let next = fixture.domain()?;
    let former = endpoint.replace_pasid(&next, one, Handle::new(3)?);
    check!(matches!(former, Ok(Some(handle)) if handle.cookie() == 2));
    let (handle, found) = group.handle_of(Some(one), None)?;
    check_eq!(handle.cookie(), 3);
    check!(Arc::ptr_eq(&found, &next));
    check!(endpoint.detach_pasid(&next, one).is_some());
    check_eq!(watch.count(), 0);
    oracle::check(&fixture)
}

fn member_that_lacks_the_pasid_is_skipped(size: &Size) -> Outcome {
    families::needs_pasids()?;
    // Only a member that joined later can lack a PASID in use.
    let new = size.members;
    let setup = Setup::ordinary(new + 1)?;
    let mut fixture = setup.endpoint(new as usize, |e| e.max_pasids = 2).build()?;
    for id in 0..new {
        fixture.plug(id)?;
    }
    let (old, next, three) = (fixture.domain()?, fixture.domain()?, Pasid::new(3)?);
    let blocked = fixture.blocked()?;
    let attached = fixture.endpoint(0)?.attach_pasid(&old, three, None);
    check_eq!(attached, Ok(()));
    fixture.plug(new)?;
    fixture.recorder().clear();
    let asked = fixture.endpoint(new as usize)?;
    check!(asked.replace_pasid(&next, three, Handle::new(1)?).is_ok());
    check_calls(
        &fixture,
        &each(0..new, |id| pasid(id, three, &next, Some(&old)))?,
    )?;
    oracle::check(&fixture)?;
    check!(asked.detach_pasid(&next, three).is_some());
    check_calls(
        &fixture,
        &each(0..new, |id| pasid(id, three, &blocked, Some(&next)))?,
    )?;
    oracle::check(&fixture)
}

fn replace_by_the_same_domain_swaps_the_handle(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint, one) = (fixture.group()?, fixture.endpoint(0)?, one()?);
    let domain = fixture.domain()?;
    check_eq!(
        endpoint.attach_pasid(&domain, one, Some(Handle::new(1)?)),
        Ok(())
    );
    fixture.recorder().clear();
    let former = endpoint.replace_pasid(&domain, one, Handle::new(2)?);
    check!(matches!(former, Ok(Some(handle)) if handle.cookie() == 1));
    check_calls(&fixture, &[])?;
    check_eq!(group.handle_of(Some(one), None)?.0.cookie(), 2);
    oracle::check(&fixture)?;
    check!(endpoint.detach_pasid(&domain, one).is_some());
    Ok(())
}

fn replace_by_the_same_handle_warns(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint, one) = (fixture.group()?, fixture.endpoint(0)?, one()?);
    let (old, new) = (fixture.domain()?, fixture.domain()?);
    let handle = Handle::new(1)?;
    check_eq!(
        endpoint.attach_pasid(&old, one, Some(handle.clone())),
        Ok(())
    );
    for domain in [&old, &new] {
        let handle = handle.clone();
        let result = watch.only_warns(&fixture, group, Warning::SameHandle, || {
            endpoint.replace_pasid(domain, one, handle)
        })?;
        check_eq!(result.err(), Some(AttachError::Failed(EINVAL)));
        // The kernel's core has falsified the current domain by now.
        check!(Arc::ptr_eq(&group.handle_of(Some(one), None)?.1, &old));
    }
    check!(endpoint.detach_pasid(&old, one).is_some());
    oracle::check(&fixture)
}

fn replace_of_a_pasid_not_in_use_is_refused(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (domain, two) = (fixture.domain()?, Pasid::new(2)?);
    let handle = Handle::new(1)?;
    watch.refuses(&fixture, group, EINVAL, || {
        endpoint.replace_pasid(&domain, two, handle)
    })?;
    check_eq!(endpoint.attach_pasid(&domain, one()?, None), Ok(()));
    let handle = Handle::new(1)?;
    watch.refuses(&fixture, group, EINVAL, || {
        endpoint.replace_pasid(&domain, two, handle)
    })?;
    endpoint.detach_pasid(&domain, one()?);
    Ok(())
}

pub(super) fn replace_unwinds_when_a_member_refuses(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let one = one()?;
    for failing in 0..size.members {
        let fixture = Fixture::new(size.members)?;
        let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
        let (old, new) = (fixture.domain()?, fixture.domain()?);
        check_eq!(
            endpoint.attach_pasid(&old, one, Some(Handle::new(1)?)),
            Ok(())
        );
        fixture.recorder().clear();
        let before = Snapshot::of(group)?;
        fixture.fail(Rule::once(Op::SetPasid, ENOSPC).at(EndpointId(failing)))?;
        let result = endpoint.replace_pasid(&new, one, Handle::new(2)?);
        check_eq!(result.err(), Some(AttachError::Failed(ENOSPC)));
        let mut calls = each(0..failing, |id| pasid(id, one, &new, Some(&old)))?;
        calls.push(refused(pasid(failing, one, &new, Some(&old))), GFP_KERNEL)?;
        for id in 0..failing {
            calls.push(pasid(id, one, &old, Some(&new)), GFP_KERNEL)?;
        }
        check_calls(&fixture, &calls)?;
        check_eq!(Snapshot::of(group)?, before);
        check_eq!(group.handle_of(Some(one), None)?.0.cookie(), 1);
        oracle::check(&fixture)?;
        check!(Arc::into_unique_or_drop(new).is_some());
        check!(endpoint.detach_pasid(&old, one).is_some());
    }
    check_eq!(watch.count(), 0);
    Ok(())
}

fn replace_that_cannot_be_unwound_blocks(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let (one, last) = (one()?, size.members - 1);
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (old, new) = (fixture.domain()?, fixture.domain()?);
    let blocked = fixture.blocked()?;
    check_eq!(endpoint.attach_pasid(&old, one, None), Ok(()));
    fixture.recorder().clear();
    fixture.fail(Rule::once(Op::SetPasid, ENOSPC).at(EndpointId(last)))?;
    fixture.fail(Rule::once(Op::SetPasid, EIO).at(EndpointId(0)).after(1))?;
    let result = endpoint.replace_pasid(&new, one, Handle::new(2)?);
    check_eq!(result.err(), Some(AttachError::Failed(ENOSPC)));
    let mut calls = each(0..last, |id| pasid(id, one, &new, Some(&old)))?;
    calls.push(refused(pasid(last, one, &new, Some(&old))), GFP_KERNEL)?;
    calls.push(refused(pasid(0, one, &old, Some(&new))), GFP_KERNEL)?;
    calls.push(pasid(0, one, &blocked, Some(&new)), GFP_KERNEL)?;
    for id in 1..last {
        calls.push(pasid(id, one, &old, Some(&new)), GFP_KERNEL)?;
    }
    check_calls(&fixture, &calls)?;
    check_eq!(watch.count(), 1);
    check_eq!(group.lock().warned(Warning::FailedPasidRevert), 1);
    check!(endpoint.detach_pasid(&old, one).is_none());
    check_eq!(watch.count(), 1);
    Ok(())
}

fn replace_that_cannot_even_block_warns_twice(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let (one, last) = (one()?, size.members - 1);
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (old, new) = (fixture.domain()?, fixture.domain()?);
    check_eq!(endpoint.attach_pasid(&old, one, None), Ok(()));
    fixture.fail(Rule::once(Op::SetPasid, ENOSPC).at(EndpointId(last)))?;
    fixture.fail(
        Rule::once(Op::SetPasid, EIO)
            .at(EndpointId(0))
            .after(1)
            .times(2),
    )?;
    let result = endpoint.replace_pasid(&new, one, Handle::new(2)?);
    check_eq!(result.err(), Some(AttachError::Failed(ENOSPC)));
    check_eq!(fixture.faults().hits(), 3);
    check_eq!(watch.count(), 2);
    check_eq!(group.lock().warned(Warning::FailedPasidRevert), 1);
    check_eq!(group.lock().warned(Warning::FailedPasidBlock), 1);
    endpoint.detach_pasid(&old, one);
    Ok(())
}
