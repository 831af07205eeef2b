// SPDX-License-Identifier: GPL-2.0

//! Strictness as policy of the core, with the layer that hands out IOVAs (R4.1, R4.2, R4.8, R4.12).

use crate::{
    dma::{
        Clock,
        Layer,
        Settings, //
    },
    families,
    group::{
        Endpoint,
        Iommu, //
    },
    iommu::{
        DefaultType,
        DmaPolicy,
        Domain,
        EndpointId,
        Prot, //
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mock::{
        endpoint::EndpointConfig,
        fault::FaultPlan,
        hw::Reach,
        shell::Mock, //
    },
    recorder::Recorder,
};
use families::Families;
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
    driver_sees_the_same_attaches_either_way;
}

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> u64 {
        1
    }
}

const PAGE: u64 = 0x1000;

/// A device whose default domain hands out IOVAs.
struct Scene {
    endpoint: Endpoint,
    iommu: Arc<Iommu>,
    mock: Arc<dyn Mock>,
    recorder: Arc<Recorder>,
}

impl Scene {
    fn new(system: DefaultType, deferred_flush: bool) -> Result<Self> {
        let mut config = families::config();
        config.deferred_flush = deferred_flush;
        let mut endpoints = KVec::new();
        endpoints.push(EndpointConfig::ordinary(0), GFP_KERNEL)?;
        let faults = Arc::pin_init(FaultPlan::new(), GFP_KERNEL)?;
        let instance = families::under_test()?.build(config, endpoints, faults)?;
        let recorder = Arc::pin_init(Recorder::new(instance.driver), GFP_KERNEL)?;
        let clock = Arc::new(Stopped, GFP_KERNEL)?;
        let layer: Arc<dyn DmaPolicy> =
            Arc::new(Layer::new(Settings::SHADOWED, clock), GFP_KERNEL)?;
        let iommu = Iommu::new(recorder.clone(), Some(layer), system);
        let iommu = Arc::pin_init(iommu, GFP_KERNEL)?;
        Ok(Self {
            endpoint: iommu.probe(EndpointId(0))?,
            iommu,
            mock: instance.mock,
            recorder,
        })
    }

    fn default(&self) -> Result<Arc<Domain>> {
        let state = self.endpoint.group().lock();
        Ok(state.default().ok_or(ENODEV)?.clone())
    }

    fn default_type(&self) -> Option<DefaultType> {
        self.endpoint.group().lock().default_type()
    }

    /// Maps a page, looks whether it is reached, unmaps it, and says whether that was lazy.
    fn is_lazy(&self) -> Outcome<bool> {
        let domain = self.default()?;
        let dma = Layer::of(&domain).ok_or(ENODEV)?;
        let iova = dma.map(&domain, 5 * PAGE, PAGE, Prot::RW, u64::MAX)?;
        let reach = self.mock.dma(EndpointId(0), None, iova);
        check_eq!(reach, Reach::Memory(5 * PAGE));
        dma.unmap(&domain, iova, PAGE);
        let queued = dma.queue().is_some_and(|queue| queue.len() != 0);
        let reach = self.mock.dma(EndpointId(0), None, iova);
        check!(queued || reach == Reach::Aborted);
        Ok(queued)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.iommu.release(&self.endpoint);
    }
}

fn lazy_is_granted_where_flushes_can_be_deferred() -> Outcome {
    let scene = Scene::new(DefaultType::DmaLazy, true)?;
    check_eq!(scene.default_type(), Some(DefaultType::DmaLazy));
    check!(scene.is_lazy()?);
    Ok(())
}

fn lazy_is_quietly_strict_where_they_cannot() -> Outcome {
    let scene = Scene::new(DefaultType::DmaLazy, false)?;
    check_eq!(scene.default_type(), Some(DefaultType::Dma));
    check!(!scene.is_lazy()?);
    Ok(())
}

fn strict_domain_turns_lazy_under_a_bound_driver() -> Outcome {
    let scene = Scene::new(DefaultType::Dma, true)?;
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
    let scene = Scene::new(DefaultType::Dma, false)?;
    let _ = scene
        .endpoint
        .group()
        .set_default_type(Some(DefaultType::DmaLazy));
    check_eq!(scene.default_type(), Some(DefaultType::Dma));
    check!(!scene.is_lazy()?);
    Ok(())
}

fn lazy_domain_turns_strict_only_when_unbound() -> Outcome {
    let scene = Scene::new(DefaultType::DmaLazy, true)?;
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

fn driver_sees_the_same_attaches_either_way() -> Outcome {
    let mut counts = [0; 2];
    for (count, system) in counts
        .iter_mut()
        .zip([DefaultType::Dma, DefaultType::DmaLazy])
    {
        let scene = Scene::new(system, true)?;
        scene.is_lazy()?;
        *count = scene.recorder.take().len();
    }
    let [strict, lazy] = counts;
    check!(strict != 0);
    check_eq!(strict, lazy);
    Ok(())
}
