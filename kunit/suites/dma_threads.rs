// SPDX-License-Identifier: GPL-2.0

//! Two threads that map, use and unmap, and a third one that is the timer: at once on two CPUs
//! where there are two, else by turns. Threads only count; the test looks at the counts.

use crate::{
    dma::{
        DmaDomain,
        Rings,
        Settings, //
    },
    effort,
    fixture::{
        Fixture,
        Setup, //
    },
    iommu::{
        Domain,
        EndpointId,
        Prot, //
    },
    kapi::{
        kunit::{
            check,
            check_eq,
            kunit_suite,
            note,
            Outcome,
            Param, //
        },
        thread::{
            yield_now,
            Run,
            Thread, //
        },
    },
    mock::hw::Reach,
    random::Random,
    schedule::{
        flush::{
            Stopped,
            VTD, //
        },
        watched::Watched, //
    },
    seed,
};
use kernel::{
    cpu::CpuId,
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
    iommu_mock_dma_threads:
    no_thread_gets_what_another_may_still_reach: each Ring in RINGS;
}

/// How the queue is divided, and its slots.
struct Ring(Rings, usize);

impl Param for Ring {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {} slots", self.0, self.1)
    }
}

const RINGS: [Ring; 6] = [
    Ring(Rings::One, 1),
    Ring(Rings::One, 2),
    Ring(Rings::One, 4),
    Ring(Rings::PerCpu, 1),
    Ring(Rings::PerCpu, 4),
    Ring(Rings::PerCpu, 64),
];

const PAGE: u64 = 0x1000;
/// The last address that is handed out: 63 pages.
const LAST: u64 = 64 * PAGE - 1;
/// Ranges that a thread has mapped at most.
const HELD: usize = 8;
/// Operations of a thread.
const OPERATIONS: u32 = 1500;

/// What the threads share.
struct Scene {
    dma: Arc<DmaDomain>,
    domain: Arc<Domain>,
    fixture: Fixture,
    /// Threads at work.
    working: Atomic<u32>,
    /// Ranges that did not lead to what they were mapped to.
    astray: Atomic<u32>,
    /// Mappings that failed.
    denied: Atomic<u32>,
    mapped: Atomic<u32>,
    /// CPUs that each of the two ran on, one bit each.
    cpus: [Atomic<u64>; 2],
}

impl Scene {
    fn new(ring: &Ring) -> Result<Arc<Self>> {
        let fixture = Setup::ordinary(1)?.family(VTD).probe()?;
        let inner = fixture.other_domain()?;
        fixture.group()?.attach(&inner)?;
        let domain = Watched::domain(inner, fixture.hardware().clone())?;
        let settings = Settings {
            rings: ring.0,
            slots: ring.1,
            timeout: 0,
            low_first: true,
        };
        let dma = DmaDomain::new(&domain, settings, Arc::new(Stopped, GFP_KERNEL)?)?;
        dma.go_lazy()?;
        let scene = Self {
            dma,
            domain,
            fixture,
            working: Atomic::new(2),
            astray: Atomic::new(0),
            denied: Atomic::new(0),
            mapped: Atomic::new(0),
            cpus: [const { Atomic::new(0) }; 2],
        };
        Ok(Arc::new(scene, GFP_KERNEL)?)
    }

    fn leads_to(&self, iova: u64, to: u64) {
        let reach = self.fixture.mock().dma(EndpointId(0), None, iova);
        if reach != Reach::Memory(to) {
            self.astray.fetch_add(1, Relaxed);
        }
    }

    fn map(&self, to: u64, size: u64) -> Option<u64> {
        let mapped = self.dma.map(&self.domain, to, size, Prot::RW, LAST);
        match mapped {
            Ok(iova) => {
                self.mapped.fetch_add(1, Relaxed);
                self.leads_to(iova, to);
                Some(iova)
            }
            Err(_) => {
                self.denied.fetch_add(1, Relaxed);
                None
            }
        }
    }
}

/// A thread by number: 0 and 1 map and unmap, 2 is the timer.
struct Worker(Arc<Scene>, u64);

impl Run for Worker {
    fn run(&self) {
        let Self(scene, number) = self;
        if *number == 2 {
            while scene.working.load(Relaxed) != 0 {
                scene.dma.tick(&scene.domain);
                yield_now();
            }
            return;
        }
        let mut random = Random::new(seed() + number);
        let mut cpus = 0;
        let mut held: [Option<(u64, u64)>; HELD] = [None; HELD];
        for round in 0..u64::from(OPERATIONS.saturating_mul(effort()) / 100) {
            let cpu = CpuId::current().as_u32();
            cpus |= 1u64.checked_shl(cpu).unwrap_or(0);
            // CAST: Few.
            let at = random.below(HELD as u32) as usize;
            let Some(slot) = held.get_mut(at) else {
                return;
            };
            match slot.take() {
                Some((iova, to)) => {
                    scene.leads_to(iova, to);
                    scene.dma.unmap(&scene.domain, iova, PAGE);
                }
                None => {
                    let to = (1 << 32) * (number + 1) + round * PAGE;
                    *slot = scene.map(to, PAGE).map(|iova| (iova, to));
                }
            }
            if random.below(4) == 0 {
                yield_now();
            }
        }
        for (iova, to) in held.into_iter().flatten() {
            scene.leads_to(iova, to);
            scene.dma.unmap(&scene.domain, iova, PAGE);
        }
        if let Some(slot) = scene.cpus.get(*number as usize) {
            slot.store(cpus, Relaxed);
        }
        scene.working.fetch_sub(1, Relaxed);
    }
}

fn no_thread_gets_what_another_may_still_reach(ring: &Ring) -> Outcome {
    let scene = Scene::new(ring)?;
    let mut threads = KVec::new();
    for number in 0..3 {
        let worker = Arc::new(Worker(scene.clone(), number), GFP_KERNEL)?;
        threads.push(Thread::spawn(worker)?, GFP_KERNEL)?;
    }
    drop(threads);

    let watched = scene.domain.data::<Watched>().ok_or(EINVAL)?;
    let queue = scene.dma.queue().ok_or(EINVAL)?;
    check_eq!(watched.early(), 0);
    check_eq!(scene.astray.load(Relaxed), 0);
    check_eq!(scene.denied.load(Relaxed), 0);
    check!(queue.len() == 0 || scene.dma.is_armed());
    scene.dma.tick(&scene.domain);
    scene.dma.iova().drain();
    check_eq!((queue.len(), scene.dma.iova().used()), (0, 0));
    let cpus = scene
        .cpus
        .iter()
        .fold(0, |all, cpus| all | cpus.load(Relaxed));
    note(fmt!(
        "{} mappings, {} flushes, on {} CPUs",
        scene.mapped.load(Relaxed),
        watched.flushes(),
        cpus.count_ones()
    ));
    Ok(())
}
