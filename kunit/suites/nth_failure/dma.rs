// SPDX-License-Identifier: GPL-2.0

//! Mappings of the DMA layer: calls of the driver, and tables that are not to be had.

use super::{
    ENOUGH,
    ERROR, //
};
use crate::{
    dma::{
        Clock,
        DmaDomain,
        Settings, //
    },
    fixture::Fixture,
    iommu::{
        Domain,
        EndpointId,
        Prot, //
    },
    kapi::kunit::{
        check,
        check_eq,
        note,
        Outcome,
        Param, //
    },
    mock::{
        fault::{
            Op,
            Rule, //
        },
        hw::Reach, //
    },
    pgtable::{
        PageTable,
        X86FirstStage, //
    },
    pgtable_tests::Census,
    table_domain::TableDomain,
};
use kernel::{
    fmt,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// When what is unmapped is flushed.
#[derive(Clone, Copy)]
pub(super) struct Mode {
    lazy: bool,
}

impl Mode {
    pub(super) fn is_lazy(&self) -> bool {
        self.lazy
    }
}

impl Param for Mode {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.lazy {
            true => "lazy",
            false => "strict",
        })
    }
}

pub(super) const MODES: [Mode; 2] = [Mode { lazy: false }, Mode { lazy: true }];

pub(super) const PAGE: u64 = 0x1000;

/// A range that takes pages of two sizes.
pub(super) const SIZE: u64 = 0x20_0000 + 2 * PAGE;
pub(super) const PADDR: u64 = 1 << 40;

/// Whoever looks at it finds that every deadline has passed.
struct Running(Atomic<u64>);

impl Clock for Running {
    fn now(&self) -> u64 {
        self.0.fetch_add(1 << 20, Relaxed)
    }
}

pub(super) fn clock() -> Result<Arc<dyn Clock>> {
    Ok(Arc::new(Running(Atomic::new(1)), GFP_KERNEL)?)
}

pub(super) fn layer(domain: &Domain, mode: &Mode) -> Result<Arc<DmaDomain>> {
    let dma = DmaDomain::new(domain, Settings::PER_CPU, clock()?)?;
    if mode.lazy {
        dma.go_lazy()?;
    }
    Ok(dma)
}

/// What a failure must leave alone: IOVAs handed out, and ranges that wait.
pub(super) fn books(dma: &DmaDomain) -> (usize, usize) {
    let waiting = dma.queue().map_or(0, |queue| queue.len());
    (dma.iova().used(), waiting)
}

pub(super) fn any_call_of_a_mapping_can_fail(mode: &Mode) -> Outcome {
    let mut failures = 0;
    for call in [Op::Map, Op::SyncMap] {
        for nth in 0.. {
            check!(nth < ENOUGH, "{call:?} never ends");
            let fixture = Fixture::new(1)?;
            let domain = fixture.domain()?;
            check_eq!(fixture.group()?.attach(&domain), Ok(()));
            let dma = layer(&domain, mode)?;
            let map = || dma.map(&domain, PADDR, SIZE, Prot::RW, u64::MAX);
            let reach = |iova| fixture.mock().dma(EndpointId(0), None, iova);
            // So that the failure is not the first there is, and something waits.
            let first = map()?;
            dma.unmap(&domain, first, SIZE);
            let before = books(&dma);
            fixture.fail(Rule::once(call, ERROR).after(nth))?;
            let result = map();
            let hit = fixture.faults().hits() != 0;
            fixture.faults().clear();
            check_eq!(result.err(), hit.then_some(ERROR));
            if !hit {
                break;
            }
            failures += 1;
            check_eq!(books(&dma), before);
            let iova = map()?;
            for at in [0, SIZE - PAGE] {
                check_eq!(reach(iova + at), Reach::Memory(PADDR + at));
            }
            dma.unmap(&domain, iova, SIZE);
            for at in [0, SIZE - PAGE] {
                check!(mode.lazy || reach(iova + at) == Reach::Aborted);
                check_eq!(domain.iova_to_phys(iova + at), None);
            }
        }
    }
    note(fmt!("{failures} failures"));
    check!(failures > 2);
    Ok(())
}

/// Checks that a table maps nothing, and that all its memory is part of it.
fn check_kept(table: &PageTable<X86FirstStage>) -> Outcome {
    let census = Census::of(table);
    check_eq!((census.tables, census.leaves), (table.tables(), 0));
    Ok(())
}

pub(super) fn any_table_of_a_mapping_can_fail(mode: &Mode) -> Outcome {
    let mut failures = 0;
    for allowed in 0.. {
        check!(allowed < ENOUGH, "a mapping takes tables without end");
        let domain = TableDomain::domain()?;
        let dma = layer(&domain, mode)?;
        let table = TableDomain::table(&domain)?;
        let memory = table.store();
        let map = || dma.map(&domain, PADDR, SIZE, Prot::RW, u64::MAX);
        let before = books(&dma);
        memory.allow(allowed);
        let result = map();
        memory.allow(u32::MAX);
        if result.is_ok() {
            break;
        }
        check_eq!(result, Err(ENOMEM));
        failures += 1;
        check_eq!(books(&dma), before);
        // A table that the range does not cover stays for the next one, and no other is in use.
        check_kept(table)?;
        let iova = map()?;
        check_eq!(domain.iova_to_phys(iova), Some(PADDR));
        // Unmapping takes no table.
        memory.allow(0);
        dma.unmap(&domain, iova, SIZE);
        memory.allow(u32::MAX);
        check_eq!(domain.iova_to_phys(iova), None);
        check_kept(table)?;
    }
    note(fmt!("{failures} failures"));
    check!(failures > 1);
    Ok(())
}
