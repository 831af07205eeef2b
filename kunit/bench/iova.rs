// SPDX-License-Identifier: GPL-2.0

//! Handing out IOVAs and taking them back, beside `drivers/iommu/iova.c`.

use super::{
    measure::{
        time,
        Pairs, //
    },
    sheet::{
        Limits,
        Row,
        Sheet, //
    },
    threads::two_threads,
};
use crate::{
    dma::IovaSpace,
    kapi::iova::{
        self,
        KernelIova, //
    },
};
use kernel::{
    cpu::nr_cpu_ids,
    prelude::*,
    sync::Arc, //
};

const PEER: &str = "iova.c";
const LIMITS: Limits = Limits {
    floor: 1200,
    aim: 670,
};

/// Last page that 32 address bits reach, and 48.
const LOW: u64 = (1 << 20) - 1;
const HIGH: u64 = (1 << 36) - 1;

/// What is handed out and taken back over and over.
#[derive(Clone, Copy)]
struct Shape {
    what: &'static str,
    pages: u64,
    /// Ranges that are out at a time.
    held: usize,
    /// Ranges that stay out.
    filled: u32,
    limit: u64,
}

const SHAPES: [Shape; 8] = [
    shape("1 page", 1, 1, 0, HIGH),
    shape("1 page, 128 at a time", 1, 128, 0, HIGH),
    shape("1 page, 1000 at a time", 1, 1000, 0, HIGH),
    shape("1 page, 32768 at a time", 1, 32768, 0, HIGH),
    shape("8 pages", 8, 1, 0, HIGH),
    shape("8 pages within 32 bits", 8, 16, 0, LOW),
    shape("64 pages, past the caches", 64, 16, 0, HIGH),
    shape("64 pages beside 10000 ranges", 64, 16, 10_000, HIGH),
];

const fn shape(what: &'static str, pages: u64, held: usize, filled: u32, limit: u64) -> Shape {
    Shape {
        what,
        pages,
        held,
        filled,
        limit,
    }
}

/// Ranges that a round hands out, of each thread; more only where more are out at a time.
const RANGES: usize = 2048;

impl Shape {
    fn times(&self) -> Result<u32> {
        let times = RANGES.checked_div(self.held).unwrap_or(1).max(1);
        Ok(u32::try_from(times)?)
    }
}

/// One of two allocators.
trait Side: Send + Sync {
    /// Nanoseconds of so many times handing out as many ranges as `held` is long.
    fn time(&self, shape: &Shape, held: &mut [u64], times: u32) -> Result<u64>;

    /// Hands out a range for good.
    fn take(&self, pages: u64, limit: u64) -> Result;
}

impl Side for IovaSpace {
    fn time(&self, shape: &Shape, held: &mut [u64], times: u32) -> Result<u64> {
        time(|| {
            for _ in 0..times {
                for page in &mut *held {
                    *page = self.alloc(shape.pages, shape.limit)?;
                }
                for page in &*held {
                    self.free(*page, shape.pages);
                }
            }
            Ok(())
        })
    }

    fn take(&self, pages: u64, limit: u64) -> Result {
        self.alloc(pages, limit).map(|_| ())
    }
}

impl Side for KernelIova {
    fn time(&self, shape: &Shape, held: &mut [u64], times: u32) -> Result<u64> {
        KernelIova::time(self, shape.pages, shape.limit, held, times).ok_or(EIO)
    }

    fn take(&self, pages: u64, limit: u64) -> Result {
        KernelIova::take(self, pages, limit).map(|_| ())
    }
}

type Sides = [Arc<dyn Side>; 2];

fn sides(filled: u32, limit: u64) -> Result<Option<Sides>> {
    let Some(theirs) = KernelIova::new()? else {
        return Ok(None);
    };
    let ours: Arc<dyn Side> = Arc::pin_init(IovaSpace::new(1, HIGH), GFP_KERNEL)?;
    let theirs: Arc<dyn Side> = Arc::new(theirs, GFP_KERNEL)?;
    for _ in 0..filled {
        ours.take(2, limit)?;
        theirs.take(2, limit)?;
    }
    Ok(Some([ours, theirs]))
}

/// Measures all shapes, alone and with two threads where there are two CPUs.
pub(super) fn measure(sheet: &mut Sheet) -> Result {
    let row = Row {
        what: "interrupts off and on",
        size: 0,
        peer: "",
        limits: None,
        times: 1,
    };
    sheet.figure(&row, iova::time_irqs(1000), "ns");
    for shape in &SHAPES {
        let Some([ours, theirs]) = sides(shape.filled, shape.limit)? else {
            sheet.missing("alloc+free", PEER, "the kernel is built without IOMMU_IOVA");
            return Ok(());
        };
        let times = shape.times()?;
        let mut held = KVec::from_elem(0, shape.held, GFP_KERNEL)?;
        let mut pairs = Pairs::new();
        for round in sheet.rounds() {
            let (a, mut b) = (&mut held, KVec::from_elem(0, shape.held, GFP_KERNEL)?);
            round.take(
                &mut pairs,
                || ours.time(shape, a, times),
                || theirs.time(shape, &mut b, times),
            )?;
        }
        report(sheet, shape, 1, times, &mut pairs)?;
    }
    if nr_cpu_ids() < 2 {
        return Ok(());
    }
    for shape in &SHAPES {
        let Some([ours, theirs]) = sides(shape.filled, shape.limit)? else {
            return Ok(());
        };
        let mut pairs = Pairs::new();
        for round in sheet.rounds() {
            round.take(
                &mut pairs,
                || at_once(&ours, shape),
                || at_once(&theirs, shape),
            )?;
        }
        report(sheet, shape, 2, shape.times()?, &mut pairs)?;
    }
    Ok(())
}

fn report(sheet: &mut Sheet, shape: &Shape, threads: u64, times: u32, pairs: &mut Pairs) -> Result {
    let row = Row {
        what: shape.what,
        size: threads,
        peer: PEER,
        limits: Some(LIMITS),
        times: times.saturating_mul(u32::try_from(shape.held)?),
    };
    sheet.pair(&row, pairs)
}

/// What two threads take who do the same at once.
fn at_once(side: &Arc<dyn Side>, shape: &Shape) -> Result<u64> {
    let (side, shape) = (side.clone(), *shape);
    two_threads(move |_| {
        let mut held = KVec::from_elem(0, shape.held, GFP_KERNEL)?;
        side.time(&shape, &mut held, shape.times()?)
    })
}
