// SPDX-License-Identifier: GPL-2.0

//! Mappings: of the DMA layer, and through the kernel's core.

use super::{
    super::dma::{
        books,
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
    dma::DmaDomain,
    fixture::Fixture,
    iommu::{
        EndpointId,
        PagingFlags,
        Prot, //
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
#[derive(Clone, Copy, Debug)]
enum Ask {
    New,
    Map,
    Unmap,
    GoLazy,
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
    for ask in [Ask::New, Ask::Map, Ask::Unmap, Ask::GoLazy] {
        each_nth(&mut tally, |nth| {
            let fixture = Fixture::new(1)?;
            let domain = fixture.domain()?;
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
            };
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
                Ask::New | Ask::Unmap => 0,
                Ask::GoLazy => 1,
                Ask::Map => 2,
            };
            check_eq!(mapped(&dma), expected);
            if let Ask::Unmap = ask {
                check_eq!(domain.iova_to_phys(first), None);
                check!(mode.is_lazy() || reach(first) == Reach::Aborted);
            }
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
    check_eq!(warnings.count(), 0);
    tally.tell()
}
