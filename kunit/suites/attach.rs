// SPDX-License-Identifier: GPL-2.0

//! Attach: from a domain of the core to one of the user's, all members or none.

use super::{
    Size,
    SEVERAL,
    SIZES, //
};
use crate::{
    families::Families,
    fixture::{
        foreign_domain,
        Fixture, //
    },
    group::{
        self,
        Step, //
    },
    iommu::{
        AttachError,
        EndpointId, //
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
};
use core::cmp::Ordering;
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_attach over Families:
    attach_moves_every_member_in_order: each Size in SIZES;
    attach_over_a_users_domain_is_busy: each Size in SIZES;
    attach_of_the_default_domain_calls_nobody: each Size in SIZES;
    attach_unwinds_when_a_member_refuses: each Size in SIZES;
    attach_can_be_repeated_after_a_failure: each Size in SEVERAL;
    attach_of_a_foreign_domain_is_incompatible: each Size in SIZES;
    attach_of_a_device_needs_it_alone: each Size in SIZES;
}

pub(super) fn attach_moves_every_member_in_order(size: &Size) -> Outcome {
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let default = group.lock().default().ok_or(ENODEV)?.clone();
    let domain = fixture.domain()?;
    fixture.check_all_reach(&default)?;
    check_eq!(group.attach(&domain), Ok(()));
    fixture.check_all_reach(&domain)?;
    let events = fixture.recorder().take();
    check_eq!(events.len(), size.members as usize);
    for (id, event) in events.iter().enumerate() {
        check_eq!(event.endpoint, EndpointId(id as u32));
    }
    check_eq!(group.lock().outcome().moved, size.members as usize);
    group.detach(&domain);
    fixture.check_all_reach(&default)
}

fn attach_over_a_users_domain_is_busy(size: &Size) -> Outcome {
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let (first, second) = (fixture.domain()?, fixture.domain()?);
    check_eq!(group.attach(&first), Ok(()));
    fixture.recorder().clear();
    check_eq!(group.attach(&second), Err(AttachError::Failed(EBUSY)));
    check_eq!(group.attach(&first), Err(AttachError::Failed(EBUSY)));
    check_eq!(fixture.recorder().clear(), 0);
    fixture.check_all_reach(&first)?;
    group.detach(&first);
    Ok(())
}

fn attach_of_the_default_domain_calls_nobody(size: &Size) -> Outcome {
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let default = group.lock().default().ok_or(ENODEV)?.clone();
    check_eq!(group.attach(&default), Ok(()));
    check_eq!(fixture.recorder().clear(), 0);
    fixture.check_all_reach(&default)
}

pub(super) fn attach_unwinds_when_a_member_refuses(size: &Size) -> Outcome {
    for failing in 0..size.members {
        let fixture = Fixture::new(size.members)?;
        let group = fixture.group()?;
        let default = group.lock().default().ok_or(ENODEV)?.clone();
        let domain = fixture.domain()?;
        fixture.fail(Rule::once(Op::Attach, ENOSPC).at(EndpointId(failing)))?;
        check_eq!(group.attach(&domain), Err(AttachError::Failed(ENOSPC)));
        fixture.check_all_reach(&default)?;

        // Forth up to the failing member, which gets no second call, and back.
        let mut expected = KVec::new();
        for id in 0..=failing {
            expected.push((id, &domain, Some(&default)), GFP_KERNEL)?;
        }
        for id in 0..failing {
            expected.push((id, &default, Some(&domain)), GFP_KERNEL)?;
        }
        fixture.check_attached(&expected)?;
        let state = group.lock();
        let failing = failing as usize;
        let expected = group::Outcome {
            reverted: failing,
            ..group::Outcome::default()
        };
        check_eq!(state.outcome(), expected);
        for (at, member) in state.members().iter().enumerate() {
            let step = match at.cmp(&failing) {
                Ordering::Less => Step::Reverted,
                Ordering::Equal => Step::Refused,
                Ordering::Greater => Step::Untouched,
            };
            check_eq!(member.step(), step);
        }
        drop(state);
        check_eq!(group.lock().warnings(), 0);
    }
    Ok(())
}

fn attach_can_be_repeated_after_a_failure(size: &Size) -> Outcome {
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let domain = fixture.domain()?;
    fixture.fail(Rule::once(Op::Attach, ENOMEM).at(EndpointId(1)))?;
    check_eq!(group.attach(&domain), Err(AttachError::Failed(ENOMEM)));
    check_eq!(group.attach(&domain), Ok(()));
    fixture.check_all_reach(&domain)?;
    group.detach(&domain);
    Ok(())
}

fn attach_of_a_foreign_domain_is_incompatible(size: &Size) -> Outcome {
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let default = group.lock().default().ok_or(ENODEV)?.clone();
    let foreign = foreign_domain()?;
    check_eq!(group.attach(&foreign), Err(AttachError::Incompatible));
    check_eq!(fixture.recorder().clear(), 0);
    fixture.check_all_reach(&default)
}

fn attach_of_a_device_needs_it_alone(size: &Size) -> Outcome {
    let fixture = Fixture::new(size.members)?;
    let endpoint = fixture.endpoint(0)?;
    let domain = fixture.domain()?;
    let result = endpoint.attach(&domain);
    if size.members > 1 {
        check_eq!(result, Err(AttachError::Failed(EINVAL)));
        check_eq!(fixture.recorder().clear(), 0);
        return Ok(());
    }
    check_eq!(result, Ok(()));
    fixture.check_all_reach(&domain)?;
    endpoint.detach(&domain);
    check!(endpoint.group().lock().warnings() == 0);
    Ok(())
}
