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
            Shape, //
        },
        fault::FaultPlan,
        shell::Mock, //
    },
};
use kernel::{
    prelude::*,
    str::CString,
    sync::Arc, //
};

/// What an instance is to be.
#[derive(Clone, Copy)]
pub(super) struct What {
    pub(super) family: Family,
    /// By number in the family's list.
    pub(super) protocol: u32,
    pub(super) shape: Shape,
}

/// An instance with its endpoints.
pub(super) struct Instance {
    family: Family,
    endpoints: KVec<Endpoint>,
    mock: Arc<dyn Mock>,
    _iommu: Arc<Iommu>,
}

impl Instance {
    /// Registers an instance as `iommu_mock.NAME` and plugs its endpoints in. May sleep.
    ///
    /// # Errors
    ///
    /// Those of [`Family::build_shape`], [`Iommu::register`] and [`Endpoint::plug`]. Nothing is left
    /// then.
    pub(super) fn new(name: &CStr, what: What, faults: Arc<FaultPlan>) -> Result<Self> {
        let What {
            family,
            protocol,
            shape,
        } = what;
        let mock = family.build_shape(shape, protocol, faults)?;
        let name = CString::try_from_fmt(fmt!("iommu_mock.{name}"))?;
        let iommu = Iommu::register(mock.driver, name)?;
        let mut plugged = KVec::new();
        for id in 0..shape.endpoints {
            plugged.push(Endpoint::plug(&iommu, EndpointId(id))?, GFP_KERNEL)?;
        }
        Ok(Self {
            family,
            endpoints: plugged,
            mock: mock.mock,
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
    pub(super) fn mock(&self) -> &dyn Mock {
        &*self.mock
    }
}
