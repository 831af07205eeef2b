// SPDX-License-Identifier: GPL-2.0

//! Kernel drivers, bound to platform devices through the driver core.

use super::KERNEL;
use crate::{
    families::Families,
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome,
        WarnCounter, //
    },
    mock::hw::Reach,
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
    iommu_mock_kernel_bind over Families:
    driver_is_refused_while_claimed: each Setting in SETTINGS;
    claim_is_refused_while_a_driver_is_bound: each Setting in SETTINGS;
    every_member_can_have_a_driver: each Setting in SETTINGS;
    second_driver_is_refused_on_a_users_domain: each Setting in KERNEL;
    first_driver_is_not_asked_where_the_group_is: each Setting in KERNEL;
    unplugged_device_gives_its_use_back: each Setting in KERNEL;
}

fn driver_is_refused_while_claimed(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    rig.claim()?;
    for at in 0..setting.members {
        check_eq!(rig.bind(at), Err(EBUSY));
    }
    rig.check_all(setting.members, Reach::Aborted)?;
    rig.release();
    for at in 0..setting.members {
        rig.bind(at)?;
    }
    rig.check_all(setting.members, rig.home())
}

fn claim_is_refused_while_a_driver_is_bound(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    let last = setting.members - 1;
    rig.bind(last)?;
    check_eq!(rig.claim(), Err(EPERM));
    check_eq!(rig.claim_device(0, 1), Err(EPERM));
    rig.unbind(last);
    rig.claim()?;
    rig.check_all(setting.members, Reach::Aborted)
}

fn every_member_can_have_a_driver(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let mut rig = setting.build()?;
    for at in 0..setting.members {
        rig.bind(at)?;
    }
    for at in 0..setting.members {
        check_eq!(rig.claim(), Err(EPERM));
        rig.unbind(at);
    }
    rig.claim()?;
    rig.release();
    check_eq!(warnings.count(), 0);
    Ok(())
}

fn second_driver_is_refused_on_a_users_domain(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    let domain = rig.domain()?;
    rig.bind(0)?;
    rig.attach(domain, Some(HandleNo(1)))?;
    for at in 1..setting.members {
        check_eq!(rig.bind(at), Err(EBUSY));
    }
    rig.detach(domain);
    for at in 1..setting.members {
        rig.bind(at)?;
    }
    Ok(())
}

/// As long as nobody uses the group, the kernel's core does not look where it is. Ours refuses.
fn first_driver_is_not_asked_where_the_group_is(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    let domain = rig.domain()?;
    rig.attach(domain, None)?;
    check_eq!(rig.bind(0), Ok(()));
    rig.check_all(setting.members, rig.reach(domain))?;
    rig.unbind(0);
    rig.detach(domain);
    Ok(())
}

fn unplugged_device_gives_its_use_back(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let mut kernel = Kernel::new(setting.members)?;
    let group = kernel.endpoint(0)?.group().clone();
    kernel.bind(0)?;
    check!(group.is_claimed());
    kernel.unplug(0)?;
    check!(!group.is_claimed());
    check_eq!(warnings.count(), 0);
    Ok(())
}
