// SPDX-License-Identifier: GPL-2.0

//! The rig for the kernel's core.

use super::{
    DomainNo,
    HandleNo,
    Rig,
    Scene,
    PASIDS, //
};
use crate::{
    ccore::{
        Believed,
        Endpoint,
        Handle,
        Iommu,
        LiveGroup,
        Member,
        Owner,
        PciAddress,
        Refusal,
        UserDomain,
        UserDriver, //
    },
    families,
    fixture::check_tame,
    iommu::{
        DefaultType,
        Domain,
        EndpointId,
        PagingFlags,
        Pasid,
        Prot, //
    },
    mark,
    mock::{
        endpoint::{
            EndpointConfig,
            InstanceConfig, //
        },
        fault::FaultPlan,
        hw::Reach,
        shell::Mock, //
    },
    oracle,
    recorder::{
        Recorder,
        Tag, //
    },
};
use kernel::{
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// Plain devices under the kernel's core, and a driver to bind to them.
///
/// As a [`Rig`] it is one group of ordinary devices.
pub(crate) struct Kernel {
    endpoints: KVec<Endpoint>,
    domains: KVec<Option<Arc<UserDomain>>>,
    home: Option<Arc<Domain>>,
    driver: Pin<KBox<UserDriver>>,
    mock: Arc<dyn Mock>,
    recorder: Arc<Recorder>,
    iommu: Arc<Iommu>,
}

impl Kernel {
    /// One group of `members` ordinary devices, plugged in.
    pub(crate) fn new(members: u32) -> Result<Self> {
        Self::of(members, Scene::Untranslated)
    }

    /// One group of `members` such devices, plugged in. ENODEV where there are too few.
    pub(crate) fn of(members: u32, scene: Scene) -> Result<Self> {
        let mut kernel = Self::with(families::config(), members, |id, endpoint| {
            endpoint.default_type = None;
            scene.wire(id, members, endpoint);
        })?;
        // Before the first is claimed and not to be had any more.
        let mut functions = KVec::new();
        for id in 0..members {
            functions.push(PciAddress::with_ats(id), GFP_KERNEL)?;
        }
        for (id, function) in (0..).zip(functions) {
            match scene {
                Scene::Resettable => kernel.plug_pci(id, function.ok_or(ENODEV)?)?,
                _ => kernel.plug(id)?,
            }
        }
        kernel.recorder.clear();
        Ok(kernel)
    }

    /// An instance with `count` endpoints, each as `change` makes of an ordinary one. None is
    /// plugged in.
    pub(crate) fn with(
        config: InstanceConfig,
        count: u32,
        change: impl Fn(u32, &mut EndpointConfig),
    ) -> Result<Self> {
        let mut endpoints = KVec::new();
        for id in 0..count {
            let mut endpoint = EndpointConfig::ordinary(0);
            endpoint.max_pasids = PASIDS;
            // Without this, kernels that have a DMA layer would translate.
            endpoint.default_type = Some(DefaultType::Identity);
            change(id, &mut endpoint);
            endpoints.push(endpoint, GFP_KERNEL)?;
        }
        let faults = Arc::pin_init(FaultPlan::new(), GFP_KERNEL)?;
        let instance = families::under_test()?.build(config, endpoints, faults)?;
        let recorder = Arc::pin_init(Recorder::new(instance.driver), GFP_KERNEL)?;

        let number = next_number();
        let name = CString::try_from_fmt(fmt!("iommu_mock_kunit.{number}"))?;
        let iommu = Iommu::register(recorder.clone(), instance.bus, name)?;
        let name = CString::try_from_fmt(fmt!("iommu_mock_kunit_user.{number}"))?;
        let driver = KBox::pin_init(UserDriver::register(name), GFP_KERNEL)?;
        Ok(Self {
            endpoints: KVec::new(),
            domains: KVec::new(),
            home: None,
            driver,
            mock: instance.mock,
            recorder,
            iommu,
        })
    }

    /// Plugs endpoint `id` in, behind the others.
    pub(crate) fn plug(&mut self, id: u32) -> Result {
        let endpoint = Endpoint::plug(&self.iommu, EndpointId(id))?;
        Ok(self.endpoints.push(endpoint, GFP_KERNEL)?)
    }

    /// Claims a PCI function as endpoint `id`.
    pub(crate) fn plug_pci(&mut self, id: u32, address: PciAddress) -> Result<(), Refusal> {
        let endpoint = Endpoint::plug_pci(&self.iommu, EndpointId(id), address)?;
        let pushed = self.endpoints.push(endpoint, GFP_KERNEL);
        pushed.map_err(|error| Error::from(error).into())
    }

    /// The device that is at `at` in the order in which they were plugged in.
    pub(crate) fn endpoint(&self, at: u32) -> Result<&Endpoint> {
        self.endpoints.get(at as usize).ok_or(ENODEV)
    }

    /// The group of the first device.
    pub(crate) fn group(&self) -> Result<LiveGroup<'_>> {
        Ok(self.endpoint(0)?.live_group())
    }

    /// The domain of that number.
    pub(crate) fn get(&self, domain: DomainNo) -> Result<&Arc<UserDomain>> {
        let slot = self.domains.get(domain.0).ok_or(ENOENT)?;
        slot.as_ref().ok_or(ENOENT)
    }

    /// The members of the first device's group that do not get where the core believes, as bits.
    pub(crate) fn differing(&self) -> Result<u64> {
        let mut differing = 0;
        for Member { endpoint, believed } in &self.group()?.members()? {
            let believed = match believed {
                Believed::On(domain) => Some(oracle::reach(domain)),
                Believed::Nothing | Believed::Foreign => None,
            };
            if believed != Some(self.mock.dma(*endpoint, None, mark::IOVA)) {
                differing |= 1u64.checked_shl(endpoint.0).ok_or(ERANGE)?;
            }
        }
        Ok(differing)
    }
}

/// A number that no other rig has, as names must be unique.
fn next_number() -> u32 {
    static NEXT: Atomic<u32> = Atomic::new(0);
    NEXT.fetch_add(1, Relaxed)
}

impl Rig for Kernel {
    fn mock(&self) -> &dyn Mock {
        &*self.mock
    }

    fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    fn soft(&self) -> Error {
        EINVAL
    }

    fn domain(&mut self) -> Result<DomainNo> {
        let number = self.domains.len();
        let pasid = self.mock.features().pasid;
        let domain = UserDomain::alloc(self.endpoint(0)?, PagingFlags::pasid(pasid))?;
        let (iova, size) = (mark::IOVA.try_into()?, mark::SIZE.try_into()?);
        domain.map(iova, mark::next_page(), size, Prot::RW)?;
        self.domains.push(Some(domain), GFP_KERNEL)?;
        Ok(DomainNo(number))
    }

    fn reach(&self, domain: DomainNo) -> Reach {
        let domain = self.get(domain).map(|domain| domain.domain());
        domain.map_or(Reach::Aborted, oracle::reach)
    }

    fn tag(&self, domain: DomainNo) -> Tag {
        let domain = self.get(domain).map(|domain| domain.domain());
        domain.map_or(Tag::NONE, Tag::of)
    }

    fn free(&mut self, domain: DomainNo) {
        if let Some(slot) = self.domains.get_mut(domain.0) {
            *slot = None;
        }
    }

    fn attach(&mut self, domain: DomainNo, handle: Option<HandleNo>) -> Result {
        let handle = handle.map(|handle| Handle::new(handle.0)).transpose()?;
        self.group()?.attach(self.get(domain)?, handle.as_ref())
    }

    fn replace(&mut self, domain: DomainNo, handle: HandleNo) -> Result {
        let handle = Handle::new(handle.0)?;
        self.group()?.replace(self.get(domain)?, &handle)
    }

    fn detach(&mut self, domain: DomainNo) {
        if let (Ok(group), Ok(domain)) = (self.group(), self.get(domain)) {
            match group.handle() {
                Ok(_) => group.detach_with_handle(domain),
                Err(_) => group.detach(domain),
            }
        }
    }

    fn handle(&self) -> Result<HandleNo> {
        Ok(HandleNo(self.group()?.handle()?))
    }

    fn claim(&mut self) -> Result {
        self.group()?.claim(Owner(1))
    }

    fn release(&mut self) {
        if let Ok(group) = self.group() {
            group.release_claims();
        }
    }

    fn claim_device(&mut self, at: u32, by: u64) -> Result {
        self.endpoint(at)?.claim(Owner(by.try_into()?))
    }

    fn release_device(&mut self, at: u32) {
        if let Ok(endpoint) = self.endpoint(at) {
            endpoint.release_claim();
        }
    }

    fn bind(&mut self, at: u32) -> Result {
        self.endpoint(at)?.bind(&self.driver)
    }

    fn unbind(&mut self, at: u32) {
        if let Ok(endpoint) = self.endpoint(at) {
            endpoint.unbind();
        }
    }

    fn attach_pasid(&mut self, at: u32, domain: DomainNo, pasid: Pasid) -> Result {
        self.endpoint(at)?
            .attach_pasid(self.get(domain)?, pasid, None)
    }

    fn replace_pasid(
        &mut self,
        at: u32,
        domain: DomainNo,
        pasid: Pasid,
        handle: HandleNo,
    ) -> Result {
        let handle = Handle::new(handle.0)?;
        self.endpoint(at)?
            .replace_pasid(self.get(domain)?, pasid, &handle)
    }

    fn detach_pasid(&mut self, at: u32, domain: DomainNo, pasid: Pasid) {
        if let (Ok(endpoint), Ok(domain)) = (self.endpoint(at), self.get(domain)) {
            endpoint.detach_pasid(domain, pasid);
        }
    }

    fn plug(&mut self, id: u32) -> Result {
        Kernel::plug(self, id)
    }

    fn map(&mut self, domain: DomainNo, iova: u64, paddr: u64, size: u64) -> Result {
        let (iova, size) = (iova.try_into()?, size.try_into()?);
        self.get(domain)?.map(iova, paddr, size, Prot::RW)
    }

    fn unmap(&mut self, domain: DomainNo, iova: u64, size: u64) -> u64 {
        let (Ok(domain), Ok(iova), Ok(size)) = (self.get(domain), iova.try_into(), size.try_into())
        else {
            return 0;
        };
        // CAST: `usize` is not wider.
        domain.unmap(iova, size) as u64
    }

    fn translate(&self, domain: DomainNo, iova: u64) -> Option<u64> {
        // The core has no other word for nowhere than 0.
        Some(self.get(domain).ok()?.iova_to_phys(iova)).filter(|paddr| *paddr != 0)
    }

    fn unplug(&mut self, at: u32) -> Result {
        let endpoint = self.endpoints.remove(at as usize).map_err(|_| ENODEV)?;
        let group = endpoint.group().clone();
        drop(endpoint);
        group.forget();
        Ok(())
    }

    fn set_type(&mut self, wanted: Option<DefaultType>) -> Result {
        self.group()?.set_default_type(wanted)
    }

    fn default_type(&self) -> Result<DefaultType> {
        self.group()?.default_type()
    }

    fn look_home(&mut self) -> Result {
        let members = self.group()?.members()?;
        self.home = match members.first().map(|member| &member.believed) {
            Some(Believed::On(domain)) => Some(domain.clone()),
            _ => None,
        };
        self.home.as_ref().map_or(Ok(()), mark::mark_once)
    }

    fn at_home(&self) -> Option<&Arc<Domain>> {
        self.home.as_ref()
    }

    fn reset_prepare(&mut self, at: u32) -> Result {
        self.endpoint(at)?.reset_prepare()
    }

    fn reset_done(&mut self, at: u32) {
        if let Ok(endpoint) = self.endpoint(at) {
            endpoint.reset_done();
        }
    }

    fn use_dma(&mut self, at: u32) -> Result {
        self.endpoint(at)?.use_dma()
    }
}

impl Drop for Kernel {
    /// Ends what a case has left, so that the core finds nothing to warn of.
    fn drop(&mut self) {
        self.mock.faults().clear();
        for endpoint in &self.endpoints {
            endpoint.unbind();
        }
        if let Ok(group) = self.group() {
            group.abandon();
            if group.is_claimed() {
                group.release_claims();
            }
        }
        check_tame(&*self.mock);
    }
}
