// SPDX-License-Identifier: GPL-2.0

//! One mock IOMMU under the kernel's core.

use crate::{
    ccore::{
        Endpoint,
        Iommu, //
    },
    iommu::EndpointId,
    mock::{
        family::{
            Family,
            Look,
            Shape, //
        },
        fault::FaultPlan, //
    },
};
use kernel::{
    prelude::*,
    str::CString,
    sync::Arc, //
};

/// An instance with its endpoints.
pub(super) struct Instance {
    family: Family,
    endpoints: KVec<Endpoint>,
    look: Arc<dyn Look>,
    _iommu: Arc<Iommu>,
}

impl Instance {
    /// Registers an instance as `iommu_mock.NAME` and plugs its endpoints in. May sleep.
    ///
    /// # Errors
    ///
    /// Those of [`Family::build`], [`Iommu::register`] and [`Endpoint::plug`]. Nothing is left
    /// then.
    pub(super) fn new(
        family: Family,
        name: &CStr,
        shape: Shape,
        faults: Arc<FaultPlan>,
    ) -> Result<Self> {
        let mock = family.build(shape, faults)?;
        let name = CString::try_from_fmt(fmt!("iommu_mock.{name}"))?;
        let iommu = Iommu::register(mock.driver, name)?;
        let mut plugged = KVec::new();
        for id in 0..shape.endpoints {
            plugged.push(Endpoint::plug(&iommu, EndpointId(id))?, GFP_KERNEL)?;
        }
        Ok(Self {
            family,
            endpoints: plugged,
            look: mock.look,
            _iommu: iommu,
        })
    }

    /// What it is.
    pub(super) fn family(&self) -> Family {
        self.family
    }

    /// Its endpoints.
    pub(super) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// One endpoint of each of its groups.
    pub(super) fn groups(&self) -> impl Iterator<Item = &Endpoint> {
        let earlier = |at| self.endpoints.iter().take(at);
        let endpoints = self.endpoints.iter().enumerate();
        let firsts = endpoints.filter(move |(at, endpoint)| {
            !earlier(*at).any(|e| Arc::ptr_eq(e.group(), endpoint.group()))
        });
        firsts.map(|(_, endpoint)| endpoint)
    }

    /// Its hardware.
    pub(super) fn look(&self) -> &dyn Look {
        &*self.look
    }
}
