// SPDX-License-Identifier: GPL-2.0

//! Devices that come and go, also while somebody uses their group.

use super::{
    Calls,
    KERNEL, //
};
use crate::{
    families::Families,
    iommu::EndpointId,
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome,
        WarnCounter, //
    },
    mock::{
        endpoint::InstanceConfig, //
        fault::{
            Op,
            Rule, //
        },
        hw::Reach,
    },
    recorder::Call,
    rig::{
        Kernel,
        Rig,
        Setting, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_kernel_unplug over Families:
    leaving_member_is_blocked_and_the_others_stay: each Setting in KERNEL;
    member_of_an_owned_group_can_leave: each Setting in KERNEL;
    last_member_of_an_owned_group_is_warned_of: each Setting in KERNEL;
    last_member_on_a_users_domain_is_warned_of: each Setting in KERNEL;
    new_member_goes_where_its_group_is: each Setting in KERNEL;
    new_member_that_cannot_follow_is_not_taken: each Setting in KERNEL;
    device_that_the_driver_refuses_is_not_taken: each Setting in KERNEL;
    device_comes_back_into_a_new_group: each Setting in KERNEL;
    keys_make_groups;
}

fn leaving_member_is_blocked_and_the_others_stay(setting: &Setting) -> Outcome {
    let mut kernel = Kernel::new(setting.members)?;
    let domain = kernel.domain()?;
    kernel.attach(domain, None)?;
    for left in (1..setting.members).rev() {
        kernel.recorder().clear();
        kernel.unplug(left)?;
        let events = kernel.recorder().take();
        let calls = events.iter().map(|event| (event.endpoint, event.call));
        for (endpoint, _) in calls {
            check_eq!(endpoint, EndpointId(left));
        }
        check!(matches!(events.last(), Some(event) if event.call == Call::Release));
        let rig: &dyn Rig = &kernel;
        check_eq!(rig.truth(left), Reach::Aborted);
        rig.check_all(left, rig.reach(domain))?;
    }
    kernel.detach(domain);
    check_eq!(kernel.differing()?, 0);
    Ok(())
}

fn member_of_an_owned_group_can_leave(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let mut kernel = Kernel::new(setting.members)?;
    kernel.claim()?;
    for left in (1..setting.members).rev() {
        kernel.unplug(left)?;
    }
    let rig: &mut dyn Rig = &mut kernel;
    check_eq!(rig.truth(0), Reach::Aborted);
    check_eq!(rig.bind(0), Err(EBUSY));
    rig.release();
    check_eq!(rig.truth(0), rig.home());
    check_eq!(warnings.count(), 0);
    Ok(())
}

fn last_member_of_an_owned_group_is_warned_of(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let mut kernel = Kernel::new(setting.members)?;
    let group = kernel.endpoint(0)?.group().clone();
    kernel.claim()?;
    for _ in 0..setting.members {
        check_eq!(warnings.count(), 0);
        kernel.unplug(0)?;
    }
    check_eq!(warnings.count(), 1);
    check!(group.is_claimed());
    check_eq!(group.members()?.len(), 0);
    // Releasing it is still possible, and silent.
    group.release_claims();
    check!(!group.is_claimed());
    check_eq!(warnings.count(), 1);
    Ok(())
}

fn last_member_on_a_users_domain_is_warned_of(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let mut kernel = Kernel::new(setting.members)?;
    let domain = kernel.domain()?;
    kernel.attach(domain, None)?;
    for _ in 0..setting.members {
        check_eq!(warnings.count(), 0);
        kernel.unplug(0)?;
    }
    check_eq!(warnings.count(), 1);
    Ok(())
}

fn new_member_goes_where_its_group_is(setting: &Setting) -> Outcome {
    let members = setting.members;
    let mut kernel = Kernel::with(InstanceConfig::default(), members + 3, |_, _| ())?;
    for id in 0..members {
        kernel.plug(id)?;
    }
    kernel.plug(members)?;
    check_eq!(kernel.differing()?, 0);

    let domain = kernel.domain()?;
    kernel.attach(domain, None)?;
    kernel.plug(members + 1)?;
    let rig: &dyn Rig = &kernel;
    rig.check_all(members + 2, rig.reach(domain))?;
    kernel.detach(domain);

    kernel.claim()?;
    kernel.plug(members + 2)?;
    let rig: &dyn Rig = &kernel;
    rig.check_all(members + 3, Reach::Aborted)?;
    kernel.release();
    check_eq!(kernel.differing()?, 0);
    Ok(())
}

fn new_member_that_cannot_follow_is_not_taken(setting: &Setting) -> Outcome {
    let members = setting.members;
    let mut kernel = Kernel::with(InstanceConfig::default(), members + 1, |_, _| ())?;
    for id in 0..members {
        kernel.plug(id)?;
    }
    let domain = kernel.domain()?;
    kernel.attach(domain, None)?;
    kernel.recorder().clear();
    (&kernel as &dyn Rig).fail(Rule::once(Op::Attach, EIO).at(EndpointId(members)))?;
    check_eq!(kernel.plug(members), Err(ENODEV));
    check_eq!(kernel.group()?.members()?.len(), members as usize);
    let calls = Calls::new();
    let events = kernel.recorder().take();
    check!(events
        .iter()
        .all(|event| event.endpoint == EndpointId(members)));
    calls.check(&kernel)?;
    check_eq!(kernel.differing()?, 0);

    kernel.plug(members)?;
    check_eq!(kernel.group()?.members()?.len(), members as usize + 1);
    check_eq!(kernel.differing()?, 0);
    Ok(())
}

fn device_that_the_driver_refuses_is_not_taken(setting: &Setting) -> Outcome {
    let members = setting.members;
    let mut kernel = Kernel::with(InstanceConfig::default(), members, |_, _| ())?;
    for id in 0..members {
        (&kernel as &dyn Rig).fail(Rule::once(Op::Probe, EIO))?;
        check_eq!(kernel.plug(id), Err(ENODEV));
        kernel.plug(id)?;
    }
    check_eq!(kernel.plug(members), Err(ENODEV));
    check_eq!(kernel.group()?.members()?.len(), members as usize);
    check_eq!(kernel.differing()?, 0);
    Ok(())
}

fn device_comes_back_into_a_new_group(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let mut kernel = Kernel::new(setting.members)?;
    let former = kernel.endpoint(0)?.group().clone();
    for _ in 0..setting.members {
        kernel.unplug(0)?;
    }
    for id in 0..setting.members {
        kernel.plug(id)?;
        check!(!Arc::ptr_eq(&former, kernel.endpoint(id)?.group()));
    }
    check!(former.number() != kernel.endpoint(0)?.group().number());
    check_eq!(kernel.group()?.members()?.len(), setting.members as usize);
    let domain = kernel.domain()?;
    kernel.attach(domain, None)?;
    check_eq!(kernel.differing()?, 0);
    check_eq!(warnings.count(), 0);
    Ok(())
}

fn keys_make_groups() -> Outcome {
    let config = InstanceConfig::default();
    let mut kernel = Kernel::with(config, 6, |id, endpoint| endpoint.group = (id / 2).into())?;
    for id in 0..6 {
        kernel.plug(id)?;
    }
    for id in 0..6 {
        let (endpoint, first) = (kernel.endpoint(id)?, kernel.endpoint(id & !1)?);
        check!(Arc::ptr_eq(endpoint.group(), first.group()));
        check_eq!(endpoint.group().members()?.len(), 2);
    }
    check!(!Arc::ptr_eq(
        kernel.endpoint(0)?.group(),
        kernel.endpoint(2)?.group()
    ));
    Ok(())
}
