// SPDX-License-Identifier: GPL-2.0

//! Detach: back to the default or blocking domain, and a WARN where that fails.

use super::{
    Calls,
    KERNEL, //
};
use crate::{
    families::Families,
    iommu::EndpointId,
    kapi::kunit::{
        check_eq,
        kunit_suite,
        Outcome,
        WarnCounter, //
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
        HandleNo,
        Kernel,
        Rig,
        Setting,
        SETTINGS, //
    },
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_kernel_detach over Families:
    failing_member_is_warned_of_once_and_blocked: each Setting in SETTINGS;
    failing_group_is_warned_of_once: each Setting in SETTINGS;
    failing_member_keeps_its_domain_without_a_blocking_one: each Setting in KERNEL;
    next_move_mends_a_failed_detach: each Setting in SETTINGS;
    owned_group_detaches_to_blocking: each Setting in SETTINGS;
    failed_detach_of_an_owned_group_is_warned_of_once: each Setting in KERNEL;
    handle_goes_even_if_detach_fails: each Setting in SETTINGS;
    driver_that_lies_is_found_out: each Setting in KERNEL;
}

fn failing_member_is_warned_of_once_and_blocked(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    for failing in 0..setting.members {
        let mut rig = setting.build()?;
        // Makes the core have a blocking domain.
        rig.claim()?;
        rig.release();
        let domain = rig.domain()?;
        rig.attach(domain, None)?;
        let before = warnings.count();
        rig.fail(Rule::once(Op::Attach, EIO).at(EndpointId(failing)))?;
        rig.detach(domain);
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

fn failing_group_is_warned_of_once(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let mut rig = setting.build()?;
    rig.claim()?;
    rig.release();
    let domain = rig.domain()?;
    rig.attach(domain, None)?;
    for at in 0..setting.members {
        rig.fail(Rule::once(Op::Attach, EIO).at(EndpointId(at)))?;
    }
    rig.detach(domain);
    check_eq!(warnings.count(), 1);
    rig.check_all(setting.members, Reach::Aborted)
}

fn failing_member_keeps_its_domain_without_a_blocking_one(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    for failing in 0..setting.members {
        let mut kernel = Kernel::new(setting.members)?;
        let domain = kernel.domain()?;
        kernel.attach(domain, None)?;
        let before = warnings.count();
        let rig: &mut dyn Rig = &mut kernel;
        rig.fail(Rule::once(Op::Attach, EIO).at(EndpointId(failing)))?;
        rig.detach(domain);
        check_eq!(warnings.count() - before, 1);
        check_eq!(rig.truth(failing), rig.reach(domain));
        check_eq!(kernel.differing()?, 1 << failing);
    }
    Ok(())
}

fn next_move_mends_a_failed_detach(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let mut rig = setting.build()?;
    let domain = rig.domain()?;
    rig.attach(domain, None)?;
    rig.fail(Rule::once(Op::Attach, EIO).at(EndpointId(0)))?;
    rig.detach(domain);
    check_eq!(warnings.count(), 1);

    rig.attach(domain, None)?;
    rig.check_all(setting.members, rig.reach(domain))?;
    rig.detach(domain);
    check_eq!(warnings.count(), 1);
    rig.check_all(setting.members, rig.home())
}

fn owned_group_detaches_to_blocking(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    rig.claim()?;
    let domain = rig.domain()?;
    rig.attach(domain, None)?;
    rig.recorder().clear();
    rig.detach(domain);
    let calls = Calls::new().each(0..setting.members, None, Some(rig.tag(domain)))?;
    calls.check(&*rig)?;
    rig.check_all(setting.members, Reach::Aborted)?;
    rig.release();
    rig.check_all(setting.members, rig.home())
}

fn failed_detach_of_an_owned_group_is_warned_of_once(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    for failing in 0..setting.members {
        let mut kernel = Kernel::new(setting.members)?;
        kernel.claim()?;
        let domain = kernel.domain()?;
        kernel.attach(domain, None)?;
        let before = warnings.count();
        let rig: &mut dyn Rig = &mut kernel;
        rig.fail(Rule::once(Op::Attach, EIO).at(EndpointId(failing)))?;
        rig.detach(domain);
        check_eq!(warnings.count() - before, 1);
        // There is no other domain to try.
        check_eq!(rig.truth(failing), rig.reach(domain));
        check_eq!(kernel.differing()?, 1 << failing);
        kernel.release();
        check_eq!(kernel.differing()?, 0);
    }
    Ok(())
}

fn handle_goes_even_if_detach_fails(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let mut rig = setting.build()?;
    let domain = rig.domain()?;
    rig.attach(domain, Some(HandleNo(1)))?;
    rig.fail(Rule::once(Op::Attach, EIO).at(EndpointId(0)))?;
    rig.detach(domain);
    check_eq!(warnings.count(), 1);
    check_eq!(rig.handle(), Err(ENOENT));
    Ok(())
}

fn driver_that_lies_is_found_out(setting: &Setting) -> Outcome {
    let mut kernel = Kernel::new(setting.members)?;
    let domain = kernel.domain()?;
    let last = setting.members - 1;
    let lie = Rule::once(Op::Attach, EIO).leaving(Leave::Lie);
    let rig: &mut dyn Rig = &mut kernel;
    rig.fail(lie.at(EndpointId(last)))?;
    rig.attach(domain, None)?;
    check_eq!(kernel.differing()?, 1 << last);
    kernel.detach(domain);
    check_eq!(kernel.differing()?, 0);
    Ok(())
}
