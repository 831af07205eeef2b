// SPDX-License-Identifier: GPL-2.0

//! A device under our core whose default domain hands out IOVAs, and one that may join it and must
//! not be lazy.

use crate::{
    dma::{
        Clock,
        DmaDomain,
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
        Outcome, //
    },
    mock::{
        endpoint::EndpointConfig,
        family::Family,
        fault::FaultPlan,
        hw::Reach,
        shell::Mock, //
    },
    recorder::Recorder,
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// A clock that stands still until it is told to go on.
pub(crate) struct Manual(Atomic<u64>);

impl Manual {
    /// Lets milliseconds pass.
    pub(crate) fn pass(&self, time: u64) {
        self.0.fetch_add(time, Relaxed);
    }
}

impl Clock for Manual {
    fn now(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Bytes of a page.
const PAGE: u64 = 0x1000;

/// See the module.
pub(crate) struct Layered {
    pub(crate) endpoint: Endpoint,
    other: Option<Endpoint>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) clock: Arc<Manual>,
    iommu: Arc<Iommu>,
    mock: Arc<dyn Mock>,
}

impl Layered {
    /// Makes it of a family, or the one under test, on a system where default domains are of type
    /// `system`. The layer is tuned for dear flushes.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(
        family: Option<u32>,
        system: DefaultType,
        deferred_flush: bool,
    ) -> Result<Self> {
        let mut config = families::config();
        config.deferred_flush = deferred_flush;
        let mut endpoints = KVec::new();
        endpoints.push(EndpointConfig::ordinary(0), GFP_KERNEL)?;
        let other = EndpointConfig {
            deferred_flush: false,
            ..EndpointConfig::ordinary(0)
        };
        endpoints.push(other, GFP_KERNEL)?;
        let faults = Arc::pin_init(FaultPlan::new(), GFP_KERNEL)?;
        let family = match family {
            Some(number) => Family::try_from(number)?,
            None => families::under_test()?,
        };
        let instance = family.build(config, endpoints, faults)?;
        let recorder = Arc::pin_init(Recorder::new(instance.driver), GFP_KERNEL)?;
        let clock = Arc::new(Manual(Atomic::new(1)), GFP_KERNEL)?;
        let layer: Arc<dyn DmaPolicy> =
            Arc::new(Layer::new(Settings::SHADOWED, clock.clone()), GFP_KERNEL)?;
        let iommu = Iommu::new(recorder.clone(), Some(layer), system);
        let iommu = Arc::pin_init(iommu, GFP_KERNEL)?;
        Ok(Self {
            endpoint: iommu.probe(EndpointId(0))?,
            other: None,
            iommu,
            mock: instance.mock,
            recorder,
            clock,
        })
    }

    /// Plugs the other device in.
    pub(crate) fn join(&mut self) -> Result {
        self.other = Some(self.iommu.probe(EndpointId(1))?);
        Ok(())
    }

    /// Unplugs it.
    pub(crate) fn leave(&mut self) -> Result {
        let other = self.other.take().ok_or(ENODEV)?;
        self.iommu.release(&other)
    }

    /// The default domain.
    pub(crate) fn default(&self) -> Result<Arc<Domain>> {
        let state = self.endpoint.group().lock();
        Ok(state.default().ok_or(ENODEV)?.clone())
    }

    /// Its type.
    pub(crate) fn default_type(&self) -> Option<DefaultType> {
        self.endpoint.group().lock().default_type()
    }

    /// Where the device gets to.
    pub(crate) fn reach(&self, iova: u64) -> Reach {
        self.mock.dma(EndpointId(0), None, iova)
    }

    /// Calls `op` with the default domain and the part of it that hands out IOVAs.
    pub(crate) fn with<T>(&self, op: impl FnOnce(&DmaDomain, &Domain) -> Result<T>) -> Result<T> {
        let domain = self.default()?;
        let dma = Layer::of(&domain).ok_or(ENODEV)?;
        op(dma, &domain)
    }

    /// Maps a page of memory.
    pub(crate) fn map(&self, paddr: u64) -> Result<u64> {
        self.with(|dma, domain| dma.map(domain, paddr, PAGE, Prot::RW, u64::MAX))
    }

    /// Unmaps it.
    pub(crate) fn unmap(&self, iova: u64) -> Result {
        self.with(|dma, domain| {
            dma.unmap(domain, iova, PAGE);
            Ok(())
        })
    }

    /// Maps a page, looks whether it is reached, unmaps it, and says whether that was lazy.
    pub(crate) fn is_lazy(&self) -> Outcome<bool> {
        let iova = self.map(5 * PAGE)?;
        check_eq!(self.reach(iova), Reach::Memory(5 * PAGE));
        self.unmap(iova)?;
        let waits = |dma: &DmaDomain, _: &Domain| {
            let queue = dma.queue();
            Ok(queue.is_some_and(|queue| queue.len() != 0))
        };
        let queued = self.with(waits)?;
        check!(queued || self.reach(iova) == Reach::Aborted);
        Ok(queued)
    }
}

impl Drop for Layered {
    fn drop(&mut self) {
        let _ = self.leave();
        let _ = self.iommu.release(&self.endpoint);
    }
}
