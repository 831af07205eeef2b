// SPDX-License-Identifier: GPL-2.0

//! A mock IOMMU under our core, with devices, ready to be tested. Goes away when dropped, also out
//! of a case that failed.

use super::{
    mark::{
        self,
        MarkingPolicy, //
    },
    oracle,
    recorder::{
        Call,
        Event,
        Recorder,
        Tag, //
    },
};
use crate::{
    families,
    group::{
        Endpoint,
        Group,
        Iommu, //
    },
    iommu::{
        DefaultType,
        Device,
        DmaPolicy,
        Domain,
        DomainData,
        Driver,
        DriverKey,
        EndpointId,
        Kind,
        PagingFlags, //
    },
    kapi::kunit::{
        check,
        fail,
        Outcome,
        WarnCounter, //
    },
    mock::{
        endpoint::{
            EndpointConfig,
            InstanceConfig, //
        },
        family::Family,
        fault::{
            FaultPlan,
            Rule, //
        },
        hw::Reach,
        shell::Mock, //
    },
};
use core::{
    any::Any,
    panic::Location, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A call that attaches: device, target, origin.
pub(crate) type Attachment<'a> = (u32, &'a Arc<Domain>, Option<&'a Arc<Domain>>);

/// What a fixture is made of.
pub(crate) struct Setup {
    /// The family, by number, if it is not the one under test.
    pub(crate) family: Option<u32>,
    /// The instance.
    pub(crate) config: InstanceConfig,
    /// Its endpoints.
    pub(crate) endpoints: KVec<EndpointConfig>,
    /// What devices without an opinion get.
    pub(crate) system: DefaultType,
    /// Whether there is a layer for translated default domains.
    pub(crate) dma: bool,
    /// What stands between the core and the driver.
    pub(crate) wrap: Option<Wrap>,
}

/// Wraps a driver in another one.
pub(crate) type Wrap = fn(Arc<dyn Driver>) -> Result<Arc<dyn Driver>>;

impl Setup {
    /// One group of `members` ordinary devices with 4 PASIDs, translated by default.
    pub(crate) fn ordinary(members: u32) -> Result<Self> {
        let mut endpoints = KVec::new();
        for _ in 0..members {
            let mut endpoint = EndpointConfig::ordinary(0);
            endpoint.max_pasids = 4;
            endpoint.resettable = true;
            endpoints.push(endpoint, GFP_KERNEL)?;
        }
        Ok(Self {
            family: None,
            config: families::config(),
            endpoints,
            system: DefaultType::Dma,
            dma: true,
            wrap: None,
        })
    }

    /// Takes a family, whatever is under test.
    pub(crate) fn family(self, family: u32) -> Self {
        Self {
            family: Some(family),
            ..self
        }
    }

    /// Changes the configuration of one endpoint.
    pub(crate) fn endpoint(mut self, at: usize, change: impl FnOnce(&mut EndpointConfig)) -> Self {
        if let Some(endpoint) = self.endpoints.get_mut(at) {
            change(endpoint);
        }
        self
    }

    /// Changes the configuration of the instance.
    pub(crate) fn config(mut self, change: impl FnOnce(&mut InstanceConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Changes what devices without an opinion get.
    pub(crate) fn system(self, system: DefaultType) -> Self {
        Self { system, ..self }
    }

    /// Takes the layer for translated default domains away.
    pub(crate) fn without_dma(self) -> Self {
        Self { dma: false, ..self }
    }

    /// Puts something between the core and the driver.
    pub(crate) fn wrap(self, wrap: Option<Wrap>) -> Self {
        Self { wrap, ..self }
    }

    /// Makes the instance; no device is probed yet.
    pub(crate) fn build(self) -> Result<Fixture> {
        let faults = Arc::pin_init(FaultPlan::new(), GFP_KERNEL)?;
        let family = match self.family {
            Some(number) => Family::try_from(number)?,
            None => families::under_test()?,
        };
        let instance = family.build(self.config, self.endpoints, faults)?;
        let driver = match self.wrap {
            Some(wrap) => wrap(instance.driver)?,
            None => instance.driver,
        };
        let recorder = Arc::pin_init(Recorder::new(driver), GFP_KERNEL)?;
        let policy = Arc::pin_init(MarkingPolicy::new(), GFP_KERNEL)?;
        let layer: Option<Arc<dyn DmaPolicy>> = match self.dma {
            true => Some(policy.clone()),
            false => None,
        };
        let iommu = Iommu::new(recorder.clone(), layer, self.system);
        Ok(Fixture {
            iommu: Arc::pin_init(iommu, GFP_KERNEL)?,
            endpoints: KVec::new(),
            mock: instance.mock,
            recorder,
            policy,
        })
    }

    /// Makes the instance and probes all devices.
    pub(crate) fn probe(self) -> Result<Fixture> {
        let count = u32::try_from(self.endpoints.len())?;
        let mut fixture = self.build()?;
        for id in 0..count {
            fixture.plug(id)?;
        }
        fixture.recorder.clear();
        Ok(fixture)
    }
}

/// See the module.
pub(crate) struct Fixture {
    iommu: Arc<Iommu>,
    endpoints: KVec<Endpoint>,
    mock: Arc<dyn Mock>,
    recorder: Arc<Recorder>,
    policy: Arc<MarkingPolicy>,
}

impl Fixture {
    /// One group of `members` ordinary devices; see [`Setup::ordinary`].
    pub(crate) fn new(members: u32) -> Result<Self> {
        Setup::ordinary(members)?.probe()
    }

    /// Probes device `id`.
    pub(crate) fn plug(&mut self, id: u32) -> Result {
        self.endpoints.reserve(1, GFP_KERNEL)?;
        let endpoint = self.iommu.probe(EndpointId(id))?;
        let _ = self.endpoints.push_within_capacity(endpoint);
        Ok(())
    }

    /// Releases the device at `at`; what is left of it can still be used wrongly.
    pub(crate) fn unplug(&mut self, at: usize) -> Result<Endpoint> {
        let endpoint = self.endpoints.remove(at).map_err(|_| ENODEV)?;
        self.iommu.release(&endpoint)?;
        Ok(endpoint)
    }

    /// The probed devices, in the order in which they were.
    pub(crate) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The device at `at`.
    pub(crate) fn endpoint(&self, at: usize) -> Result<&Endpoint> {
        self.endpoints.get(at).ok_or(ENODEV)
    }

    /// The group of the first device.
    pub(crate) fn group(&self) -> Result<&Arc<Group>> {
        Ok(self.endpoint(0)?.group())
    }

    /// The hardware and its driver.
    pub(crate) fn mock(&self) -> &dyn Mock {
        &*self.mock
    }

    /// The same, to be kept.
    pub(crate) fn hardware(&self) -> &Arc<dyn Mock> {
        &self.mock
    }

    /// The driver's own blocked domain.
    pub(crate) fn blocked(&self) -> Result<Arc<Domain>> {
        Ok(self.mock.blocked().ok_or(ENODEV)?.clone())
    }

    /// The driver's identity domain.
    pub(crate) fn identity(&self) -> Result<Arc<Domain>> {
        Ok(self.mock.identity().ok_or(ENODEV)?.clone())
    }

    /// What fails.
    pub(crate) fn faults(&self) -> &FaultPlan {
        self.mock.faults()
    }

    /// Adds a rule to what fails.
    pub(crate) fn fail(&self, rule: Rule) -> Result {
        self.faults().add(rule)
    }

    /// The layer that makes default domains usable.
    pub(crate) fn policy(&self) -> &MarkingPolicy {
        &self.policy
    }

    /// The IOMMU as its bus sees it.
    pub(crate) fn iommu(&self) -> &Iommu {
        &self.iommu
    }

    /// The calls the driver got.
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Makes a marked paging domain for the first device.
    pub(crate) fn domain(&self) -> Result<Arc<Domain>> {
        self.domain_for(0)
    }

    /// Makes a marked paging domain for the device at `at`, one that its PASIDs can have as well.
    pub(crate) fn domain_for(&self, at: usize) -> Result<Arc<Domain>> {
        let device = self.endpoint(at)?.device();
        let pasid = device.max_pasids() != 0 && self.mock.features().pasid;
        self.make(device, PagingFlags::pasid(pasid))
    }

    /// Makes a marked paging domain for the first device. It may have another kind of page table
    /// than those that PASIDs can have.
    pub(crate) fn other_domain(&self) -> Result<Arc<Domain>> {
        self.make(self.endpoint(0)?.device(), PagingFlags::default())
    }

    fn make(&self, device: &Device, flags: PagingFlags) -> Result<Arc<Domain>> {
        let domain = self.mock.alloc_paging(device, flags)?;
        mark::mark(&domain)?;
        Ok(domain)
    }

    /// Where the DMA of device `id` gets to at the mark.
    pub(crate) fn truth(&self, id: u32) -> Reach {
        self.mock.dma(EndpointId(id), None, mark::IOVA)
    }

    /// Checks that all devices get to where `domain` sends them.
    pub(crate) fn check_all_reach(&self, domain: &Arc<Domain>) -> Outcome {
        for endpoint in &self.endpoints {
            let id = endpoint.device().id().0;
            let (truth, expected) = (self.truth(id), oracle::reach(domain));
            check!(
                truth == expected,
                "device {} reaches {:x?}, not {:x?}",
                id,
                truth,
                expected
            );
        }
        oracle::check(self)
    }

    /// Checks that the driver was called to attach exactly these, in this order: device, target,
    /// origin. Forgets what was recorded.
    pub(crate) fn check_attached(&self, expected: &[Attachment<'_>]) -> Outcome {
        let events = self.recorder.take();
        check!(
            events.len() == expected.len(),
            "{} calls, expected {}: {:?}",
            events.len(),
            expected.len(),
            &events[..]
        );
        for (event, (id, to, from)) in events.iter().zip(expected) {
            let matches = matches!(
                event,
                Event { endpoint, call: Call::Attach { pasid: None, to: t, from: f, .. } }
                    if endpoint.0 == *id && *t == Tag::of(to) && *f == from.map(Tag::of)
            );
            check!(matches, "unexpected call {:?}", event);
        }
        Ok(())
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // A case that failed may leave the group anyhow.
        let _quiet = WarnCounter::start();
        self.mock.faults().clear();
        for endpoint in &self.endpoints {
            let _ = self.iommu.release(endpoint);
        }
        check_tame(&*self.mock);
    }
}

/// How often hardware has read a table that is none: an entry that was torn, or tables freed too
/// early.
pub(crate) fn wild(mock: &dyn Mock) -> u64 {
    let inspect = mock.inspect(EndpointId(0));
    inspect.map_or(0, |(hardware, _)| hardware.counts().wild)
}

/// Fails the case if it ever has.
pub(crate) fn check_tame(mock: &dyn Mock) {
    let wild = wild(mock);
    if wild != 0 {
        let place = Location::caller();
        let _ = fail(
            place,
            fmt!("hardware read {wild} times where there is no table"),
        );
    }
}

/// A paging domain of a driver that does not exist.
pub(crate) fn foreign_domain() -> Result<Arc<Domain>> {
    struct Foreign;
    impl DomainData for Foreign {
        fn as_any(&self) -> &dyn Any {
            self
        }
    }
    Domain::new(Kind::Paging, DriverKey::of::<Foreign>(), Foreign)
}
