// SPDX-License-Identifier: GPL-2.0

//! Replace: from one domain to another without blocking in between, all members or none.

use crate::{
    families::Families,
    fixture::{
        foreign_domain,
        Fixture, //
    },
    iommu::{
        AttachError,
        EndpointId, //
    },
    kapi::kunit::{
        check_eq,
        kunit_suite,
        Outcome, //
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
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_replace over Families:
    replace_goes_straight_from_old_to_new: each Setting in SETTINGS;
    replace_by_the_same_domain_calls_nobody: each Setting in SETTINGS;
    replace_from_the_default_domain_attaches: each Setting in SETTINGS;
    failed_replace_keeps_the_old_domain_on_every_member: each Setting in SETTINGS;
    domain_of_a_failed_replace_can_be_freed: each Setting in SETTINGS;
    soft_refusal_of_a_replace_is_told_apart: each Setting in SETTINGS;
    replace_by_a_foreign_domain_is_incompatible: each Size in SIZES;
}

pub(super) fn replace_goes_straight_from_old_to_new(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    let (old, new) = (rig.domain()?, rig.domain()?);
    rig.attach(old, Some(HandleNo(1)))?;
    rig.recorder().clear();
    rig.replace(new, HandleNo(2))?;
    rig.check_all(setting.members, rig.reach(new))?;
    let mut expected = KVec::new();
    for at in 0..setting.members {
        expected.push((at, Some(rig.tag(new)), Some(rig.tag(old))), GFP_KERNEL)?;
    }
    rig.check_calls(&expected)?;
    rig.detach(new);
    rig.check_all(setting.members, rig.home())
}

fn replace_by_the_same_domain_calls_nobody(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    let domain = rig.domain()?;
    rig.attach(domain, Some(HandleNo(1)))?;
    rig.recorder().clear();
    // The first replace moves all members; doing it again for each of them changes nothing (R3.9).
    for at in 0..setting.members {
        let handle = HandleNo(2 + u64::from(at));
        rig.replace(domain, handle)?;
        check_eq!(rig.handle(), Ok(handle));
    }
    rig.check_calls(&[])?;
    rig.check_all(setting.members, rig.reach(domain))?;
    rig.detach(domain);
    Ok(())
}

fn replace_from_the_default_domain_attaches(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    let domain = rig.domain()?;
    rig.replace(domain, HandleNo(1))?;
    rig.check_all(setting.members, rig.reach(domain))?;
    check_eq!(rig.handle(), Ok(HandleNo(1)));
    rig.detach(domain);
    rig.check_all(setting.members, rig.home())
}

pub(super) fn failed_replace_keeps_the_old_domain_on_every_member(setting: &Setting) -> Outcome {
    for failing in 0..setting.members {
        let mut rig = setting.build()?;
        let (old, new) = (rig.domain()?, rig.domain()?);
        rig.attach(old, Some(HandleNo(1)))?;
        rig.recorder().clear();
        rig.fail(Rule::once(Op::Attach, ENOSPC).at(EndpointId(failing)))?;
        check_eq!(rig.replace(new, HandleNo(2)), Err(ENOSPC));
        rig.check_all(setting.members, rig.reach(old))?;
        check_eq!(rig.handle(), Ok(HandleNo(1)));

        let (old_tag, new_tag) = (Some(rig.tag(old)), Some(rig.tag(new)));
        let mut expected = KVec::new();
        for at in 0..=failing {
            expected.push((at, new_tag, old_tag), GFP_KERNEL)?;
        }
        for at in 0..failing {
            expected.push((at, old_tag, new_tag), GFP_KERNEL)?;
        }
        rig.check_calls(&expected)?;
        rig.detach(old);
        rig.check_all(setting.members, rig.home())?;
    }
    Ok(())
}

fn domain_of_a_failed_replace_can_be_freed(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    let (old, new) = (rig.domain()?, rig.domain()?);
    rig.attach(old, Some(HandleNo(1)))?;
    let last = EndpointId(setting.members - 1);
    rig.fail(Rule::once(Op::Attach, EIO).at(last))?;
    check_eq!(rig.replace(new, HandleNo(2)), Err(EIO));
    rig.free(new);
    rig.check_all(setting.members, rig.reach(old))?;
    rig.detach(old);
    rig.check_all(setting.members, rig.home())
}

fn soft_refusal_of_a_replace_is_told_apart(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    let (old, new) = (rig.domain()?, rig.domain()?);
    rig.attach(old, Some(HandleNo(1)))?;
    let soft = crate::kapi::errno::emediumtype();
    rig.fail(Rule::once(Op::Attach, soft).at(EndpointId(0)))?;
    let expected = rig.soft();
    check_eq!(rig.replace(new, HandleNo(2)), Err(expected));
    rig.check_all(setting.members, rig.reach(old))?;
    rig.detach(old);
    Ok(())
}

pub(super) fn replace_by_a_foreign_domain_is_incompatible(size: &Size) -> Outcome {
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let (domain, foreign) = (fixture.domain()?, foreign_domain()?);
    check_eq!(group.attach(&domain), Ok(()));
    fixture.recorder().clear();
    let result = group.replace(&foreign, None).map(|_| ());
    check_eq!(result, Err(AttachError::Incompatible));
    check_eq!(fixture.recorder().clear(), 0);
    fixture.check_all_reach(&domain)?;
    group.detach(&domain);
    Ok(())
}
