// SPDX-License-Identifier: GPL-2.0

//! Page-table pages that a queued range has cut off, and what goes with a domain whose queue is
//! not empty (R4.4, R4.11).

use crate::{
    dma::{
        Clock,
        DmaDomain,
        Layer,
        Rings,
        Settings, //
    },
    iommu::{
        DmaPolicy,
        Domain,
        Prot,
        Strictness, //
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    table_domain::TableDomain,
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

kunit_suite! {
    iommu_mock_dma_tables:
    strict_tables_are_free_at_once;
    queued_tables_wait_for_the_flush;
    queue_goes_with_its_domain;
}

const PAGE: u64 = 0x1000;
/// As much as a table maps.
const SIZE: u64 = 512 * PAGE;
/// Not aligned to that, so that it takes the table.
const MEMORY: u64 = (1 << 32) + PAGE;

/// A clock that stands still until it is told to go on.
struct Manual(Atomic<u64>);

impl Clock for Manual {
    fn now(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

struct Scene {
    domain: Arc<Domain>,
    clock: Arc<Manual>,
}

impl Scene {
    fn new(want: Strictness) -> Outcome<Self> {
        let domain = TableDomain::domain()?;
        let clock = Arc::new(Manual(Atomic::new(1)), GFP_KERNEL)?;
        let settings = Settings {
            rings: Rings::One,
            ..Settings::PER_CPU
        };
        let layer = Layer::new(settings, clock.clone());
        check_eq!(layer.adopt(&domain, want, true), Ok(want));
        Ok(Self { domain, clock })
    }

    fn dma(&self) -> Result<&DmaDomain> {
        Layer::of(&self.domain).ok_or(ENODEV)
    }

    fn tables(&self) -> Result<u32> {
        Ok(TableDomain::table(&self.domain)?.tables())
    }

    fn map(&self) -> Result<u64> {
        let dma = self.dma()?;
        dma.map(&self.domain, MEMORY, SIZE, Prot::RW, u64::MAX)
    }

    fn unmap(&self, iova: u64) -> Result {
        self.dma()?.unmap(&self.domain, iova, SIZE);
        Ok(())
    }
}

fn strict_tables_are_free_at_once() -> Outcome {
    let scene = Scene::new(Strictness::Strict)?;
    let (first, second) = (scene.map()?, scene.map()?);
    let both = scene.tables()?;
    scene.unmap(first)?;
    check_eq!(scene.tables()?, both - 1);
    scene.unmap(second)?;
    Ok(())
}

fn queued_tables_wait_for_the_flush() -> Outcome {
    let scene = Scene::new(Strictness::Lazy)?;
    let (first, second) = (scene.map()?, scene.map()?);
    let both = scene.tables()?;
    scene.unmap(first)?;
    check_eq!(scene.tables()?, both);
    let third = scene.map()?;
    check_eq!(scene.tables()?, both + 1);
    scene.unmap(third)?;
    scene.clock.0.fetch_add(10, Relaxed);
    scene.dma()?.tick(&scene.domain);
    // Each of them once, and that of what is mapped not at all.
    check_eq!(scene.tables()?, both - 1);
    check_eq!(scene.domain.iova_to_phys(second), Some(MEMORY));
    check_eq!(scene.dma()?.iova().used(), 1);
    Ok(())
}

fn queue_goes_with_its_domain() -> Outcome {
    let scene = Scene::new(Strictness::Lazy)?;
    for _ in 0..3 {
        scene.unmap(scene.map()?)?;
    }
    check_eq!(scene.dma()?.queue().map(|queue| queue.len()), Some(3));
    check!(scene.dma()?.is_armed());
    let Scene { domain, clock } = scene;
    let domain = Arc::into_unique_or_drop(domain);
    check!(domain.is_some(), "somebody else has the domain");
    drop(domain);
    // No timer is left that could ask for the time.
    let clock = Arc::into_unique_or_drop(clock);
    check!(clock.is_some(), "somebody else has the clock");
    Ok(())
}
