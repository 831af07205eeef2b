// SPDX-License-Identifier: GPL-2.0

//! Attach: all members or none.

use super::{
    Calls,
    KERNEL,
    SEVERAL, //
};
use crate::{
    families::Families,
    iommu::{
        EndpointId,
        Kind, //
    },
    kapi::{
        errno,
        kunit::{
            check,
            check_eq,
            kunit_suite,
            Outcome,
            WarnCounter, //
        }, //
    },
    mock::{
        fault::{
            Leave,
            Op,
            Rule, //
        },
        hw::Reach, //
    },
    rig::{
        Core,
        Kernel,
        Rig,
        Setting,
        SETTINGS, //
    },
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_kernel_attach over Families:
    attach_and_detach_visit_members_in_order: each Setting in SETTINGS;
    users_domain_must_be_detached_first: each Setting in SETTINGS;
    any_member_can_refuse_an_attach: each Setting in SETTINGS;
    refused_attach_does_not_go_on: each Setting in SEVERAL;
    member_that_cannot_be_put_back_is_warned_of: each Setting in SEVERAL;
    soft_and_hard_errors_are_told_apart: each Setting in SETTINGS;
    fenced_device_is_attached: each Setting in SETTINGS;
    device_must_be_alone_to_be_attached: each Setting in KERNEL;
    other_instances_domain_does_not_fit: each Setting in KERNEL;
}

fn attach_and_detach_visit_members_in_order(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    let domain = rig.domain()?;
    let tag = Some(rig.tag(domain));
    rig.attach(domain, None)?;
    let calls = Calls::new().each(0..setting.members, tag, None)?;
    calls.check(&*rig)?;
    rig.check_all(setting.members, rig.reach(domain))?;
    rig.detach(domain);
    let calls = Calls::new().each(0..setting.members, None, tag)?;
    calls.check(&*rig)?;
    rig.check_all(setting.members, rig.home())
}

fn users_domain_must_be_detached_first(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    let (domain, other) = (rig.domain()?, rig.domain()?);
    rig.attach(domain, None)?;
    rig.recorder().clear();
    check_eq!(rig.attach(other, None), Err(EBUSY));
    check_eq!(rig.attach(domain, None), Err(EBUSY));
    Calls::new().check(&*rig)?;
    rig.check_all(setting.members, rig.reach(domain))?;
    rig.detach(domain);
    rig.attach(other, None)?;
    rig.check_all(setting.members, rig.reach(other))
}

fn any_member_can_refuse_an_attach(setting: &Setting) -> Outcome {
    for failing in 0..setting.members {
        let mut rig = setting.build()?;
        let domain = rig.domain()?;
        let tag = Some(rig.tag(domain));
        rig.fail(Rule::once(Op::Attach, ENOSPC).at(EndpointId(failing)))?;
        check_eq!(rig.attach(domain, None), Err(ENOSPC));
        let calls = Calls::new().each(0..failing + 1, tag, None)?;
        calls.each(0..failing, None, tag)?.check(&*rig)?;
        rig.check_all(setting.members, rig.home())?;
        rig.free(domain);

        let domain = rig.domain()?;
        rig.attach(domain, None)?;
        rig.check_all(setting.members, rig.reach(domain))?;
    }
    Ok(())
}

fn refused_attach_does_not_go_on(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    let domain = rig.domain()?;
    rig.fail(Rule::once(Op::Attach, ENOMEM).times(setting.members))?;
    check_eq!(rig.attach(domain, None), Err(ENOMEM));
    let calls = Calls::new().each(0..1, Some(rig.tag(domain)), None)?;
    calls.check(&*rig)
}

fn member_that_cannot_be_put_back_is_warned_of(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    for failing in 0..setting.members {
        let mut rig = setting.build()?;
        // Makes the core have a blocking domain.
        rig.claim()?;
        rig.release();
        let domain = rig.domain()?;
        let before = warnings.count();
        rig.fail(Rule::once(Op::Attach, EIO).at(EndpointId(failing)))?;
        let home = Rule::once(Op::Attach, EIO).towards(Kind::Identity);
        rig.fail(home.times(setting.members))?;
        check_eq!(rig.attach(domain, None), Err(EIO));
        check_eq!(warnings.count() - before, failing);
        for at in 0..failing {
            check_eq!(rig.truth(at), Reach::Aborted);
        }
        for at in failing..setting.members {
            check_eq!(rig.truth(at), rig.home());
        }
    }
    Ok(())
}

fn soft_and_hard_errors_are_told_apart(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    let domain = rig.domain()?;
    rig.fail(Rule::once(Op::Attach, errno::emediumtype()))?;
    let soft = rig.soft();
    check_eq!(rig.attach(domain, None), Err(soft));

    // EINVAL is how the kernel's core says "does not fit", so a hard one becomes another.
    rig.fail(Rule::once(Op::Attach, EINVAL))?;
    let hard = match setting.core {
        Core::Ours => EINVAL,
        Core::Kernel => ENODEV,
    };
    check_eq!(rig.attach(domain, None), Err(hard));
    rig.check_all(setting.members, rig.home())
}

fn fenced_device_is_attached(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let mut rig = setting.build()?;
    let domain = rig.domain()?;
    let last = setting.members - 1;
    let fence = Rule::once(Op::Attach, EIO).leaving(Leave::Fenced);
    rig.fail(fence.at(EndpointId(last)))?;
    rig.attach(domain, None)?;
    rig.check_all(last, rig.reach(domain))?;
    check_eq!(rig.truth(last), Reach::Aborted);
    rig.detach(domain);
    rig.check_all(setting.members, rig.home())?;
    check_eq!(warnings.count(), 0);
    Ok(())
}

fn device_must_be_alone_to_be_attached(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let mut kernel = Kernel::new(setting.members)?;
    let number = kernel.domain()?;
    let (endpoint, domain) = (kernel.endpoint(0)?, kernel.get(number)?);
    let alone = setting.members == 1;
    let expected = match alone {
        true => Ok(()),
        false => Err(EINVAL),
    };
    check_eq!(endpoint.attach(domain), expected);
    check_eq!(endpoint.is_on(domain), alone);
    check_eq!(kernel.differing()?, 0);

    // Detaching what is not attached warns.
    endpoint.detach(domain);
    check_eq!(warnings.count(), u32::from(!alone));
    check!(!endpoint.is_on(domain));
    Ok(())
}

fn other_instances_domain_does_not_fit(setting: &Setting) -> Outcome {
    let (mut other, kernel) = (Kernel::new(1)?, Kernel::new(setting.members)?);
    let number = other.domain()?;
    let foreign = other.get(number)?;
    check_eq!(kernel.group()?.attach(foreign, None), Err(EINVAL));
    check_eq!(kernel.recorder().clear(), 0);

    // Replace does not look whose it is, and the driver finds out.
    let handle = crate::ccore::Handle::new(1)?;
    check_eq!(kernel.group()?.replace(foreign, &handle), Err(EINVAL));
    check_eq!(kernel.recorder().clear(), 1);
    check_eq!(kernel.differing()?, 0);
    check_eq!(kernel.group()?.handle(), Err(ENOENT));
    Ok(())
}
