// SPDX-License-Identifier: GPL-2.0

//! What the oracle must notice: drivers that break the contract.

use super::{
    Size,
    SIZES, //
};
use crate::{
    families::{
        self,
        Families, //
    },
    fixture::Fixture,
    group::Belief,
    iommu::{
        AttachError,
        EndpointId,
        Kind,
        Pasid, //
    },
    kapi::kunit::{
        check,
        check_eq,
        fails,
        kunit_suite,
        Outcome,
        WarnCounter, //
    },
    mock::fault::{
        Leave,
        Op,
        Rule, //
    },
    oracle,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_oracle over Families:
    driver_that_blocks_and_fails_is_noticed: each Size in SIZES;
    driver_that_switches_and_fails_is_noticed: each Size in SIZES;
    driver_that_succeeds_without_attaching_is_noticed: each Size in SIZES;
    driver_that_loses_a_pasid_is_noticed: each Size in SIZES;
    fenced_device_is_no_breach: each Size in SIZES;
    device_that_cannot_even_be_blocked_is_lost: each Size in SIZES;
}

/// A refused replace that leaves something behind in the last device.
fn broken_replace(size: &Size, leave: Leave) -> Outcome<Fixture> {
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let (old, new) = (fixture.domain()?, fixture.domain()?);
    check_eq!(group.attach(&old), Ok(()));
    oracle::check(&fixture)?;
    let last = EndpointId(size.members - 1);
    fixture.fail(Rule::once(Op::Attach, EIO).at(last).leaving(leave))?;
    let result = group.replace(&new, None).map(|_| ());
    let expected = match leave {
        Leave::Lie | Leave::Fenced => Ok(()),
        Leave::Unchanged | Leave::Blocked | Leave::Half => Err(AttachError::Failed(EIO)),
    };
    check_eq!(result, expected);
    Ok(fixture)
}

fn driver_that_blocks_and_fails_is_noticed(size: &Size) -> Outcome {
    let fixture = broken_replace(size, Leave::Blocked)?;
    check!(fails(|| oracle::check(&fixture)));
    Ok(())
}

fn driver_that_switches_and_fails_is_noticed(size: &Size) -> Outcome {
    let fixture = broken_replace(size, Leave::Half)?;
    check!(fails(|| oracle::check(&fixture)));
    Ok(())
}

fn driver_that_succeeds_without_attaching_is_noticed(size: &Size) -> Outcome {
    let fixture = broken_replace(size, Leave::Lie)?;
    check!(fails(|| oracle::check(&fixture)));
    Ok(())
}

fn driver_that_loses_a_pasid_is_noticed(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let fixture = Fixture::new(size.members)?;
    let endpoint = fixture.endpoint(0)?;
    let (domain, pasid) = (fixture.domain()?, Pasid::new(2)?);
    fixture.fail(Rule::once(Op::SetPasid, EIO).leaving(Leave::Lie))?;
    check_eq!(endpoint.attach_pasid(&domain, pasid, None), Ok(()));
    check!(fails(|| oracle::check(&fixture)));
    endpoint.detach_pasid(&domain, pasid);
    oracle::check(&fixture)
}

fn fenced_device_is_no_breach(size: &Size) -> Outcome {
    let fixture = broken_replace(size, Leave::Fenced)?;
    check_eq!(fixture.group()?.lock().warnings(), 0);
    oracle::check(&fixture)
}

fn device_that_cannot_even_be_blocked_is_lost(size: &Size) -> Outcome {
    let warnings = WarnCounter::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let domain = fixture.domain()?;
    check_eq!(group.attach(&domain), Ok(()));
    fixture.fail(Rule::once(Op::Attach, EIO).at(EndpointId(0)))?;
    let block = Rule::once(Op::Attach, EIO).at(EndpointId(0));
    fixture.fail(block.towards(Kind::Blocked))?;
    group.detach(&domain);
    check_eq!(warnings.count(), 1);
    let lost = match group.lock().members().first().map(|m| m.belief().clone()) {
        // What it may still reach is kept alive for it.
        Some(Belief::Lost(Some(kept))) => Arc::ptr_eq(&kept, &domain),
        _ => false,
    };
    check!(lost, "the core claims to know where the device is");
    check_eq!(fixture.endpoint(0)?.use_default(), Err(EBUSY));

    // The next success finds it again.
    check_eq!(group.attach(&domain), Ok(()));
    fixture.check_all_reach(&domain)?;
    group.detach(&domain);
    let found = {
        let state = group.lock();
        let mut members = state.members().iter();
        members.all(|m| matches!(m.belief(), Belief::OnDomain(_)))
    };
    check!(found, "a device is still astray");
    oracle::check(&fixture)
}
