// SPDX-License-Identifier: GPL-2.0

//! DMA ownership: claim and release, of groups and of devices.

use super::{
    Calls,
    KERNEL, //
};
use crate::{
    ccore::Owner,
    families::{
        self,
        Families, //
    },
    iommu::{
        EndpointId,
        Pasid, //
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome,
        WarnCounter, //
    },
    mock::{
        fault::{
            Op,
            Rule, //
        },
        hw::Reach, //
    },
    rig::{
        HandleNo,
        Kernel,
        Rig,
        Setting,
        SETTINGS, //
    },
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_kernel_owner over Families:
    claim_blocks_and_release_returns: each Setting in SETTINGS;
    any_member_can_refuse_a_claim: each Setting in SETTINGS;
    group_is_claimed_once: each Setting in SETTINGS;
    devices_are_claimed_as_often_as_their_owner_likes: each Setting in SETTINGS;
    attached_group_is_not_claimed: each Setting in SETTINGS;
    nobody_cannot_claim: each Setting in KERNEL;
    release_forces_a_users_domain_off: each Setting in SETTINGS;
    release_with_attachments_left_only_warns: each Setting in SETTINGS;
    release_of_what_nobody_claimed_only_warns: each Setting in SETTINGS;
    failed_release_is_warned_of_once: each Setting in SETTINGS;
    driver_may_bind_after_a_failed_release: each Setting in KERNEL;
}

fn claim_blocks_and_release_returns(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    rig.claim()?;
    Calls::new()
        .each(0..setting.members, None, None)?
        .check(&*rig)?;
    rig.check_all(setting.members, Reach::Aborted)?;
    rig.release();
    Calls::new()
        .each(0..setting.members, None, None)?
        .check(&*rig)?;
    rig.check_all(setting.members, rig.home())
}

fn any_member_can_refuse_a_claim(setting: &Setting) -> Outcome {
    for failing in 0..setting.members {
        let mut rig = setting.build()?;
        rig.fail(Rule::once(Op::Attach, EIO).at(EndpointId(failing)))?;
        check_eq!(rig.claim(), Err(EIO));
        let calls = Calls::new().each(0..failing + 1, None, None)?;
        calls.each(0..failing, None, None)?.check(&*rig)?;
        rig.check_all(setting.members, rig.home())?;
        // Nobody owns it.
        rig.bind(0)?;
        rig.unbind(0);
        rig.claim()?;
        rig.check_all(setting.members, Reach::Aborted)?;
    }
    Ok(())
}

fn group_is_claimed_once(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    rig.claim()?;
    check_eq!(rig.claim(), Err(EPERM));
    check_eq!(rig.claim_device(0, 2), Err(EPERM));
    rig.release();
    rig.claim_device(0, 2)?;
    check_eq!(rig.claim(), Err(EPERM));
    check_eq!(rig.claim_device(setting.members - 1, 3), Err(EPERM));
    rig.release_device(0);
    rig.check_all(setting.members, rig.home())
}

fn devices_are_claimed_as_often_as_their_owner_likes(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    for at in 0..setting.members {
        rig.claim_device(at, 7)?;
    }
    rig.claim_device(0, 7)?;
    // The first claim is the only one that does anything.
    Calls::new()
        .each(0..setting.members, None, None)?
        .check(&*rig)?;
    for at in 0..setting.members {
        rig.release_device(at);
        rig.check_all(setting.members, Reach::Aborted)?;
    }
    rig.release_device(0);
    rig.check_all(setting.members, rig.home())
}

fn attached_group_is_not_claimed(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    let (domain, pasid) = (rig.domain()?, Pasid::new(1)?);
    rig.attach(domain, None)?;
    check_eq!(rig.claim(), Err(EBUSY));
    check_eq!(rig.claim_device(0, 1), Err(EBUSY));
    rig.detach(domain);

    if families::has_pasids()? {
        rig.attach_pasid(0, domain, pasid)?;
        check_eq!(rig.claim(), Err(EBUSY));
        check_eq!(rig.claim_device(0, 1), Err(EBUSY));
        rig.detach_pasid(0, domain, pasid);
    }
    rig.claim()?;
    rig.release();
    rig.check_all(setting.members, rig.home())
}

fn nobody_cannot_claim(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let kernel = Kernel::new(setting.members)?;
    check_eq!(kernel.group()?.claim(Owner(0)), Err(EINVAL));
    check_eq!(kernel.endpoint(0)?.claim(Owner(0)), Err(EINVAL));
    check_eq!(warnings.count(), 2);
    check!(!kernel.group()?.is_claimed());
    Ok(())
}

fn release_forces_a_users_domain_off(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let mut rig = setting.build()?;
    let domain = rig.domain()?;
    rig.claim()?;
    rig.attach(domain, None)?;
    rig.check_all(setting.members, rig.reach(domain))?;
    rig.release();
    rig.check_all(setting.members, rig.home())?;
    rig.free(domain);
    check_eq!(warnings.count(), 0);
    Ok(())
}

fn release_with_attachments_left_only_warns(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let mut rig = setting.build()?;
    let (domain, pasid) = (rig.domain()?, Pasid::new(1)?);
    rig.claim()?;
    rig.attach(domain, Some(HandleNo(1)))?;
    rig.release();
    check_eq!(warnings.count(), 1);
    rig.check_all(setting.members, rig.reach(domain))?;
    rig.detach(domain);

    if families::has_pasids()? {
        rig.attach_pasid(0, domain, pasid)?;
        rig.release();
        check_eq!(warnings.count(), 2);
        check_eq!(rig.claim(), Err(EPERM));
        rig.detach_pasid(0, domain, pasid);
    }
    let warned = warnings.count();
    rig.release();
    check_eq!(warnings.count(), warned);
    rig.check_all(setting.members, rig.home())
}

fn release_of_what_nobody_claimed_only_warns(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let mut rig = setting.build()?;
    rig.release();
    check_eq!(warnings.count(), 1);
    rig.release_device(0);
    check_eq!(warnings.count(), 2);
    rig.bind(0)?;
    rig.release();
    check_eq!(warnings.count(), 3);
    rig.unbind(0);
    check_eq!(warnings.count(), 3);
    Calls::new().check(&*rig)?;
    rig.claim().map_err(Into::into)
}

fn failed_release_is_warned_of_once(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    for failing in 0..setting.members {
        let mut rig = setting.build()?;
        rig.claim()?;
        let before = warnings.count();
        rig.fail(Rule::once(Op::Attach, EIO).at(EndpointId(failing)))?;
        rig.release();
        check_eq!(warnings.count() - before, 1);
        for at in 0..setting.members {
            let expected = match at == failing {
                true => Reach::Aborted,
                false => rig.home(),
            };
            check_eq!(rig.truth(at), expected);
        }
    }
    Ok(())
}

/// The kernel's core forgets that a member is not where its group is. Ours refuses (R0.6).
fn driver_may_bind_after_a_failed_release(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let mut kernel = Kernel::new(setting.members)?;
    kernel.claim()?;
    let rig: &mut dyn Rig = &mut kernel;
    rig.fail(Rule::once(Op::Attach, EIO).at(EndpointId(0)))?;
    rig.release();
    check_eq!(warnings.count(), 1);
    check_eq!(rig.truth(0), Reach::Aborted);
    check_eq!(rig.bind(0), Ok(()));
    check_eq!(kernel.differing()?, 1);
    Ok(())
}
