// SPDX-License-Identifier: GPL-2.0

//! Attach handles: visible from when the hardware has switched until it leaves.

use crate::{
    families::{
        self,
        Families, //
    },
    fixture::Fixture,
    group::Handle,
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
        Outcome,
        WarnCounter, //
    },
    mock::fault::{
        Op,
        Rule, //
    },
    rig::{
        HandleNo,
        Setting,
        SETTINGS, //
    },
    suites::{
        Size,
        SIZES, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_handle over Families:
    handle_is_found_while_its_domain_is_attached: each Setting in SETTINGS;
    handle_of_a_failed_attach_is_not_found: each Setting in SETTINGS;
    attachment_without_handle_has_none: each Setting in SETTINGS;
    second_handle_is_busy: each Setting in SETTINGS;
    handle_on_the_default_domain_keeps_another_out: each Size in SIZES;
    handle_on_the_default_domain_stays_with_it: each Size in SIZES;
    replace_gives_the_former_handle_back: each Size in SIZES;
    handle_is_found_by_pasid_and_kind: each Size in SIZES;
    pasid_handle_cannot_replace_itself: each Size in SIZES;
}

fn handle_is_found_while_its_domain_is_attached(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    let domain = rig.domain()?;
    check_eq!(rig.handle(), Err(ENOENT));
    rig.attach(domain, Some(HandleNo(7)))?;
    check_eq!(rig.handle(), Ok(HandleNo(7)));
    rig.detach(domain);
    check_eq!(rig.handle(), Err(ENOENT));
    rig.check_all(setting.members, rig.home())
}

fn handle_of_a_failed_attach_is_not_found(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    let domain = rig.domain()?;
    let last = EndpointId(setting.members - 1);
    rig.fail(Rule::once(Op::Attach, ENOMEM).at(last))?;
    check_eq!(rig.attach(domain, Some(HandleNo(7))), Err(ENOMEM));
    check_eq!(rig.handle(), Err(ENOENT));
    rig.check_all(setting.members, rig.home())?;
    rig.attach(domain, Some(HandleNo(8)))?;
    check_eq!(rig.handle(), Ok(HandleNo(8)));
    rig.detach(domain);
    Ok(())
}

fn attachment_without_handle_has_none(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    let domain = rig.domain()?;
    rig.attach(domain, None)?;
    check_eq!(rig.handle(), Err(ENOENT));
    rig.detach(domain);
    Ok(())
}

fn second_handle_is_busy(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    let (first, second) = (rig.domain()?, rig.domain()?);
    rig.attach(first, Some(HandleNo(1)))?;
    check_eq!(rig.attach(second, Some(HandleNo(2))), Err(EBUSY));
    check_eq!(rig.handle(), Ok(HandleNo(1)));
    rig.check_all(setting.members, rig.reach(first))?;
    rig.detach(first);
    Ok(())
}

fn handle_on_the_default_domain_keeps_another_out(size: &Size) -> Outcome {
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let default = group.lock().default().ok_or(ENODEV)?.clone();
    let domain = fixture.domain()?;
    check_eq!(group.attach_with(&default, Handle::new(1)?), Ok(()));
    // No user's domain is in the way, but a user's handle is.
    for domain in [&domain, &default] {
        let second = Handle::new(2)?;
        let busy = Err(AttachError::Failed(EBUSY));
        check_eq!(group.attach_with(domain, second), busy);
        check_eq!(group.handle_of(None, None)?.0.cookie(), 1);
    }
    check_eq!(fixture.recorder().clear(), 0);
    fixture.check_all_reach(&default)?;
    check!(group
        .detach(&default)
        .is_some_and(|first| first.cookie() == 1));
    check_eq!(group.lock().warnings(), 0);
    fixture.check_all_reach(&default)
}

fn handle_on_the_default_domain_stays_with_it(size: &Size) -> Outcome {
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let default = group.lock().default().ok_or(ENODEV)?.clone();
    let (domain, handle) = (fixture.domain()?, Handle::new(1)?);
    check_eq!(group.attach_with(&default, handle.clone()), Ok(()));
    let result = group.attach(&domain);
    check_eq!(result, Err(AttachError::Failed(EBUSY)));
    let (found, on) = group.handle_of(None, None)?;
    check!(Arc::ptr_eq(&found, &handle) && Arc::ptr_eq(&on, &default));
    fixture.check_all_reach(&default)?;
    check!(group.detach(&default).is_some());
    check_eq!(group.attach(&domain), Ok(()));
    group.detach(&domain);
    Ok(())
}

fn replace_gives_the_former_handle_back(size: &Size) -> Outcome {
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let (old, new) = (fixture.domain()?, fixture.domain()?);
    let (first, second) = (Handle::new(1)?, Handle::new(2)?);
    check_eq!(group.attach_with(&old, first.clone()), Ok(()));
    let former = group
        .replace(&new, Some(second.clone()))
        .map_err(Error::from)?;
    check!(former.is_some_and(|former| Arc::ptr_eq(&former, &first)));
    let last = group.detach(&new);
    check!(last.is_some_and(|last| Arc::ptr_eq(&last, &second)));
    check!(group.lock().handle().is_none());
    Ok(())
}

fn handle_is_found_by_pasid_and_kind(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let fixture = Fixture::new(size.members)?;
    let (group, endpoint) = (fixture.group()?, fixture.endpoint(0)?);
    let (pasid, domain, handle) = (Pasid::new(3)?, fixture.domain()?, Handle::new(3)?);
    let attached = endpoint.attach_pasid(&domain, pasid, Some(handle.clone()));
    check_eq!(attached, Ok(()));

    let (found, on) = group.handle_of(Some(pasid), Some(Kind::Paging))?;
    check!(Arc::ptr_eq(&found, &handle) && Arc::ptr_eq(&on, &domain));
    let wrong_kind = group.handle_of(Some(pasid), Some(Kind::Nested)).map(|_| ());
    check_eq!(wrong_kind, Err(EBUSY));
    let unused = group.handle_of(Some(Pasid::new(2)?), None).map(|_| ());
    check_eq!(unused, Err(ENOENT));
    let rid = group.handle_of(None, None).map(|_| ());
    check_eq!(rid, Err(ENOENT));
    endpoint.detach_pasid(&domain, pasid);
    let gone = group.handle_of(Some(pasid), None).map(|_| ());
    check_eq!(gone, Err(ENOENT));
    Ok(())
}

fn pasid_handle_cannot_replace_itself(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let warnings = WarnCounter::start()?;
    let fixture = Fixture::new(size.members)?;
    let endpoint = fixture.endpoint(0)?;
    let (old, new) = (fixture.domain()?, fixture.domain()?);
    let (pasid, handle) = (Pasid::new(1)?, Handle::new(1)?);
    let attached = endpoint.attach_pasid(&old, pasid, Some(handle.clone()));
    check_eq!(attached, Ok(()));
    let result = endpoint
        .replace_pasid(&new, pasid, handle.clone())
        .map(|_| ());
    check_eq!(result, Err(AttachError::Failed(EINVAL)));
    check_eq!(warnings.count(), 1);
    // Unlike in the kernel, the record of what is attached is not falsified by the attempt.
    let (_, on) = fixture.group()?.handle_of(Some(pasid), None)?;
    check!(Arc::ptr_eq(&on, &old));
    crate::oracle::check(&fixture)?;
    endpoint.detach_pasid(&old, pasid);
    check_eq!(warnings.count(), 1);
    Ok(())
}
