// SPDX-License-Identifier: GPL-2.0

//! Threads that unmap, map, and flush by timer, on one ring and with no IOVA to spare, made anew
//! for each schedule.
//!
//! They stop where the ring is locked, before and after a flush, and at the beginning of whatever
//! they do; what comes between is one step.

use super::watched::Watched;
use crate::{
    dma::{
        Clock,
        DmaDomain,
        Rings,
        Settings, //
    },
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
            Outcome, //
        },
        new_mutex,
        schedule::{
            self,
            Act, //
        },
        Mutex, //
    },
    mock::hw::Reach,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// One operation of a thread.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// Unmaps what was mapped in this place when it began.
    Unmap(usize),
    /// Maps something.
    Map,
    /// The timer fires.
    Timer,
}

impl Op {
    fn name(self) -> &'static str {
        match self {
            Op::Unmap(_) => "unmap",
            Op::Map => "map",
            Op::Timer => "timer",
        }
    }
}

/// What the threads do.
#[derive(Clone, Copy)]
pub(crate) struct FlushScene {
    /// What is shown.
    pub(crate) name: &'static str,
    /// The operations of each thread.
    pub(crate) scripts: &'static [&'static [Op]],
    /// Ranges that are mapped when it begins.
    pub(crate) mapped: usize,
    /// Preemptions that are tried.
    pub(crate) bound: u32,
}

/// Pages of a range: as many as a table has, so that unmapping cuts one off, and more than go
/// through caches, which would depend on the CPU.
const PAGES: u64 = 512;
const SIZE: u64 = PAGES << 12;

/// Where memory starts that ranges are mapped to, off by a page so that none is a large one.
const MEMORY: u64 = (1 << 32) + 0x1000;

/// The family of VT-d, whose hardware keeps what it used until it is told to forget.
pub(crate) const VTD: u32 = 1;

/// A clock that stands still: what is queued has waited long enough at once.
pub(crate) struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> u64 {
        1
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Mapped,
    /// Its unmapping has begun.
    Leaving,
    /// It has ended: the how manieth.
    Left(u32),
}

struct Range {
    iova: u64,
    state: State,
}

struct Books {
    ranges: KVec<Range>,
    left: u32,
    /// Mappings that failed though a range had been unmapped before they began that nobody got
    /// since.
    denied: u32,
    /// Operations that went wrong in another way.
    failed: u32,
}

/// See the module.
#[pin_data]
pub(crate) struct FlushWorld {
    scene: FlushScene,
    slots: usize,
    dma: Arc<DmaDomain>,
    domain: Arc<Domain>,
    #[pin]
    books: Mutex<Books>,
    // Behind the domain, which its device is on.
    fixture: Fixture,
}

/// The last address of so many ranges.
fn last(ranges: usize) -> u64 {
    // Nothing is at 0, so the first one is left out.
    SIZE * (ranges as u64 + 1) - 1
}

impl FlushWorld {
    /// Makes the world of a scene, on a ring of `slots` slots of which all but one are used.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(scene: &FlushScene, slots: usize) -> Result<Arc<Self>> {
        let fixture = Setup::ordinary(1)?.family(VTD).probe()?;
        let inner = fixture.other_domain()?;
        fixture.group()?.attach(&inner)?;
        let domain = Watched::domain(inner, fixture.hardware().clone())?;
        let settings = Settings {
            rings: Rings::One,
            slots,
            timeout: 0,
            low_first: false,
        };
        let dma = DmaDomain::new(&domain, settings, Arc::new(Stopped, GFP_KERNEL)?)?;
        dma.go_lazy()?;
        let books = Books {
            ranges: KVec::new(),
            left: 0,
            denied: 0,
            failed: 0,
        };
        let world = pin_init!(Self {
            scene: *scene,
            slots,
            dma,
            domain,
            books <- new_mutex!(books, "FlushWorld::books"),
            fixture,
        });
        let world = Arc::pin_init(world, GFP_KERNEL)?;
        world.fill()?;
        Ok(world)
    }

    fn ranges(&self) -> usize {
        self.scene.mapped + self.slots - 1
    }

    /// Maps all there is, and queues what the threads have nothing to do with.
    fn fill(&self) -> Result {
        for _ in 0..self.ranges() {
            let iova = self.map_once()?;
            let state = State::Mapped;
            let mut books = self.books.lock();
            books.ranges.push(Range { iova, state }, GFP_KERNEL)?;
        }
        (self.scene.mapped..self.ranges()).for_each(|at| self.unmap(at));
        Ok(())
    }

    /// Maps a range and lets the device use it.
    fn map_once(&self) -> Result<u64> {
        let (dma, domain) = (&self.dma, &self.domain);
        let iova = dma.map(domain, MEMORY, SIZE, Prot::RW, last(self.ranges()))?;
        match self.use_once(iova) {
            Reach::Memory(MEMORY) => Ok(iova),
            _ => Err(EFAULT),
        }
    }

    fn use_once(&self, iova: u64) -> Reach {
        self.fixture.mock().dma(EndpointId(0), None, iova)
    }

    fn unmap(&self, at: usize) {
        let iova = {
            let mut books = self.books.lock();
            let Some(range) = books.ranges.get_mut(at) else {
                return;
            };
            range.state = State::Leaving;
            range.iova
        };
        // The device has used it till now, so that its IOTLB has a line even behind a flush.
        let _ = self.use_once(iova);
        self.dma.unmap(&self.domain, iova, SIZE);
        let books = &mut *self.books.lock();
        if let Some(range) = books.ranges.get_mut(at) {
            // Nobody can have got it yet, in a world without defects.
            if range.state == State::Leaving {
                books.left += 1;
                range.state = State::Left(books.left);
            }
        }
    }

    fn map(&self) {
        let before = self.books.lock().left;
        let mapped = self.map_once();
        let mut books = self.books.lock();
        match mapped {
            Ok(iova) => {
                let range = books.ranges.iter_mut().find(|range| range.iova == iova);
                match range {
                    Some(range) => range.state = State::Mapped,
                    None => books.failed += 1,
                }
            }
            Err(ENOSPC) => {
                let free = |range: &Range| matches!(range.state, State::Left(n) if n <= before);
                let denied = books.ranges.iter().any(free);
                books.denied += u32::from(denied);
            }
            Err(_) => books.failed += 1,
        }
    }

    /// Checks how a run has left everything.
    pub(crate) fn check(&self) -> Outcome {
        let watched = self.domain.data::<Watched>().ok_or(EINVAL)?;
        let early = watched.early();
        check!(early == 0, "{early} handed out before they were flushed");
        let queue = self.dma.queue().ok_or(EINVAL)?;
        let waiting = queue.len();
        check!(waiting <= self.slots, "{waiting} in the ring");
        check!(waiting == 0 || self.dma.is_armed(), "no timer is armed");
        {
            let books = self.books.lock();
            check!(books.failed == 0, "{} mappings failed", books.failed);
            check!(books.denied == 0, "{} IOVAs were not found", books.denied);
        }
        // Nothing is lost: the timer frees all that is not mapped.
        self.dma.tick(&self.domain);
        check_eq!(queue.len(), 0);
        let mut mapped = 0;
        for range in &self.books.lock().ranges {
            let reach = self.use_once(range.iova);
            let expected = match range.state {
                State::Mapped => Reach::Memory(MEMORY),
                State::Leaving | State::Left(_) => Reach::Aborted,
            };
            check!(
                reach == expected,
                "{:x} reaches {:x?}, and is {:?}",
                range.iova,
                reach,
                range.state
            );
            mapped += usize::from(range.state == State::Mapped);
        }
        check_eq!(self.dma.iova().used(), mapped);
        Ok(())
    }
}

impl Act for FlushWorld {
    fn act(&self, number: usize) {
        let script = self.scene.scripts.get(number).copied().unwrap_or_default();
        for op in script {
            schedule::begin(op.name());
            schedule::other("start");
            match op {
                Op::Unmap(at) => self.unmap(*at),
                Op::Map => self.map(),
                Op::Timer => self.dma.tick(&self.domain),
            }
        }
    }
}
