// SPDX-License-Identifier: GPL-2.0

//! The plain mock driver: the contract and nothing else.
//!
//! One table register per endpoint and PASID, so that an attach is a single store. What it is for
//! is the [`FaultPlan`]: it fails where, how and as untidily as a test wants.

mod domain;
mod look;

use self::domain::{
    PlainDomain,
    Static, //
};
use super::{
    fault::{
        Fault,
        FaultPlan,
        Leave,
        Op, //
    },
    hw::{
        plain::{
            Hardware,
            Root, //
        },
        Reach, //
    },
};
use crate::iommu::{
    Aperture,
    AttachError,
    Attached,
    DefaultType,
    Device,
    Domain,
    Driver,
    DriverKey,
    EndpointId,
    Features,
    GroupKey,
    Kind,
    Paging as _,
    PagingFlags,
    Pasid,
    Probed,
    Region,
    RegionKind, //
};
use crate::kapi::errno;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Where the first GiB of DMA of a deferred endpoint goes by the table of the former kernel.
pub(crate) const FORMER_KERNEL: u64 = 1 << 46;

/// How one endpoint is wired and what firmware says of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndpointConfig {
    /// Endpoints with equal numbers share a group.
    pub(crate) group: u64,
    /// Address bits the endpoint can issue.
    pub(crate) bits: u32,
    /// One more than its largest PASID; 0 for none.
    pub(crate) max_pasids: u32,
    /// A range that firmware needs mapped 1:1.
    pub(crate) region: Option<Region>,
    /// The default domain it insists on.
    pub(crate) default_type: Option<DefaultType>,
    /// A former kernel left it translating by a table of its own.
    pub(crate) deferred: bool,
    /// See [`Device::untrusted`].
    pub(crate) untrusted: bool,
    /// See [`Device::resettable`].
    pub(crate) resettable: bool,
}

impl EndpointConfig {
    /// An ordinary endpoint with 48 address bits in group `group`.
    pub(crate) fn ordinary(group: u64) -> Self {
        Self {
            group,
            bits: 48,
            max_pasids: 0,
            region: None,
            default_type: None,
            deferred: false,
            untrusted: false,
            resettable: false,
        }
    }
}

/// What an instance can do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainConfig {
    /// See [`Features::deferred_flush`].
    pub(crate) deferred_flush: bool,
    /// It can block without a page table.
    pub(crate) has_blocked: bool,
    /// It can pass DMA through untranslated.
    pub(crate) has_identity: bool,
    /// Devices that go away are left on the blocked domain.
    pub(crate) release_to_blocked: bool,
    /// Paging domains that can be attached to PASIDs are to be had.
    pub(crate) pasid_domains: bool,
    /// See [`Features::pasid`].
    pub(crate) pasid: bool,
}

impl Default for PlainConfig {
    fn default() -> Self {
        Self {
            deferred_flush: true,
            has_blocked: true,
            has_identity: true,
            release_to_blocked: true,
            pasid_domains: true,
            pasid: true,
        }
    }
}

/// One instance.
pub(crate) struct Plain {
    config: PlainConfig,
    endpoints: KVec<EndpointConfig>,
    hw: Arc<Hardware>,
    blocked: Option<Arc<Domain>>,
    identity: Option<Arc<Domain>>,
    faults: Arc<FaultPlan>,
}

impl Plain {
    /// Makes an instance with these endpoints, numbered from 0. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(config: PlainConfig, endpoints: KVec<EndpointConfig>) -> Result<Arc<Self>> {
        let faults = Arc::pin_init(FaultPlan::new(), GFP_KERNEL)?;
        Self::with_faults(config, endpoints, faults)
    }

    /// The same with rules of the caller's.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn with_faults(
        config: PlainConfig,
        endpoints: KVec<EndpointConfig>,
        faults: Arc<FaultPlan>,
    ) -> Result<Arc<Self>> {
        let mut firmware = KVec::with_capacity(endpoints.len(), GFP_KERNEL)?;
        for endpoint in &endpoints {
            let root = match endpoint.deferred {
                true => Root::Table(domain::former_kernel(FORMER_KERNEL)?),
                false => Root::Identity,
            };
            firmware.push(root, GFP_KERNEL)?;
        }
        let key = DriverKey::of::<Self>();
        let new_static = |wanted, kind, which| match wanted {
            true => Domain::new(kind, key, which).map(Some),
            false => Ok(None),
        };
        Ok(Arc::new(
            Self {
                config,
                endpoints,
                hw: Arc::pin_init(Hardware::new(firmware), GFP_KERNEL)?,
                blocked: new_static(config.has_blocked, Kind::Blocked, Static::Blocked)?,
                identity: new_static(config.has_identity, Kind::Identity, Static::Identity)?,
                faults,
            },
            GFP_KERNEL,
        )?)
    }

    /// The rules by which it fails.
    pub(crate) fn faults(&self) -> &Arc<FaultPlan> {
        &self.faults
    }

    /// Does one DMA access of an endpoint.
    pub(crate) fn dma(&self, endpoint: EndpointId, pasid: Option<Pasid>, iova: u64) -> Reach {
        self.hw.dma(endpoint.0, pasid.map(Pasid::get), iova)
    }

    fn endpoint(&self, id: EndpointId) -> Result<&EndpointConfig> {
        usize::try_from(id.0)
            .ok()
            .and_then(|at| self.endpoints.get(at))
            .ok_or(ENODEV)
    }

    /// What the table register has to hold for `to`, if that fits an endpoint at all. No side
    /// effect.
    fn root(&self, dev: &Device, to: &Domain) -> Result<Root, AttachError> {
        if let Some(domain) = to.data::<PlainDomain>() {
            let reach = Aperture::bits(wiring(dev)?.bits);
            if !Arc::ptr_eq(domain.hardware(), &self.hw) || !reach.contains(&domain.aperture()) {
                return Err(AttachError::Incompatible);
            }
        }
        Self::translation(to).ok_or(AttachError::Incompatible)
    }

    /// What the table register holds for a domain; `None` for one of another driver.
    fn translation(domain: &Domain) -> Option<Root> {
        match domain.data::<Static>() {
            Some(Static::Blocked) => return Some(Root::Blocked),
            Some(Static::Identity) => return Some(Root::Identity),
            None => (),
        }
        Some(Root::Table(domain.data::<PlainDomain>()?.table().clone()))
    }

    /// Carries a fault out: `write` writes a register.
    fn fail(
        fault: Fault,
        root: Root,
        write: impl FnOnce(Root) -> Result,
    ) -> Result<Attached, AttachError> {
        let error = match fault.error == errno::emediumtype() {
            true => AttachError::Incompatible,
            false => AttachError::Failed(fault.error),
        };
        match fault.leave {
            Leave::Unchanged => Err(error),
            Leave::Blocked => write(Root::Blocked).map_or_else(|e| Err(e.into()), |()| Err(error)),
            Leave::Half => write(root).map_or_else(|e| Err(e.into()), |()| Err(error)),
            Leave::Lie => Ok(Attached::Translating),
            Leave::Fenced => {
                write(Root::Blocked)?;
                Ok(Attached::Fenced)
            }
        }
    }
}

/// How a device is wired, as noted when it was probed.
///
/// # Errors
///
/// ENODEV for a device of another driver.
fn wiring(dev: &Device) -> Result<&EndpointConfig> {
    dev.data().ok_or(ENODEV)
}

impl Driver for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn key(&self) -> DriverKey {
        DriverKey::of::<Self>()
    }

    fn features(&self) -> Features {
        Features {
            deferred_flush: self.config.deferred_flush,
            pasid: self.config.pasid,
        }
    }

    fn probe(&self, id: EndpointId) -> Result<Probed> {
        if let Some(fault) = self.faults.hit(Op::Probe, Some(id), None) {
            return Err(fault.error);
        }
        let endpoint = self.endpoint(id)?;
        Ok(Probed {
            data: KBox::new(*endpoint, GFP_KERNEL)?,
            max_pasids: endpoint.max_pasids,
            untrusted: endpoint.untrusted,
            resettable: endpoint.resettable,
        })
    }

    fn group(&self, dev: &Device) -> Result<GroupKey> {
        if let Some(fault) = self.faults.hit(Op::Group, Some(dev.id()), None) {
            return Err(fault.error);
        }
        Ok(GroupKey(wiring(dev)?.group))
    }

    fn default_type(&self, dev: &Device) -> Option<DefaultType> {
        wiring(dev).ok()?.default_type
    }

    fn is_attach_deferred(&self, dev: &Device) -> bool {
        wiring(dev).is_ok_and(|e| e.deferred)
    }

    fn regions(&self, dev: &Device) -> Result<KVec<Region>> {
        let mut regions = KVec::new();
        if let Some(region) = wiring(dev)?.region {
            regions.push(region, GFP_KERNEL)?;
        }
        Ok(regions)
    }

    fn blocked(&self) -> Option<&Arc<Domain>> {
        self.blocked.as_ref()
    }

    fn identity(&self) -> Option<&Arc<Domain>> {
        self.identity.as_ref()
    }

    fn release_domain(&self) -> Option<&Arc<Domain>> {
        self.blocked
            .as_ref()
            .filter(|_| self.config.release_to_blocked)
    }

    fn alloc_paging(&self, dev: &Device, flags: PagingFlags) -> Result<Arc<Domain>> {
        if flags.pasid && !self.config.pasid_domains {
            return Err(errno::eopnotsupp());
        }
        if let Some(fault) = self.faults.hit(Op::Alloc, Some(dev.id()), None) {
            return Err(fault.error);
        }
        let aperture = Aperture::bits(wiring(dev)?.bits);
        let data = PlainDomain::new(self.hw.clone(), aperture, self.faults.clone())?;
        Domain::new(Kind::Paging, self.key(), data)
    }

    fn attach(
        &self,
        dev: &Device,
        to: &Arc<Domain>,
        _from: Option<&Arc<Domain>>,
    ) -> Result<Attached, AttachError> {
        let root = self.root(dev, to)?;
        let write = |root| self.hw.set_root(dev.id().0, root);
        if let Some(fault) = self.faults.hit(Op::Attach, Some(dev.id()), Some(to.kind())) {
            return Self::fail(fault, root, write);
        }
        write(root)?;
        Ok(Attached::Translating)
    }

    fn set_pasid(
        &self,
        dev: &Device,
        pasid: Pasid,
        to: &Arc<Domain>,
        _from: Option<&Arc<Domain>>,
    ) -> Result<(), AttachError> {
        let root = self.root(dev, to)?;
        let write = |root| self.hw.set_pasid_root(dev.id().0, pasid.get(), root);
        if let Some(fault) = self
            .faults
            .hit(Op::SetPasid, Some(dev.id()), Some(to.kind()))
        {
            return Self::fail(fault, root, write).map(|_| ());
        }
        Ok(write(root)?)
    }

    fn release(&self, dev: &Device) {
        self.hw.clear_pasids(dev.id().0);
        let direct = |r: Region| r.kind == RegionKind::Direct;
        let firmware = self
            .endpoint(dev.id())
            .is_ok_and(|e| e.region.is_some_and(direct));
        // Firmware that needs its 1:1 range keeps it; a former kernel's table is left alone.
        if !firmware && !self.is_attach_deferred(dev) {
            let _ = self.hw.set_root(dev.id().0, Root::Blocked);
        }
    }
}
