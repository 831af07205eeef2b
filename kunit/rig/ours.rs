// SPDX-License-Identifier: GPL-2.0

//! The rig for our core.

use super::{
    DomainNo,
    HandleNo,
    Rig,
    Scene, //
};
use crate::{
    fixture::{
        Fixture,
        Setup, //
    },
    group::{
        Handle,
        Owner, //
    },
    iommu::{
        DefaultType,
        Domain,
        Pasid,
        Prot, //
    },
    kapi::errno,
    mark,
    mock::{
        hw::Reach,
        shell::Mock, //
    },
    oracle,
    recorder::{
        Recorder,
        Tag, //
    },
};
use core::num::NonZeroU64;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// See the module.
pub(super) struct Ours {
    fixture: Fixture,
    domains: KVec<Option<Arc<Domain>>>,
    home: Option<Arc<Domain>>,
}

impl Ours {
    pub(super) fn new(members: u32, scene: Scene) -> Result<Self> {
        let mut setup = Setup::ordinary(members)?.system(DefaultType::DmaLazy);
        for (id, endpoint) in (0..).zip(&mut setup.endpoints) {
            scene.wire(id, members, endpoint);
        }
        if scene == Scene::Untranslated {
            setup = setup.without_dma();
        }
        let fixture = setup.probe()?;
        // What a default domain is marked by must not meet a fault.
        fixture.policy().leave_unmarked();
        Ok(Self {
            fixture,
            domains: KVec::new(),
            home: None,
        })
    }

    fn get(&self, domain: DomainNo) -> Result<&Arc<Domain>> {
        let slot = self.domains.get(domain.0).ok_or(ENOENT)?;
        slot.as_ref().ok_or(ENOENT)
    }

    fn new_handle(handle: HandleNo) -> Result<Arc<Handle>> {
        Handle::new(handle.0)
    }
}

fn owner(number: u64) -> Result<Owner> {
    Ok(Owner(NonZeroU64::new(number).ok_or(EINVAL)?))
}

impl Rig for Ours {
    fn mock(&self) -> &dyn Mock {
        self.fixture.mock()
    }

    fn recorder(&self) -> &Recorder {
        self.fixture.recorder()
    }

    fn soft(&self) -> Error {
        errno::emediumtype()
    }

    fn domain(&mut self) -> Result<DomainNo> {
        let number = self.domains.len();
        let domain = self.fixture.domain()?;
        self.domains.push(Some(domain), GFP_KERNEL)?;
        Ok(DomainNo(number))
    }

    fn reach(&self, domain: DomainNo) -> Reach {
        self.get(domain).map_or(Reach::Aborted, oracle::reach)
    }

    fn tag(&self, domain: DomainNo) -> Tag {
        self.get(domain).map_or(Tag::NONE, Tag::of)
    }

    fn free(&mut self, domain: DomainNo) {
        if let Some(slot) = self.domains.get_mut(domain.0) {
            *slot = None;
        }
    }

    fn attach(&mut self, domain: DomainNo, handle: Option<HandleNo>) -> Result {
        let group = self.fixture.group()?;
        match handle {
            None => group.attach(self.get(domain)?)?,
            Some(handle) => group.attach_with(self.get(domain)?, Self::new_handle(handle)?)?,
        }
        Ok(())
    }

    fn replace(&mut self, domain: DomainNo, handle: HandleNo) -> Result {
        let group = self.fixture.group()?;
        group.replace(self.get(domain)?, Some(Self::new_handle(handle)?))?;
        Ok(())
    }

    fn detach(&mut self, domain: DomainNo) {
        if let (Ok(group), Ok(domain)) = (self.fixture.group(), self.get(domain)) {
            group.detach(domain);
        }
    }

    fn handle(&self) -> Result<HandleNo> {
        let (handle, _) = self.fixture.group()?.handle_of(None, None)?;
        Ok(HandleNo(handle.cookie()))
    }

    fn claim(&mut self) -> Result {
        Ok(self.fixture.group()?.claim(owner(1)?)?)
    }

    fn release(&mut self) {
        if let Ok(group) = self.fixture.group() {
            group.release_claims();
        }
    }

    fn claim_device(&mut self, at: u32, by: u64) -> Result {
        Ok(self.fixture.endpoint(at as usize)?.claim(owner(by)?)?)
    }

    fn release_device(&mut self, at: u32) {
        if let Ok(endpoint) = self.fixture.endpoint(at as usize) {
            endpoint.release_claim();
        }
    }

    fn bind(&mut self, at: u32) -> Result {
        self.fixture.endpoint(at as usize)?.use_default()
    }

    fn unbind(&mut self, at: u32) {
        if let Ok(endpoint) = self.fixture.endpoint(at as usize) {
            endpoint.unuse_default();
        }
    }

    fn attach_pasid(&mut self, at: u32, domain: DomainNo, pasid: Pasid) -> Result {
        let endpoint = self.fixture.endpoint(at as usize)?;
        Ok(endpoint.attach_pasid(self.get(domain)?, pasid, None)?)
    }

    fn replace_pasid(
        &mut self,
        at: u32,
        domain: DomainNo,
        pasid: Pasid,
        handle: HandleNo,
    ) -> Result {
        let endpoint = self.fixture.endpoint(at as usize)?;
        let handle = Self::new_handle(handle)?;
        endpoint.replace_pasid(self.get(domain)?, pasid, handle)?;
        Ok(())
    }

    fn detach_pasid(&mut self, at: u32, domain: DomainNo, pasid: Pasid) {
        let endpoint = self.fixture.endpoint(at as usize);
        if let (Ok(endpoint), Ok(domain)) = (endpoint, self.get(domain)) {
            endpoint.detach_pasid(domain, pasid);
        }
    }

    fn plug(&mut self, id: u32) -> Result {
        self.fixture.plug(id)
    }

    fn map(&mut self, domain: DomainNo, iova: u64, paddr: u64, size: u64) -> Result {
        self.get(domain)?.map(iova, paddr, size, Prot::RW)
    }

    fn unmap(&mut self, domain: DomainNo, iova: u64, size: u64) -> u64 {
        self.get(domain)
            .map_or(0, |domain| domain.unmap(iova, size))
    }

    fn translate(&self, domain: DomainNo, iova: u64) -> Option<u64> {
        self.get(domain).ok()?.iova_to_phys(iova)
    }

    fn unplug(&mut self, at: u32) -> Result {
        self.fixture.unplug(at as usize).map(|_| ())
    }

    fn set_type(&mut self, wanted: Option<DefaultType>) -> Result {
        self.fixture.group()?.set_default_type(wanted)
    }

    fn default_type(&self) -> Result<DefaultType> {
        self.fixture.group()?.lock().default_type().ok_or(EINVAL)
    }

    fn look_home(&mut self) -> Result {
        self.home = self.fixture.group()?.lock().default().cloned();
        self.home.as_ref().map_or(Ok(()), mark::mark_once)
    }

    fn at_home(&self) -> Option<&Arc<Domain>> {
        self.home.as_ref()
    }

    fn reset_prepare(&mut self, at: u32) -> Result {
        Ok(self.fixture.endpoint(at as usize)?.reset_prepare()?)
    }

    fn reset_done(&mut self, at: u32) {
        if let Ok(endpoint) = self.fixture.endpoint(at as usize) {
            endpoint.reset_done();
        }
    }

    fn use_dma(&mut self, at: u32) -> Result {
        let _ = self.fixture.endpoint(at as usize)?.attach_deferred();
        Ok(())
    }
}
