// SPDX-License-Identifier: GPL-2.0

//! The driver of every family: the contract around a [`Unit`].
//!
//! What it adds is the same for all: how endpoints are wired, the fixed domains, and the
//! [`FaultPlan`] by which it fails where, how and as untidily as a test wants.

mod domain;
mod look;

pub(crate) use self::look::Mock;

use self::domain::{
    Kept,
    PagingDomain,
    Static, //
};
use super::{
    endpoint::{
        EndpointConfig,
        InstanceConfig, //
    },
    fault::{
        Fault,
        FaultPlan,
        Leave,
        Op, //
    },
    unit::{
        Target,
        Unit, //
    },
};
use crate::{
    iommu::{
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
    },
    kapi::errno,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// PASIDs have 20 bits.
const MAX_PASIDS: u32 = 1 << 20;

/// One instance of a family.
pub(crate) struct Shell<U: Unit> {
    config: InstanceConfig,
    endpoints: KVec<EndpointConfig>,
    unit: Arc<U>,
    blocked: Option<Arc<Domain>>,
    identity: Option<Arc<Domain>>,
    faults: Arc<FaultPlan>,
    kept: Arc<Kept>,
}

impl<U: Unit> Shell<U> {
    /// Makes an instance with these endpoints, numbered from 0, that fails by `faults`. May sleep.
    ///
    /// # Errors
    ///
    /// Those of [`Unit::new`]; EINVAL for an endpoint with more PASIDs than there are.
    pub(crate) fn new(
        config: InstanceConfig,
        endpoints: KVec<EndpointConfig>,
        faults: Arc<FaultPlan>,
    ) -> Result<Arc<Self>> {
        if endpoints.iter().any(|e| e.max_pasids > MAX_PASIDS) {
            return Err(EINVAL);
        }
        let key = DriverKey::of::<Self>();
        let new_static = |wanted, kind, which| match wanted {
            true => Domain::new(kind, key, which).map(Some),
            false => Ok(None),
        };
        Ok(Arc::new(
            Self {
                config,
                unit: U::new(&config, &endpoints)?,
                endpoints,
                blocked: new_static(config.has_blocked, Kind::Blocked, Static::Blocked)?,
                identity: new_static(config.has_identity, Kind::Identity, Static::Identity)?,
                faults,
                kept: Arc::new(Kept::new(), GFP_KERNEL)?,
            },
            GFP_KERNEL,
        )?)
    }

    /// The hardware and how it is programmed.
    pub(crate) fn unit(&self) -> &Arc<U> {
        &self.unit
    }

    fn endpoint(&self, id: EndpointId) -> Result<&EndpointConfig> {
        usize::try_from(id.0)
            .ok()
            .and_then(|at| self.endpoints.get(at))
            .ok_or(ENODEV)
    }

    /// Where `to` sends DMA, if that fits an endpoint at all. No side effect.
    fn target(
        &self,
        dev: &Device,
        pasid: Option<Pasid>,
        to: &Domain,
    ) -> Result<Target<U::Space>, AttachError> {
        if let Some(domain) = to.data::<PagingDomain<U>>() {
            let reach = Aperture::bits(wiring(dev)?.bits);
            if !Arc::ptr_eq(domain.unit(), &self.unit) || !reach.contains(&domain.aperture()) {
                return Err(AttachError::Incompatible);
            }
        }
        let target = Self::translation(to).ok_or(AttachError::Incompatible)?;
        self.unit
            .check(dev.id().0, pasid.map(Pasid::get), &target)?;
        Ok(target)
    }

    /// Where a domain sends DMA; `None` for one of another driver.
    fn translation(domain: &Domain) -> Option<Target<U::Space>> {
        match domain.data::<Static>() {
            Some(Static::Blocked) => return Some(Target::Blocked),
            Some(Static::Identity) => return Some(Target::Identity),
            None => (),
        }
        let domain = domain.data::<PagingDomain<U>>()?;
        Some(Target::Paging(domain.space().clone()))
    }

    /// Moves an endpoint or a PASID of it, or fails by `fault`.
    fn go(
        &self,
        dev: &Device,
        pasid: Option<Pasid>,
        to: &Target<U::Space>,
        fault: Option<Fault>,
    ) -> Result<Attached, AttachError> {
        let go = |to| self.unit.attach(dev.id().0, pasid.map(Pasid::get), to);
        let Some(fault) = fault else {
            return go(to);
        };
        let error = match fault.error == errno::emediumtype() {
            true => AttachError::Incompatible,
            false => AttachError::Failed(fault.error),
        };
        match fault.leave {
            Leave::Unchanged => Err(error),
            Leave::Blocked => go(&Target::Blocked).and(Err(error)),
            Leave::Half => go(to).and(Err(error)),
            Leave::Lie => Ok(Attached::Translating),
            Leave::Fenced => go(&Target::Blocked).and(Ok(Attached::Fenced)),
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

impl<U: Unit> Driver for Shell<U> {
    fn name(&self) -> &'static str {
        U::NAME
    }

    fn key(&self) -> DriverKey {
        DriverKey::of::<Self>()
    }

    fn features(&self) -> Features {
        Features {
            pasid: self.config.pasid && self.unit.has_pasids(),
            dirty_tracking: self.config.dirty_tracking && self.unit.marks_dirty(),
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
            deferred_flush: self.config.deferred_flush && endpoint.deferred_flush,
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
        let lacks_pasids = flags.pasid && !self.config.pasid_domains;
        if lacks_pasids || (flags.dirty_tracking && !self.features().dirty_tracking) {
            return Err(errno::eopnotsupp());
        }
        if let Some(fault) = self.faults.hit(Op::Alloc, Some(dev.id()), None) {
            return Err(fault.error);
        }
        let aperture = Aperture::bits(wiring(dev)?.bits);
        let space = self.unit.new_space(dev.id().0, flags)?;
        let marks = flags.dirty_tracking;
        let faults = self.faults.clone();
        let kept = self.kept.clone();
        let data = PagingDomain::new(self.unit.clone(), space, aperture, marks, faults, kept)?;
        Domain::new(Kind::Paging, self.key(), data)
    }

    fn attach(
        &self,
        dev: &Device,
        to: &Arc<Domain>,
        _from: Option<&Arc<Domain>>,
    ) -> Result<Attached, AttachError> {
        let target = self.target(dev, None, to)?;
        let fault = self.faults.hit(Op::Attach, Some(dev.id()), Some(to.kind()));
        self.go(dev, None, &target, fault)
    }

    fn set_pasid(
        &self,
        dev: &Device,
        pasid: Pasid,
        to: &Arc<Domain>,
        _from: Option<&Arc<Domain>>,
    ) -> Result<(), AttachError> {
        let target = self.target(dev, Some(pasid), to)?;
        let fault = self
            .faults
            .hit(Op::SetPasid, Some(dev.id()), Some(to.kind()));
        self.go(dev, Some(pasid), &target, fault).map(|_| ())
    }

    fn release(&self, dev: &Device) {
        let direct = |r: Region| r.kind == RegionKind::Direct;
        let firmware = self
            .endpoint(dev.id())
            .is_ok_and(|e| e.region.is_some_and(direct));
        // Firmware that needs its 1:1 range keeps it; a former kernel's table is left alone.
        let keep = firmware || self.is_attach_deferred(dev);
        self.unit.release(dev.id().0, keep);
    }
}
