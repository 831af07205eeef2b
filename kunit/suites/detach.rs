// SPDX-License-Identifier: GPL-2.0

//! Detach: back to the default or blocking domain, whatever the drivers say.

use super::{
    Size,
    SIZES, //
};
use crate::{
    families::Families,
    fixture::Fixture,
    group::{
        Belief,
        Park,
        Warning, //
    },
    iommu::EndpointId,
    kapi::kunit::{
        check,
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
    oracle,
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_detach over Families:
    failed_detach_warns_once_and_blocks_the_device: each Size in SIZES;
    failed_detach_is_mended_by_the_next_success: each Size in SIZES;
    fenced_device_detaches_without_a_warning: each Size in SIZES;
    detach_of_another_domain_warns_and_changes_nothing: each Size in SIZES;
}

pub(super) fn failed_detach_warns_once_and_blocks_the_device(size: &Size) -> Outcome {
    let warnings = WarnCounter::start()?;
    for failing in 0..size.members {
        let fixture = Fixture::new(size.members)?;
        let group = fixture.group()?;
        let domain = fixture.domain()?;
        check_eq!(group.attach(&domain), Ok(()));
        fixture.fail(Rule::once(Op::Attach, EIO).at(EndpointId(failing)))?;
        let before = warnings.count();
        group.detach(&domain);
        check_eq!(warnings.count(), before + 1);

        let state = group.lock();
        check_eq!(state.warned(Warning::FailedReturn), 1);
        for member in state.members() {
            let parked = matches!(member.belief(), Belief::Parked(Park::FailedReturn));
            check_eq!(parked, member.device().id() == EndpointId(failing));
        }
        drop(state);
        check_eq!(fixture.truth(failing), Reach::Aborted);
        oracle::check(&fixture)?;
        check_eq!(fixture.endpoint(0)?.use_default(), Err(EBUSY));
    }
    Ok(())
}

fn failed_detach_is_mended_by_the_next_success(size: &Size) -> Outcome {
    let warnings = WarnCounter::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let default = group.lock().default().ok_or(ENODEV)?.clone();
    let domain = fixture.domain()?;
    check_eq!(group.attach(&domain), Ok(()));
    fixture.fail(Rule::once(Op::Attach, EIO).at(EndpointId(0)))?;
    group.detach(&domain);
    check_eq!(warnings.count(), 1);

    check_eq!(group.attach(&domain), Ok(()));
    fixture.check_all_reach(&domain)?;
    group.detach(&domain);
    fixture.check_all_reach(&default)?;
    check_eq!(warnings.count(), 1);
    check_eq!(fixture.endpoint(0)?.use_default(), Ok(()));
    fixture.endpoint(0)?.unuse_default();
    Ok(())
}

fn fenced_device_detaches_without_a_warning(size: &Size) -> Outcome {
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let domain = fixture.domain()?;
    check_eq!(group.attach(&domain), Ok(()));
    let last = size.members - 1;
    fixture.fail(
        Rule::once(Op::Attach, EIO)
            .at(EndpointId(last))
            .leaving(Leave::Fenced),
    )?;
    group.detach(&domain);
    check_eq!(group.lock().warnings(), 0);
    check_eq!(group.lock().outcome().fenced, 1);
    check_eq!(fixture.truth(last), Reach::Aborted);
    oracle::check(&fixture)
}

fn detach_of_another_domain_warns_and_changes_nothing(size: &Size) -> Outcome {
    let warnings = WarnCounter::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let (domain, other) = (fixture.domain()?, fixture.domain()?);
    check_eq!(group.attach(&domain), Ok(()));
    fixture.recorder().clear();
    check!(group.detach(&other).is_none());
    check_eq!(warnings.count(), 1);
    check_eq!(fixture.recorder().clear(), 0);
    fixture.check_all_reach(&domain)?;
    group.detach(&domain);
    Ok(())
}
