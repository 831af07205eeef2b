// SPDX-License-Identifier: GPL-2.0

//! Default domains that hand out IOVAs, strict and lazy (requirements R4.1 to R4.12).

use crate::{
    dma::{
        Clock,
        DmaDomain,
        Rings,
        Settings, //
    },
    families::Families,
    fixture::Fixture,
    iommu::{
        Domain,
        EndpointId,
        Prot, //
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
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

kunit_suite! {
    iommu_mock_dma_domain over Families:
    mapped_page_is_reached: each Mode in MODES;
    strict_iova_is_reusable_at_once;
    lazy_iova_is_not_reused_before_a_flush;
    lazy_range_waits_no_longer_than_the_timeout;
    timer_is_armed_only_while_ranges_wait;
    exhausted_space_flushes_the_queue_before_it_fails;
    failed_mapping_gives_its_iova_back: each Mode in MODES;
    failed_sync_map_unmaps_and_gives_its_iova_back: each Mode in MODES;
    strict_domain_turns_lazy_while_it_is_used;
    low_addresses_are_tried_first;
    nonsense_is_refused;
}

#[derive(Clone, Copy)]
struct Mode {
    lazy: bool,
}

impl Param for Mode {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.lazy {
            true => "lazy",
            false => "strict",
        })
    }
}

const MODES: [Mode; 2] = [Mode { lazy: false }, Mode { lazy: true }];

/// A clock that stands still until it is told to go on.
struct Manual(Atomic<u64>);

impl Clock for Manual {
    fn now(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

struct Scene {
    dma: Arc<DmaDomain>,
    clock: Arc<Manual>,
    domain: Arc<Domain>,
    fixture: Fixture,
}

const PAGE: u64 = 0x1000;

impl Scene {
    fn new(lazy: bool, slots: usize) -> Result<Self> {
        let fixture = Fixture::new(1)?;
        let domain = fixture.domain()?;
        fixture.group()?.attach(&domain)?;
        let clock = Arc::new(Manual(Atomic::new(1)), GFP_KERNEL)?;
        let settings = Settings {
            rings: Rings::One,
            slots,
            ..Settings::PER_CPU
        };
        let dma = DmaDomain::new(&domain, settings, clock.clone())?;
        if lazy {
            dma.go_lazy()?;
        }
        Ok(Self {
            dma,
            clock,
            domain,
            fixture,
        })
    }

    fn map(&self, paddr: u64, last: u64) -> Result<u64> {
        self.dma.map(&self.domain, paddr, PAGE, Prot::RW, last)
    }

    fn unmap(&self, iova: u64) {
        self.dma.unmap(&self.domain, iova, PAGE);
    }

    fn reach(&self, iova: u64) -> Reach {
        self.fixture.mock().dma(EndpointId(0), None, iova)
    }
}

fn mapped_page_is_reached(mode: &Mode) -> Outcome {
    let scene = Scene::new(mode.lazy, 4)?;
    for page in 1..=8 {
        let iova = scene.map(page * PAGE, u64::MAX)?;
        check_eq!(scene.reach(iova + 5), Reach::Memory(page * PAGE + 5));
        scene.unmap(iova);
        check!(mode.lazy || scene.reach(iova) == Reach::Aborted);
    }
    Ok(())
}

fn strict_iova_is_reusable_at_once() -> Outcome {
    let scene = Scene::new(false, 4)?;
    let iova = scene.map(PAGE, u64::MAX)?;
    scene.unmap(iova);
    check_eq!(scene.reach(iova), Reach::Aborted);
    check_eq!(scene.map(2 * PAGE, u64::MAX)?, iova);
    Ok(())
}

fn lazy_iova_is_not_reused_before_a_flush() -> Outcome {
    let scene = Scene::new(true, 4)?;
    let first = scene.map(PAGE, u64::MAX)?;
    scene.unmap(first);
    for _ in 0..3 {
        let iova = scene.map(2 * PAGE, u64::MAX)?;
        check!(iova != first);
        scene.unmap(iova);
    }
    check_eq!(scene.dma.queue().map(|queue| queue.flushes()), Some(0));
    // The fifth finds the ring full.
    let iova = scene.map(3 * PAGE, u64::MAX)?;
    scene.unmap(iova);
    check_eq!(scene.dma.queue().map(|queue| queue.flushes()), Some(1));
    check!(scene.map(4 * PAGE, u64::MAX)? != iova);
    Ok(())
}

fn lazy_range_waits_no_longer_than_the_timeout() -> Outcome {
    let scene = Scene::new(true, 256)?;
    let iova = scene.map(PAGE, u64::MAX)?;
    scene.unmap(iova);
    scene.clock.0.fetch_add(9, Relaxed);
    scene.dma.tick(&scene.domain);
    check_eq!(scene.dma.queue().map(|queue| queue.len()), Some(1));
    scene.clock.0.fetch_add(1, Relaxed);
    scene.dma.tick(&scene.domain);
    check_eq!(scene.dma.queue().map(|queue| queue.len()), Some(0));
    check_eq!(scene.reach(iova), Reach::Aborted);
    Ok(())
}

fn timer_is_armed_only_while_ranges_wait() -> Outcome {
    let scene = Scene::new(true, 256)?;
    check!(!scene.dma.is_armed());
    let iova = scene.map(PAGE, u64::MAX)?;
    check!(!scene.dma.is_armed());
    scene.unmap(iova);
    check!(scene.dma.is_armed());
    scene.clock.0.fetch_add(100, Relaxed);
    scene.dma.tick(&scene.domain);
    check!(!scene.dma.is_armed());
    Ok(())
}

fn exhausted_space_flushes_the_queue_before_it_fails() -> Outcome {
    let scene = Scene::new(true, 256)?;
    // Pages 1 to 7 only.
    let last = 8 * PAGE - 1;
    let mut used = KVec::new();
    for page in 1..=7 {
        used.push(scene.map(page * PAGE, last)?, GFP_KERNEL)?;
    }
    check_eq!(scene.map(PAGE, last).err(), Some(ENOSPC));
    check_eq!(scene.dma.queue().map(|queue| queue.flushes()), Some(1));
    let freed = used.pop().ok_or(ENOENT)?;
    scene.unmap(freed);
    check_eq!(scene.map(9 * PAGE, last)?, freed);
    check_eq!(scene.reach(freed), Reach::Memory(9 * PAGE));
    check_eq!(scene.dma.queue().map(|queue| queue.flushes()), Some(2));
    Ok(())
}

fn failed_mapping_gives_its_iova_back(mode: &Mode) -> Outcome {
    let scene = Scene::new(mode.lazy, 4)?;
    let used = scene.dma.iova().used();
    scene.fixture.fail(Rule::once(Op::Map, ENOMEM))?;
    check_eq!(scene.map(PAGE, u64::MAX).err(), Some(ENOMEM));
    scene.dma.iova().drain();
    check_eq!(scene.dma.iova().used(), used);
    Ok(())
}

fn failed_sync_map_unmaps_and_gives_its_iova_back(mode: &Mode) -> Outcome {
    let scene = Scene::new(mode.lazy, 4)?;
    let iova = scene.map(PAGE, u64::MAX)?;
    scene.unmap(iova);
    let last = match mode.lazy {
        true => scene.map(PAGE, u64::MAX)?,
        false => iova,
    };
    if mode.lazy {
        scene.unmap(last);
    }
    scene.fixture.fail(Rule::once(Op::SyncMap, EIO))?;
    check_eq!(scene.map(2 * PAGE, u64::MAX).err(), Some(EIO));
    // The next one is at the same place, and only what it maps is reached there.
    let again = scene.map(3 * PAGE, u64::MAX)?;
    check_eq!(scene.reach(again), Reach::Memory(3 * PAGE));
    Ok(())
}

fn strict_domain_turns_lazy_while_it_is_used() -> Outcome {
    let scene = Scene::new(false, 4)?;
    let (first, second) = (scene.map(PAGE, u64::MAX)?, scene.map(2 * PAGE, u64::MAX)?);
    scene.unmap(first);
    check_eq!(scene.reach(first), Reach::Aborted);
    scene.dma.go_lazy()?;
    scene.dma.go_lazy()?;
    check_eq!(scene.reach(second), Reach::Memory(2 * PAGE));
    scene.unmap(second);
    check_eq!(scene.dma.queue().map(|queue| queue.len()), Some(1));
    check!(scene.map(3 * PAGE, u64::MAX)? != second);
    Ok(())
}

fn low_addresses_are_tried_first() -> Outcome {
    let scene = Scene::new(false, 4)?;
    check!(scene.map(PAGE, u64::MAX)? <= u64::from(u32::MAX));
    let dma = &scene.dma;
    // A range that does not fit there goes higher.
    let size = 1 << 32;
    let iova = dma.map(&scene.domain, 1 << 40, size, Prot::RW, u64::MAX)?;
    check!(iova > u64::from(u32::MAX));
    dma.unmap(&scene.domain, iova, size);
    Ok(())
}

fn nonsense_is_refused() -> Outcome {
    let scene = Scene::new(false, 4)?;
    let dma = &scene.dma;
    for (paddr, size) in [(PAGE, 0), (1, PAGE), (PAGE, 1)] {
        let answer = dma.map(&scene.domain, paddr, size, Prot::RW, u64::MAX);
        check_eq!(answer.err(), Some(EINVAL));
    }
    let settings = Settings::PER_CPU;
    let identity = scene.fixture.identity()?;
    let none = DmaDomain::new(&identity, settings, scene.clock.clone());
    check_eq!(none.err(), Some(EINVAL));
    Ok(())
}
