// SPDX-License-Identifier: GPL-2.0

//! One mock IOMMU under the kernel's core.

use crate::{
    ccore::{
        Endpoint,
        Iommu,
        PciAddress,
        Refusal, //
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
    alloc::AllocError,
    fmt,
    prelude::{
        fmt,
        *, //
    },
    str::CString,
    sync::Arc, //
};

/// What an instance is to be.
#[derive(Clone, Copy)]
pub(super) struct What<'a> {
    pub(super) family: Family,
    /// By number in the family's list.
    pub(super) protocol: u32,
    pub(super) shape: Shape,
    /// If there are any, these are the endpoints.
    pub(super) claim: &'a [PciAddress],
}

/// Why there is no instance.
#[derive(Clone, Copy)]
pub(super) enum Failed {
    Making(Error),
    Claiming(PciAddress, Refusal),
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Making(error) => error,
            Failed::Claiming(_, refusal) => refusal.into(),
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Making(error)
    }
}

impl From<AllocError> for Failed {
    fn from(error: AllocError) -> Self {
        Self::Making(error.into())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Making(error) => f.write_fmt(fmt!("failed: {error:?}")),
            Self::Claiming(address, why) => f.write_fmt(fmt!("cannot claim {address}: {why}")),
        }
    }
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
    /// Those of [`Family::build_shape`], [`Iommu::register`], [`Endpoint::plug`] and
    /// [`Endpoint::plug_pci`]. Nothing is left then.
    pub(super) fn new(name: &CStr, what: What<'_>, faults: Arc<FaultPlan>) -> Result<Self, Failed> {
        let What {
            family,
            protocol,
            mut shape,
            claim,
        } = what;
        let mock = if claim.is_empty() {
            family.build_shape(shape, protocol, faults)?
        } else {
            shape.endpoints = u32::try_from(claim.len()).map_err(Error::from)?;
            family.build_claimed(shape, protocol, faults)?
        };
        let name = CString::try_from_fmt(fmt!("iommu_mock.{name}"))?;
        let iommu = Iommu::register(mock.driver, mock.bus, name)?;
        let mut plugged = KVec::new();
        for id in (0..shape.endpoints).map(EndpointId) {
            let endpoint = match claim.get(id.0 as usize) {
                None => Endpoint::plug(&iommu, id)?,
                Some(address) => Endpoint::plug_pci(&iommu, id, *address)
                    .map_err(|refusal| Failed::Claiming(*address, refusal))?,
            };
            plugged.push(endpoint, GFP_KERNEL)?;
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
