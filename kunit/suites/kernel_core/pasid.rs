// SPDX-License-Identifier: GPL-2.0

//! PASIDs of groups: all members or none.

use super::KERNEL;
use crate::{
    ccore::Handle,
    families::{
        self,
        Families, //
    },
    iommu::{
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
    mock::{
        endpoint::InstanceConfig, //
        fault::{
            Op,
            Rule, //
        },
        hw::Reach,
    },
    rig::{
        HandleNo,
        Kernel,
        Rig,
        Setting,
        PASIDS,
        SETTINGS, //
    },
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_kernel_pasid over Families:
    pasid_reaches_its_domain_on_every_member: each Setting in SETTINGS;
    any_member_can_refuse_a_pasid: each Setting in SETTINGS;
    pasid_in_use_is_busy: each Setting in SETTINGS;
    pasid_out_of_range_is_refused: each Setting in SETTINGS;
    replaced_pasid_moves_on_every_member: each Setting in SETTINGS;
    any_member_can_refuse_to_replace_a_pasid: each Setting in SETTINGS;
    pasid_that_cannot_be_put_back_is_warned_of: each Setting in KERNEL;
    pasid_that_cannot_be_blocked_is_warned_of: each Setting in KERNEL;
    handle_that_replaces_itself_is_warned_of: each Setting in KERNEL;
    members_without_pasids_are_left_out: each Setting in KERNEL;
    number_of_pasids_is_exact;
}

fn check_pasid(rig: &dyn Rig, members: u32, pasid: Pasid, expected: Reach) -> Outcome {
    for at in 0..members {
        let truth = rig.pasid_truth(at, pasid);
        check!(
            truth == expected,
            "PASID of device {at} reaches {truth:x?}, not {expected:x?}"
        );
    }
    Ok(())
}

fn pasid_reaches_its_domain_on_every_member(setting: &Setting) -> Outcome {
    families::needs_pasids()?;
    let mut rig = setting.build()?;
    let (domain, other) = (rig.domain()?, rig.domain()?);
    let (one, two) = (Pasid::new(1)?, Pasid::new(2)?);
    rig.attach_pasid(0, domain, one)?;
    rig.attach_pasid(setting.members - 1, other, two)?;
    check_pasid(&*rig, setting.members, one, rig.reach(domain))?;
    check_pasid(&*rig, setting.members, two, rig.reach(other))?;
    rig.check_all(setting.members, rig.home())?;
    rig.detach_pasid(0, domain, one);
    check_pasid(&*rig, setting.members, one, Reach::Aborted)?;
    check_pasid(&*rig, setting.members, two, rig.reach(other))
}

fn any_member_can_refuse_a_pasid(setting: &Setting) -> Outcome {
    families::needs_pasids()?;
    let warnings = WarnCounter::start()?;
    let pasid = Pasid::new(1)?;
    for failing in 0..setting.members {
        let mut rig = setting.build()?;
        let domain = rig.domain()?;
        rig.fail(Rule::once(Op::SetPasid, ENOSPC).at(EndpointId(failing)))?;
        check_eq!(rig.attach_pasid(0, domain, pasid), Err(ENOSPC));
        check_pasid(&*rig, setting.members, pasid, Reach::Aborted)?;
        rig.free(domain);

        let domain = rig.domain()?;
        rig.attach_pasid(0, domain, pasid)?;
        check_pasid(&*rig, setting.members, pasid, rig.reach(domain))?;
    }
    check_eq!(warnings.count(), 0);
    Ok(())
}

fn pasid_in_use_is_busy(setting: &Setting) -> Outcome {
    families::needs_pasids()?;
    let mut rig = setting.build()?;
    let (domain, other) = (rig.domain()?, rig.domain()?);
    let pasid = Pasid::new(1)?;
    rig.attach_pasid(0, domain, pasid)?;
    for at in 0..setting.members {
        check_eq!(rig.attach_pasid(at, other, pasid), Err(EBUSY));
    }
    check_pasid(&*rig, setting.members, pasid, rig.reach(domain))
}

fn pasid_out_of_range_is_refused(setting: &Setting) -> Outcome {
    families::needs_pasids()?;
    let mut rig = setting.build()?;
    let domain = rig.domain()?;
    check_eq!(
        rig.attach_pasid(0, domain, Pasid::new(PASIDS)?),
        Err(EINVAL)
    );
    rig.attach_pasid(0, domain, Pasid::new(PASIDS - 1)?)?;
    Ok(())
}

fn replaced_pasid_moves_on_every_member(setting: &Setting) -> Outcome {
    families::needs_pasids()?;
    let mut rig = setting.build()?;
    let (old, new) = (rig.domain()?, rig.domain()?);
    let pasid = Pasid::new(3)?;
    // There is nothing to replace.
    check_eq!(rig.replace_pasid(0, new, pasid, HandleNo(1)), Err(EINVAL));
    rig.attach_pasid(0, old, pasid)?;
    rig.replace_pasid(0, new, pasid, HandleNo(1))?;
    check_pasid(&*rig, setting.members, pasid, rig.reach(new))?;
    rig.free(old);

    // With the same domain, only the handle is new.
    rig.recorder().clear();
    rig.replace_pasid(0, new, pasid, HandleNo(2))?;
    check_eq!(rig.recorder().clear(), 0);
    check_pasid(&*rig, setting.members, pasid, rig.reach(new))
}

fn any_member_can_refuse_to_replace_a_pasid(setting: &Setting) -> Outcome {
    families::needs_pasids()?;
    let warnings = WarnCounter::start()?;
    let pasid = Pasid::new(1)?;
    for failing in 0..setting.members {
        let mut rig = setting.build()?;
        let (old, new) = (rig.domain()?, rig.domain()?);
        rig.attach_pasid(0, old, pasid)?;
        rig.fail(Rule::once(Op::SetPasid, EIO).at(EndpointId(failing)))?;
        check_eq!(rig.replace_pasid(0, new, pasid, HandleNo(1)), Err(EIO));
        check_pasid(&*rig, setting.members, pasid, rig.reach(old))?;
        rig.free(new);
    }
    check_eq!(warnings.count(), 0);
    Ok(())
}

fn pasid_that_cannot_be_put_back_is_warned_of(setting: &Setting) -> Outcome {
    families::needs_pasids()?;
    let warnings = WarnCounter::start()?;
    let pasid = Pasid::new(1)?;
    for failing in 0..setting.members {
        let mut kernel = Kernel::new(setting.members)?;
        let rig: &mut dyn Rig = &mut kernel;
        let (old, new) = (rig.domain()?, rig.domain()?);
        rig.attach_pasid(0, old, pasid)?;
        let before = warnings.count();
        for at in 0..=failing {
            // Each member moves once, and then refuses.
            let moves = u32::from(at != failing);
            rig.fail(
                Rule::once(Op::SetPasid, EIO)
                    .at(EndpointId(at))
                    .after(moves),
            )?;
        }
        check_eq!(rig.replace_pasid(0, new, pasid, HandleNo(1)), Err(EIO));
        check_eq!(warnings.count() - before, failing);
        check_pasid(rig, failing, pasid, Reach::Aborted)?;
        for at in failing..setting.members {
            check_eq!(rig.pasid_truth(at, pasid), rig.reach(old));
        }
    }
    Ok(())
}

fn pasid_that_cannot_be_blocked_is_warned_of(setting: &Setting) -> Outcome {
    families::needs_pasids()?;
    let warnings = WarnCounter::start()?;
    let mut kernel = Kernel::new(setting.members)?;
    let rig: &mut dyn Rig = &mut kernel;
    let (domain, pasid) = (rig.domain()?, Pasid::new(1)?);
    rig.attach_pasid(0, domain, pasid)?;
    let rule = Rule::once(Op::SetPasid, EIO).towards(Kind::Blocked);
    rig.fail(rule.times(setting.members))?;
    rig.detach_pasid(0, domain, pasid);
    check_eq!(warnings.count(), setting.members);
    check_pasid(rig, setting.members, pasid, rig.reach(domain))?;
    // The core believes that the PASID is free.
    rig.attach_pasid(0, domain, pasid)?;
    Ok(())
}

fn handle_that_replaces_itself_is_warned_of(setting: &Setting) -> Outcome {
    families::needs_pasids()?;
    let warnings = WarnCounter::start()?;
    let mut kernel = Kernel::new(setting.members)?;
    let (number, pasid) = (kernel.domain()?, Pasid::new(1)?);
    let (domain, handle) = (kernel.get(number)?, Handle::new(1)?);
    let endpoint = kernel.endpoint(0)?;
    endpoint.attach_pasid(domain, pasid, Some(&handle))?;
    check_eq!(endpoint.replace_pasid(domain, pasid, &handle), Err(EINVAL));
    check_eq!(warnings.count(), 1);
    endpoint.detach_pasid(domain, pasid);
    Ok(())
}

fn members_without_pasids_are_left_out(setting: &Setting) -> Outcome {
    families::needs_pasids()?;
    let last = setting.members - 1;
    let mut kernel = Kernel::with(
        InstanceConfig::default(),
        setting.members,
        |id, endpoint| {
            endpoint.max_pasids = match id == last {
                true => 0,
                false => PASIDS,
            };
        },
    )?;
    for id in 0..setting.members {
        kernel.plug(id)?;
    }
    kernel.recorder().clear();
    let rig: &mut dyn Rig = &mut kernel;
    let (domain, pasid) = (rig.domain()?, Pasid::new(1)?);
    rig.attach_pasid(last, domain, pasid)?;
    check_eq!(rig.recorder().clear(), last as usize);
    check_pasid(rig, last, pasid, rig.reach(domain))?;
    check_eq!(rig.pasid_truth(last, pasid), Reach::Aborted);
    Ok(())
}

fn number_of_pasids_is_exact() -> Outcome {
    families::needs_pasids()?;
    for count in [1, 2, 3, 7, 1000] {
        let config = InstanceConfig::default();
        let mut kernel = Kernel::with(config, 1, |_, endpoint| endpoint.max_pasids = count)?;
        kernel.plug(0)?;
        let domain = kernel.domain()?;
        let mut attach = |pasid| kernel.attach_pasid(0, domain, Pasid::new(pasid)?);
        check_eq!(attach(count), Err(EINVAL));
        if count > 1 {
            attach(count - 1)?;
        }
    }
    Ok(())
}
