// SPDX-License-Identifier: GPL-2.0

//! Lazy unmapping by a function whose hypervisor shadows its page table.
//!
//! The hypervisor is told of each mapping and takes its time for that and for each flush. That time
//! is counted, not spent, and so the same in each run.

use super::{
    super::{
        measure::Pairs,
        sheet::{
            Limits,
            Row,
            Sheet, //
        }, //
    },
    Rollover,
    Stack,
    TENTH,
    TWICE, //
};
use crate::{
    dma::Settings,
    group::{
        Endpoint,
        Iommu, //
    },
    iommu::{
        DefaultType,
        Domain,
        Driver,
        EndpointId,
        PagingFlags, //
    },
    mock::{
        endpoint::{
            EndpointConfig,
            InstanceConfig, //
        },
        fault::FaultPlan,
        hw::s390::shadow::Price,
        s390::S390Unit,
        shell::Shell, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Mappings: some rings full, and as many pages as are used before a rollover.
const TIMES: u32 = 4 * 32768;

/// Of the right order; what matters is that a refresh of much costs far less than many refreshes.
const PRICE: Price = Price {
    trap: 2_000,
    look: 50,
    pin: 0,
    unpin: 0,
    flush: 2_000,
};

/// A function under such a hypervisor, on a domain. Goes away when dropped.
struct Guest {
    iommu: Arc<Iommu>,
    endpoint: Endpoint,
    shell: Arc<Shell<S390Unit>>,
    domain: Arc<Domain>,
}

impl Guest {
    fn new() -> Result<Self> {
        let mut endpoints = KVec::new();
        endpoints.push(EndpointConfig::ordinary(0), GFP_KERNEL)?;
        let faults = Arc::pin_init(FaultPlan::new(), GFP_KERNEL)?;
        let shell = Shell::<S390Unit>::new(InstanceConfig::default(), endpoints, faults)?;
        shell.unit().pci().shadow(usize::MAX, PRICE);
        let iommu = Iommu::new(shell.clone(), None, DefaultType::Identity);
        let iommu = Arc::pin_init(iommu, GFP_KERNEL)?;
        let endpoint = iommu.probe(EndpointId(0))?;
        let domain = shell.alloc_paging(endpoint.device(), PagingFlags::default())?;
        endpoint.group().attach(&domain)?;
        Ok(Self {
            iommu,
            endpoint,
            shell,
            domain,
        })
    }

    /// Nanoseconds that the hypervisor took.
    fn spent(&self) -> u64 {
        self.shell.unit().pci().spent()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.endpoint.group().detach(&self.domain);
        let _ = self.iommu.release(&self.endpoint);
    }
}

/// What all mappings cost by our layer.
fn by_layer(lazy: Option<Settings>) -> Result<u64> {
    let guest = Guest::new()?;
    Stack::over(guest.domain.clone(), lazy)?.run(TIMES)?;
    Ok(guest.spent())
}

/// What they cost where there is a flush only when all pages were used.
fn by_rollover() -> Result<u64> {
    let guest = Guest::new()?;
    Rollover::new(guest.domain.clone(), TIMES.into())?.run(TIMES)?;
    Ok(guest.spent())
}

/// Measures lazy unmapping beside strict, and a large ring beside flushing on rollover.
pub(in super::super) fn measure(sheet: &mut Sheet) -> Result {
    let strict = by_layer(None)?;
    let small = by_layer(Some(Settings::PER_CPU))?;
    let large = by_layer(Some(Settings::SHADOWED))?;
    let rollover = by_rollover()?;
    let (slots, all) = (256, 32768);
    let mut say = |what, size, peer, limits: Limits, ours, theirs| {
        let row = Row {
            what,
            size,
            peer,
            limits: Some(limits),
            times: TIMES,
        };
        sheet.pair(&row, &mut Pairs::of(ours, theirs)?)
    };
    say(
        "lazy, by the slots of a ring",
        slots,
        "strict",
        TWICE,
        small,
        strict,
    )?;
    say(
        "lazy, by the slots of a ring",
        all,
        "strict",
        TWICE,
        large,
        strict,
    )?;
    say("one ring", all, "flush on rollover", TENTH, large, rollover)
}
