// SPDX-License-Identifier: GPL-2.0

//! Strictness as policy of the core, with the layer that hands out IOVAs (R4.1, R4.2, R4.8, R4.10,
//! R4.12).

use crate::{
    families::Families,
    iommu::DefaultType,
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    layered::Layered,
    mock::hw::Reach,
    system_type,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_dma_policy over Families:
    lazy_is_granted_where_flushes_can_be_deferred;
    lazy_is_quietly_strict_where_they_cannot;
    strict_domain_turns_lazy_under_a_bound_driver;
    strict_domain_stays_strict_where_flushes_cannot_be_deferred;
    lazy_domain_turns_strict_only_when_unbound;
    lazy_domain_turns_strict_for_a_device_that_must_not_be_lazy;
    driver_sees_the_same_attaches_either_way;
    parameter_chooses_where_nobody_else_does;
}

fn lazy_is_granted_where_flushes_can_be_deferred() -> Outcome {
    let scene = Layered::new(None, DefaultType::DmaLazy, true)?;
    check_eq!(scene.default_type(), Some(DefaultType::DmaLazy));
    check!(scene.is_lazy()?);
    Ok(())
}

fn lazy_is_quietly_strict_where_they_cannot() -> Outcome {
    let scene = Layered::new(None, DefaultType::DmaLazy, false)?;
    check_eq!(scene.default_type(), Some(DefaultType::Dma));
    check!(!scene.is_lazy()?);
    Ok(())
}

fn strict_domain_turns_lazy_under_a_bound_driver() -> Outcome {
    let scene = Layered::new(None, DefaultType::Dma, true)?;
    check!(!scene.is_lazy()?);
    scene.endpoint.use_default()?;
    let (domain, group) = (scene.default()?, scene.endpoint.group());
    check_eq!(group.set_default_type(Some(DefaultType::DmaLazy)), Ok(()));
    check!(Arc::ptr_eq(&domain, &scene.default()?));
    check!(scene.is_lazy()?);
    scene.endpoint.unuse_default();
    Ok(())
}

fn strict_domain_stays_strict_where_flushes_cannot_be_deferred() -> Outcome {
    let scene = Layered::new(None, DefaultType::Dma, false)?;
    let _ = scene
        .endpoint
        .group()
        .set_default_type(Some(DefaultType::DmaLazy));
    check_eq!(scene.default_type(), Some(DefaultType::Dma));
    check!(!scene.is_lazy()?);
    Ok(())
}

fn lazy_domain_turns_strict_only_when_unbound() -> Outcome {
    let scene = Layered::new(None, DefaultType::DmaLazy, true)?;
    let group = scene.endpoint.group();
    scene.endpoint.use_default()?;
    for what in [DefaultType::Dma, DefaultType::Identity] {
        check_eq!(group.set_default_type(Some(what)), Err(EPERM));
        check!(scene.is_lazy()?);
    }
    scene.endpoint.unuse_default();
    check_eq!(group.set_default_type(Some(DefaultType::Dma)), Ok(()));
    check!(!scene.is_lazy()?);
    Ok(())
}

fn lazy_domain_turns_strict_for_a_device_that_must_not_be_lazy() -> Outcome {
    let mut scene = Layered::new(None, DefaultType::DmaLazy, true)?;
    scene.endpoint.use_default()?;
    let (domain, kept) = (scene.default()?, scene.map(0x7000)?);
    let queued = scene.map(0x8000)?;
    scene.unmap(queued)?;
    scene.recorder.clear();
    scene.join()?;

    // The domain is the same, and nobody who uses it has noticed.
    check_eq!(scene.recorder.take().len(), 2);
    check!(Arc::ptr_eq(&domain, &scene.default()?));
    check_eq!(scene.reach(kept), Reach::Memory(0x7000));
    check_eq!(scene.reach(queued), Reach::Aborted);
    check_eq!(scene.default_type(), Some(DefaultType::Dma));
    check!(!scene.is_lazy()?);
    let wanted = Some(DefaultType::DmaLazy);
    check_eq!(scene.endpoint.group().set_default_type(wanted), Ok(()));
    check_eq!(scene.default_type(), Some(DefaultType::Dma));
    check!(!scene.is_lazy()?);

    // Once it has gone, a user may ask for lazy again, and gets the queue that there is.
    scene.leave()?;
    check_eq!(scene.default_type(), Some(DefaultType::Dma));
    check_eq!(scene.endpoint.group().set_default_type(wanted), Ok(()));
    check_eq!(scene.default_type(), wanted);
    check!(scene.is_lazy()?);
    scene.endpoint.unuse_default();
    Ok(())
}

fn driver_sees_the_same_attaches_either_way() -> Outcome {
    let mut counts = [0; 2];
    for (count, system) in counts
        .iter_mut()
        .zip([DefaultType::Dma, DefaultType::DmaLazy])
    {
        let scene = Layered::new(None, system, true)?;
        scene.is_lazy()?;
        *count = scene.recorder.take().len();
    }
    let [strict, lazy] = counts;
    check!(strict != 0);
    check_eq!(strict, lazy);
    Ok(())
}

fn parameter_chooses_where_nobody_else_does() -> Outcome {
    let scene = Layered::new(None, system_type(), true)?;
    check_eq!(scene.default_type(), Some(system_type()));
    check_eq!(scene.is_lazy()?, system_type() == DefaultType::DmaLazy);
    Ok(())
}
