// SPDX-License-Identifier: GPL-2.0

//! Binding: when a kernel driver may use a device, and when it has to let go.

use super::{
    expect::{
        check_calls,
        default_of,
        Watch,
        OWNER, //
    },
    Size,
    SIZES, //
};
use crate::{
    families::{
        self,
        Families, //
    },
    fixture::Fixture,
    group::{
        Handle,
        Ownership,
        Warning, //
    },
    iommu::Pasid,
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    oracle,
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_bind over Families:
    drivers_are_counted: each Size in SIZES;
    driver_is_refused_while_a_user_owns_the_group: each Size in SIZES;
    driver_is_refused_on_a_users_domain: each Size in SIZES;
    driver_is_refused_while_anything_is_attached: each Size in SIZES;
    end_of_a_use_that_never_began_warns: each Size in SIZES;
    end_of_use_with_attachments_left_warns: each Size in SIZES;
}

const fn kernel(drivers: u32) -> Ownership {
    Ownership::Kernel { drivers }
}

fn drivers_are_counted(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    check!(!group.is_claimed());
    for (bound, endpoint) in fixture.endpoints().iter().enumerate() {
        check_eq!(endpoint.use_default(), Ok(()));
        check_eq!(group.lock().owner(), kernel(bound as u32 + 1));
        check!(group.is_claimed());
        oracle::check(&fixture)?;
    }
    for (left, endpoint) in fixture.endpoints().iter().enumerate().rev() {
        endpoint.unuse_default();
        let expected = match left {
            0 => Ownership::Free,
            drivers => kernel(drivers as u32),
        };
        check_eq!(group.lock().owner(), expected);
        oracle::check(&fixture)?;
    }
    check!(!group.is_claimed());
    check_calls(&fixture, &[])?;
    check_eq!(watch.count(), 0);
    Ok(())
}

fn driver_is_refused_while_a_user_owns_the_group(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let domain = fixture.domain()?;
    check_eq!(group.claim(OWNER), Ok(()));
    for endpoint in fixture.endpoints() {
        watch.refuses(&fixture, group, EBUSY, || endpoint.use_default())?;
    }
    check_eq!(group.attach(&domain), Ok(()));
    watch.refuses(&fixture, group, EBUSY, || {
        fixture.endpoint(0)?.use_default()
    })?;
    group.detach(&domain);
    group.release_claims();
    check_eq!(fixture.endpoint(0)?.use_default(), Ok(()));
    fixture.endpoint(0)?.unuse_default();
    Ok(())
}

fn driver_is_refused_on_a_users_domain(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let (domain, endpoint) = (fixture.domain()?, fixture.endpoint(0)?);
    // A driver that is bound may attach a domain of its own; then no second one may bind. Unlike
    // with the kernel's core, no first one either.
    for drivers in [0, 1] {
        for _ in 0..drivers {
            endpoint.use_default()?;
        }
        check_eq!(group.attach(&domain), Ok(()));
        watch.refuses(&fixture, group, EBUSY, || endpoint.use_default())?;
        group.detach(&domain);
        for _ in 0..drivers {
            endpoint.unuse_default();
        }
        check_eq!(group.lock().owner(), Ownership::Free);
    }
    fixture.check_all_reach(&default_of(&fixture)?)
}

fn driver_is_refused_while_anything_is_attached(size: &Size) -> Outcome {
    families::needs_pasids()?;
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let (domain, endpoint, one) = (fixture.domain()?, fixture.endpoint(0)?, Pasid::new(1)?);
    for drivers in [0, 1] {
        for _ in 0..drivers {
            endpoint.use_default()?;
        }
        check_eq!(endpoint.attach_pasid(&domain, one, None), Ok(()));
        watch.refuses(&fixture, group, EBUSY, || endpoint.use_default())?;
        endpoint.detach_pasid(&domain, one);
        check_eq!(endpoint.use_default(), Ok(()));
        check_eq!(group.lock().owner(), kernel(drivers + 1));
        for _ in 0..=drivers {
            endpoint.unuse_default();
        }
    }
    Ok(())
}

fn end_of_a_use_that_never_began_warns(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let unuse = || fixture.endpoint(0).map(|endpoint| endpoint.unuse_default());
    watch.only_warns(&fixture, group, Warning::BadUnuse, unuse)??;
    check_eq!(group.claim(OWNER), Ok(()));
    watch.only_warns(&fixture, group, Warning::BadUnuse, unuse)??;
    group.release_claims();
    fixture.endpoint(0)?.use_default()?;
    unuse()?;
    check_eq!(watch.count(), 2);
    watch.only_warns(&fixture, group, Warning::BadUnuse, unuse)??;
    Ok(())
}

fn end_of_use_with_attachments_left_warns(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let (domain, endpoint, one) = (fixture.domain()?, fixture.endpoint(0)?, Pasid::new(1)?);
    endpoint.use_default()?;

    if families::has_pasids()? {
        check_eq!(endpoint.attach_pasid(&domain, one, None), Ok(()));
        watch.only_warns(&fixture, group, Warning::BadUnuse, || {
            endpoint.unuse_default()
        })?;
        endpoint.detach_pasid(&domain, one);
    }

    let warned = watch.count();
    check_eq!(group.attach_with(&domain, Handle::new(1)?), Ok(()));
    watch.only_warns(&fixture, group, Warning::BadUnuse, || {
        endpoint.unuse_default()
    })?;
    group.detach(&domain);

    check_eq!(group.lock().owner(), kernel(1));
    endpoint.unuse_default();
    check_eq!(group.lock().owner(), Ownership::Free);
    check_eq!(watch.count(), warned + 1);
    Ok(())
}
