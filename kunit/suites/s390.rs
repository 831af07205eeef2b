// SPDX-License-Identifier: GPL-2.0

//! The s390 family: what only it can do, and can have done to it.

mod calls;
mod firmware;
mod moves;
mod price;
mod recovery;
mod shadow;
mod walk;

use crate::{
    group::{
        Endpoint,
        Group,
        Iommu,
        Recovery, //
    },
    iommu::{
        AttachError,
        DefaultType,
        Domain,
        Driver,
        EndpointId,
        PagingFlags,
        Prot, //
    },
    kapi::kunit::{
        Param,
        WarnCounter, //
    },
    mark,
    mock::{
        endpoint::{
            EndpointConfig,
            InstanceConfig, //
        },
        fault::FaultPlan,
        hw::{
            s390,
            Reach, //
        },
        s390::{
            Pci,
            S390Space,
            S390Unit, //
        },
        shell::Shell,
        unit::{
            Space,
            Unit, //
        },
    },
    oracle,
};
use kernel::{
    fmt,
    prelude::*,
    sync::Arc, //
};

/// A protocol of the driver, by number.
struct Way(u32);

impl Param for Way {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(S390Unit::PROTOCOLS.get(self.0 as usize).unwrap_or(&"?"))
    }
}

const LINUX: Way = Way(0);
const REREGISTER: Way = Way(1);
const RETRY: Way = Way(2);
const BOOK: Way = Way(3);

/// All protocols.
const WAYS: [Way; 4] = [LINUX, REREGISTER, RETRY, BOOK];

impl Way {
    fn is(&self, other: &Way) -> bool {
        self.0 == other.0
    }
}

/// One group of functions under our core, whose default domain is identity. Goes away when dropped.
struct Rig {
    iommu: Arc<Iommu>,
    endpoints: KVec<Endpoint>,
    shell: Arc<Shell<S390Unit>>,
}

impl Rig {
    fn new(way: &Way, members: u32) -> Result<Self> {
        Self::with(way, members, |_| ())
    }

    fn with(way: &Way, members: u32, change: impl Fn(&mut EndpointConfig)) -> Result<Self> {
        Self::recovering(way, members, Recovery::default(), change)
    }

    fn recovering(
        way: &Way,
        members: u32,
        recovery: Recovery,
        change: impl Fn(&mut EndpointConfig),
    ) -> Result<Self> {
        let mut endpoints = KVec::new();
        for _ in 0..members {
            let mut endpoint = EndpointConfig::ordinary(0);
            change(&mut endpoint);
            endpoints.push(endpoint, GFP_KERNEL)?;
        }
        let config = InstanceConfig {
            protocol: way.0,
            ..InstanceConfig::default()
        };
        let faults = Arc::pin_init(FaultPlan::new(), GFP_KERNEL)?;
        let shell = Shell::<S390Unit>::new(config, endpoints, faults)?;
        let iommu = Iommu::with_recovery(shell.clone(), None, DefaultType::Identity, recovery);
        let mut rig = Self {
            iommu: Arc::pin_init(iommu, GFP_KERNEL)?,
            endpoints: KVec::with_capacity(members as usize, GFP_KERNEL)?,
            shell,
        };
        for id in 0..members {
            let endpoint = rig.iommu.probe(EndpointId(id))?;
            let _ = rig.endpoints.push_within_capacity(endpoint);
        }
        Ok(rig)
    }

    fn endpoint(&self, at: usize) -> Result<&Endpoint> {
        self.endpoints.get(at).ok_or(ENODEV)
    }

    fn group(&self) -> Result<&Arc<Group>> {
        Ok(self.endpoint(0)?.group())
    }

    /// Moves the group.
    fn replace(&self, to: &Arc<Domain>) -> Result<(), AttachError> {
        self.group()?.replace(to, None).map(|_| ())
    }

    fn unit(&self) -> &S390Unit {
        self.shell.unit()
    }

    fn pci(&self) -> &Pci {
        self.unit().pci()
    }

    /// Makes a paging domain without mappings.
    fn empty(&self) -> Result<Arc<Domain>> {
        let device = self.endpoint(0)?.device();
        self.shell.alloc_paging(device, PagingFlags::default())
    }

    /// Makes a marked paging domain.
    fn domain(&self) -> Result<Arc<Domain>> {
        let domain = self.empty()?;
        mark::mark(&domain)?;
        Ok(domain)
    }

    /// Makes a marked page table, for the driver without a core.
    fn space(&self) -> Result<Arc<S390Space>> {
        let space = self.shell.unit().new_space(0, PagingFlags::default())?;
        let mapped = space.map(mark::IOVA, mark::next_page(), mark::SIZE, 1, Prot::RW);
        mapped.result.map(|()| space)
    }

    fn dma(&self, id: u32, iova: u64) -> Reach {
        self.unit().dma(id, None, iova)
    }

    /// Where the DMA of a function gets to at the mark.
    fn truth(&self, id: u32) -> Reach {
        self.dma(id, mark::IOVA)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // A case that failed may leave the group anyhow.
        let _quiet = WarnCounter::start();
        for endpoint in &self.endpoints {
            let _ = self.iommu.release(endpoint);
        }
    }
}

/// Where a function on `domain` gets to at the mark.
fn reach(domain: &Arc<Domain>) -> Reach {
    oracle::reach(domain)
}

/// Where a function in `space` gets to at the mark.
fn space_reach(space: &S390Space) -> Reach {
    space
        .iova_to_phys(mark::IOVA)
        .map_or(Reach::Aborted, Reach::Memory)
}

/// The handle of the first function.
fn first() -> u32 {
    s390::handle(0)
}
