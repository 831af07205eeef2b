// SPDX-License-Identifier: GPL-2.0

//! Mappings: of the DMA layer, and through the kernel's core.

use super::{
    super::dma::{
        books,
        clock,
        layer,
        PADDR,
        PAGE,
        SIZE, //
    },
    begin,
    each_nth,
    Mode,
    Tally, //
};
use crate::{
    ccore::UserDomain,
    dma::{
        DmaDomain,
        Layer,
        Settings, //
    },
    fixture::Fixture,
    iommu::{
        DmaPolicy,
        EndpointId,
        PagingFlags,
        Prot,
        Strictness, //
    },
    kapi::kunit::{
        check,
        check_eq,
        Outcome,
        WarnCounter, //
    },
    mock::hw::Reach,
    rig::Kernel, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A call of the DMA layer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ask {
    New,
    Map,
    Unmap,
    GoLazy,
    /// What the timer does.
    Tick,
    /// As a default domain.
    Adopt,
}

impl Ask {
    const ALL: [Self; 6] = [
        Self::New,
        Self::Map,
        Self::Unmap,
        Self::GoLazy,
        Self::Tick,
        Self::Adopt,
    ];
}

/// Ranges that are mapped.
fn mapped(dma: &DmaDomain) -> usize {
    dma.iova().drain();
    let (used, waiting) = books(dma);
    used.saturating_sub(waiting)
}

pub(super) fn any_allocation_of_a_mapping_can_fail(mode: &Mode) -> Outcome {
    let faults = begin()?;
    let warnings = WarnCounter::start()?;
    let mut tally = Tally::default();
    let want = match mode.is_lazy() {
        true => Strictness::Lazy,
        false => Strictness::Strict,
    };
    for ask in Ask::ALL {
        each_nth(&mut tally, |nth| {
            let fixture = Fixture::new(1)?;
            let (domain, other) = (fixture.domain()?, fixture.domain()?);
            let policy = Layer::new(Settings::PER_CPU, clock()?);
            check_eq!(fixture.group()?.attach(&domain), Ok(()));
            let mut dma = layer(&domain, mode)?;
            let map = |dma: &DmaDomain| dma.map(&domain, PADDR, SIZE, Prot::RW, u64::MAX);
            let reach = |iova| fixture.mock().dma(EndpointId(0), None, iova);
            let first = map(&dma)?;
            let run = |dma: &mut Arc<DmaDomain>| match ask {
                Ask::New => layer(&domain, mode).map(|new| *dma = new),
                Ask::Map => map(dma).map(|_| ()),
                Ask::Unmap => {
                    dma.unmap(&domain, first, SIZE);
                    Ok(())
                }
                Ask::GoLazy => dma.go_lazy(),
                Ask::Tick => {
                    dma.tick(&domain);
                    Ok(())
                }
                Ask::Adopt => policy.adopt(&other, want, true).map(|_| ()),
            };
            if let Ask::Tick = ask {
                dma.unmap(&domain, first, SIZE);
            }
            let (before, warned) = (books(&dma), warnings.count());
            let (result, hit) = faults.run(nth, || run(&mut dma));
            check!(
                matches!((result, hit), (Ok(()), _) | (Err(ENOMEM), true)),
                "{ask:?}: {result:?}"
            );
            if result.is_err() {
                check_eq!(books(&dma), before);
                check_eq!(mapped(&dma), 1);
                check_eq!(reach(first), Reach::Memory(PADDR));
                check_eq!(run(&mut dma), Ok(()));
            }
            let expected = match ask {
                Ask::New | Ask::Unmap | Ask::Tick => 0,
                Ask::GoLazy | Ask::Adopt => 1,
                Ask::Map => 2,
            };
            check_eq!(mapped(&dma), expected);
            if let Ask::Unmap = ask {
                check_eq!(domain.iova_to_phys(first), None);
                check!(mode.is_lazy() || reach(first) == Reach::Aborted);
            }
            if let Ask::Tick = ask {
                check_eq!((books(&dma), reach(first)), ((0, 0), Reach::Aborted));
            }
            check_eq!(Layer::of(&other).is_some(), ask == Ask::Adopt);
            fixture.group()?.detach(&domain);
            check_eq!(warnings.count(), warned);
            Ok((result, hit))
        })?;
    }
    tally.tell()
}

const BIG: usize = 0x20_0000;
const SMALL: usize = PAGE as usize;

/// Where a range begins that takes pages of both sizes.
const IOVA: usize = 0x4000_0000 - SMALL;

pub(super) fn any_allocation_of_a_kernel_mapping_can_fail() -> Outcome {
    let faults = begin()?;
    let warnings = WarnCounter::start()?;
    let kernel = Kernel::new(1)?;
    let alloc = || UserDomain::alloc(kernel.endpoint(0)?, PagingFlags::default());
    let mut tally = Tally::default();
    let (paddr, size) = ((1 << 40) - PAGE, BIG + 2 * SMALL);
    each_nth(&mut tally, |nth| {
        let (result, hit) = faults.run(nth, || alloc().map(|_| ()));
        check!(
            matches!((result, hit), (Ok(()), _) | (Err(ENOMEM), true)),
            "alloc: {result:?}"
        );
        drop(alloc()?);
        Ok((result, hit))
    })?;
    each_nth(&mut tally, |nth| {
        let domain = alloc()?;
        let (result, hit) = faults.run(nth, || domain.map(IOVA, paddr, size, Prot::RW));
        check!(
            matches!((result, hit), (Ok(()), _) | (Err(ENOMEM), true)),
            "map: {result:?}"
        );
        if result.is_err() {
            for at in [IOVA, IOVA + SMALL, IOVA + BIG + SMALL] {
                check_eq!(domain.iova_to_phys(at as u64), 0);
            }
            domain.map(IOVA, paddr, size, Prot::RW)?;
        }
        check_eq!(domain.unmap(IOVA, size), size);
        Ok((result, hit))
    })?;
    each_nth(&mut tally, |nth| {
        let domain = alloc()?;
        domain.map(IOVA, paddr, size, Prot::RW)?;
        let (unmapped, hit) = faults.run(nth, || domain.unmap(IOVA, size));
        check_eq!(unmapped, size);
        check_eq!(domain.iova_to_phys(IOVA as u64), 0);
        Ok((Ok(()), hit))
    })?;
    check_eq!(warnings.count(), 0);
    tally.tell()
}
