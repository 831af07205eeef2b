// SPDX-License-Identifier: GPL-2.0

//! What can be seen of an instance, whatever its driver and the core believe.

use super::{
    super::{
        fault::FaultPlan,
        hw::{
            machine::Inspect,
            model::Requester,
            Access,
            Reach, //
        },
        unit::{
            Seen,
            Space as _,
            Target,
            Unit, //
        },
    },
    Shell,
};
use crate::iommu::{
    Bus,
    Domain,
    Driver,
    EndpointId,
    Pasid, //
};
use kernel::{
    fmt,
    sync::Arc, //
};

/// An instance of any family: its driver, and its hardware, that can be looked into.
pub(crate) trait Mock: Driver {
    /// The rules by which it fails.
    fn faults(&self) -> &Arc<FaultPlan>;

    /// Does one DMA access of an endpoint.
    fn access(
        &self,
        endpoint: EndpointId,
        pasid: Option<Pasid>,
        iova: u64,
        access: Access,
    ) -> Reach;

    /// Does one DMA read.
    fn dma(&self, endpoint: EndpointId, pasid: Option<Pasid>, iova: u64) -> Reach {
        self.access(endpoint, pasid, iova, Access::Read)
    }

    /// Whether the hardware sends the DMA of an endpoint where `domain` says.
    fn is_on(&self, endpoint: EndpointId, domain: &Domain) -> bool;

    /// Writes in a word or two where the hardware sends the DMA of an endpoint.
    fn show(&self, endpoint: EndpointId, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// The hardware of endpoints from 0 on, and their names there; see [`Unit::inspect`].
    fn inspect(&self, endpoint: EndpointId) -> Option<(&dyn Inspect, Requester)>;

    /// Writes in the same words where `domain` says.
    fn show_domain(&self, domain: &Domain, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// Paging domains that have ended while the driver went on referring to their page tables.
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), expect(dead_code))]
    fn kept(&self) -> u64;
}

impl<U: Unit> Shell<U> {
    fn expected(domain: &Domain) -> Option<Seen> {
        Some(match Self::translation(domain)? {
            Target::Blocked => Seen::Blocked,
            Target::Identity => Seen::Identity,
            Target::Paging(space) => Seen::Paging(space.number()),
        })
    }
}

impl<U: Unit> Mock for Shell<U> {
    fn faults(&self) -> &Arc<FaultPlan> {
        &self.faults
    }

    fn access(
        &self,
        endpoint: EndpointId,
        pasid: Option<Pasid>,
        iova: u64,
        access: Access,
    ) -> Reach {
        let pasid = pasid.map(Pasid::get);
        self.unit.access(endpoint.0, pasid, iova, access)
    }

    fn is_on(&self, endpoint: EndpointId, domain: &Domain) -> bool {
        let expected = Self::expected(domain);
        expected.is_some() && self.unit.seen(endpoint.0) == expected
    }

    fn show(&self, endpoint: EndpointId, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit.seen(endpoint.0) {
            None => f.write_str("no endpoint"),
            Some(seen) => seen.show(f),
        }
    }

    fn inspect(&self, endpoint: EndpointId) -> Option<(&dyn Inspect, Requester)> {
        self.unit.inspect(endpoint.0)
    }

    fn show_domain(&self, domain: &Domain, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::expected(domain) {
            None => f.write_str("foreign"),
            Some(seen) => seen.show(f),
        }
    }

    fn kept(&self) -> u64 {
        self.kept.count()
    }
}

impl<U: Unit> Bus for Shell<U> {
    fn read(&self, endpoint: EndpointId, iova: u64) -> Option<u64> {
        self.access(endpoint, None, iova, Access::Read).memory()
    }

    fn write(&self, endpoint: EndpointId, iova: u64) -> Option<u64> {
        self.access(endpoint, None, iova, Access::Write).memory()
    }
}

impl Seen {
    fn show(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seen::Blocked => f.write_str("blocked"),
            Seen::Identity => f.write_str("identity"),
            Seen::Paging(0) => f.write_str("unknown table"),
            Seen::Paging(number) => write!(f, "table {number}"),
        }
    }
}
