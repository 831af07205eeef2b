// SPDX-License-Identifier: GPL-2.0

//! Mapping, unmapping and looking up, beside the kernel's own page tables.

mod side;

use self::side::{
    Ours,
    Side, //
};
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
    iommu::next_run,
    kapi::{
        generic_pt,
        io_pgtable::IoPgtable,
        walk::{
            Op,
            Walk, //
        },
    },
    pgtable::{
        AmdV1,
        Armv8Stage1,
        Format,
        VtdSecondStage,
        X86FirstStage, //
    },
};
use core::hint::black_box;
use kernel::{
    cpu::nr_cpu_ids,
    prelude::*,
    sync::Arc, //
};

const PAGE: u64 = 1 << 12;
const IOVA: u64 = 1 << 33;

const SINGLE: Limits = Limits {
    floor: 1150,
    aim: 670,
};
const RUN: Limits = Limits {
    floor: 1000,
    aim: 670,
};

/// A range that is mapped and unmapped in many places.
struct Shape {
    name: [&'static str; 3],
    walk: Walk,
    limits: Limits,
}

impl Shape {
    fn name(&self, op: Op) -> &'static str {
        let [map, look, unmap] = self.name;
        match op {
            Op::Map => map,
            Op::Look => look,
            Op::Unmap => unmap,
        }
    }
}

const fn shape(name: [&'static str; 3], walk: [u64; 4], times: u32, limits: Limits) -> Shape {
    let [iova, pa, len, stride] = walk;
    Shape {
        name,
        walk: Walk {
            iova,
            pa,
            len,
            stride,
            times,
        },
        limits,
    }
}

/// Small pages lead to addresses that differ in the low bits, so that no larger ones fit.
const SHAPES: [Shape; 6] = [
    shape(
        ["map 4 KiB", "look up 4 KiB", "unmap 4 KiB"],
        [IOVA, IOVA + PAGE, PAGE, PAGE],
        8192,
        SINGLE,
    ),
    shape(
        ["map 16 pages", "look up of 16", "unmap 16 pages"],
        [IOVA, IOVA + PAGE, 16 * PAGE, 16 * PAGE],
        1024,
        RUN,
    ),
    shape(
        ["map 512 pages", "look up of 512", "unmap 512 pages"],
        [IOVA, IOVA + PAGE, 512 * PAGE, 512 * PAGE],
        64,
        RUN,
    ),
    shape(
        ["map 2 MiB", "look up 2 MiB", "unmap 2 MiB"],
        [1 << 36, 1 << 36, 2 << 20, 2 << 20],
        8192,
        SINGLE,
    ),
    shape(
        ["map 1 GiB", "look up 1 GiB", "unmap 1 GiB"],
        [1 << 43, 1 << 43, 1 << 30, 1 << 30],
        8192,
        SINGLE,
    ),
    // 8 pages of 4 KiB, two of 2 MiB, and the same behind.
    shape(
        ["map mixed sizes", "look up mixed", "unmap mixed sizes"],
        [
            (1 << 40) - 8 * PAGE,
            (1 << 40) - 8 * PAGE,
            (4 << 20) + 16 * PAGE,
            8 << 20,
        ],
        512,
        RUN,
    ),
];

struct Both {
    ours: Arc<dyn Side>,
    theirs: Arc<dyn Side>,
    peer: &'static str,
}

impl Both {
    /// All pairs there are; nothing where the kernel is built without.
    fn all() -> Result<[Option<Self>; 4]> {
        use generic_pt::Format::{
            AmdV1 as Amd,
            Vtdss,
            X86_64, //
        };
        Ok([
            Self::generic::<VtdSecondStage>(Vtdss, 4, "generic_pt vtdss")?,
            Self::generic::<X86FirstStage>(X86_64, 4, "generic_pt x86_64")?,
            Self::generic::<AmdV1>(Amd, 4, "generic_pt amdv1")?,
            match IoPgtable::new(1)? {
                None => None,
                Some(theirs) => Some(Self {
                    ours: Ours::side::<Armv8Stage1>(4)?,
                    theirs: Arc::new(theirs, GFP_KERNEL)?,
                    peer: "io-pgtable-arm",
                }),
            },
        ])
    }

    fn generic<F: Format>(
        format: generic_pt::Format,
        levels: u32,
        peer: &'static str,
    ) -> Result<Option<Self>> {
        let Some(theirs) = generic_pt::GenericPt::new(format, levels)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            ours: Ours::side::<F>(levels)?,
            theirs: Arc::new(theirs, GFP_KERNEL)?,
            peer,
        }))
    }

    /// Measures mapping and unmapping by turns, and then looking up what is mapped, which takes so
    /// little of their time that a profile of all would not show it.
    fn run(&self, sheet: &mut Sheet, shape: &Shape, size: u64) -> Result {
        self.rounds(sheet, shape, size, [Op::Map, Op::Unmap])?;
        self.do_both(Op::Map, &shape.walk)?;
        self.rounds(sheet, shape, size, [Op::Look])?;
        self.do_both(Op::Unmap, &shape.walk)
    }

    /// Measures operations on a walk, one after the other in each round.
    fn rounds<const N: usize>(
        &self,
        sheet: &mut Sheet,
        shape: &Shape,
        size: u64,
        ops: [Op; N],
    ) -> Result {
        let mut pairs = ops.map(|_| Pairs::new());
        for round in sheet.rounds() {
            for (op, pairs) in ops.into_iter().zip(&mut pairs) {
                round.take(
                    pairs,
                    || self.ours.time(op, &shape.walk),
                    || self.theirs.time(op, &shape.walk),
                )?;
            }
        }
        self.report(sheet, shape, size, ops, &mut pairs)
    }

    /// All operations where one thread does them, or two with a half of the ranges each.
    fn run_by_threads(&self, sheet: &mut Sheet, shape: &Shape, threads: u64) -> Result {
        let ops = [Op::Map, Op::Look, Op::Unmap];
        let mut pairs = ops.map(|_| Pairs::new());
        for round in sheet.rounds() {
            for (op, pairs) in ops.into_iter().zip(&mut pairs) {
                round.take(
                    pairs,
                    || at_once(&self.ours, op, shape.walk, threads),
                    || at_once(&self.theirs, op, shape.walk, threads),
                )?;
            }
        }
        self.report(sheet, shape, threads, ops, &mut pairs)
    }

    fn report<const N: usize>(
        &self,
        sheet: &mut Sheet,
        shape: &Shape,
        size: u64,
        ops: [Op; N],
        pairs: &mut [Pairs; N],
    ) -> Result {
        for (op, pairs) in ops.into_iter().zip(pairs) {
            let row = Row {
                what: shape.name(op),
                size,
                peer: self.peer,
                limits: Some(shape.limits),
                times: shape.walk.times,
            };
            sheet.pair(&row, pairs)?;
        }
        Ok(())
    }

    fn do_both(&self, op: Op, walk: &Walk) -> Result {
        self.ours.time(op, walk)?;
        self.theirs.time(op, walk)?;
        Ok(())
    }
}

/// What it takes to do all ranges of a walk.
fn at_once(side: &Arc<dyn Side>, op: Op, walk: Walk, threads: u64) -> Result<u64> {
    if threads < 2 {
        return side.time(op, &walk);
    }
    let side = side.clone();
    two_threads(move |number| {
        let times = walk.times / 2;
        let before = number * u64::from(times) * walk.stride;
        let half = Walk {
            iova: walk.iova + before,
            pa: walk.pa + before,
            times,
            ..walk
        };
        side.time(op, &half)
    })
}

const NONE: &str = "the kernel is built without";

/// Measures choosing a page size, which `generic_pt` has within its walk.
fn choice(sheet: &mut Sheet) -> Result {
    const TIMES: u32 = 8192;
    let sizes = black_box((1 << 12) | (1 << 21) | (1 << 30));
    let taken = time(|| {
        for at in 0..u64::from(TIMES) {
            let iova = IOVA.wrapping_add(at * PAGE);
            black_box(next_run(sizes, iova, iova.wrapping_add(PAGE), PAGE));
        }
        Ok(())
    })?;
    let row = Row {
        what: "choosing a page size",
        size: 0,
        peer: "",
        limits: None,
        times: 1,
    };
    sheet.figure(&row, taken.saturating_mul(1000) / u64::from(TIMES), "ns");
    Ok(())
}

/// Measures all shapes in all formats.
pub(super) fn shapes(sheet: &mut Sheet) -> Result {
    choice(sheet)?;
    for both in Both::all()? {
        let Some(both) = both else {
            sheet.missing("map, look up, unmap", "generic_pt or io-pgtable", NONE);
            continue;
        };
        for shape in &SHAPES {
            both.run(sheet, shape, 0)?;
        }
    }
    Ok(())
}

/// Mappings that are there already.
const FILLED: [u64; 4] = [1, 1_000, 100_000, 1_000_000];

const GROWTH: Shape = shape(
    [
        "map 4 KiB beside others",
        "look up 4 KiB beside others",
        "unmap 4 KiB beside others",
    ],
    [1 << 40, (1 << 40) + PAGE, PAGE, PAGE],
    8192,
    SINGLE,
);

/// Measures small pages while more and more are mapped, and looking all of those up.
pub(super) fn growth(sheet: &mut Sheet) -> Result {
    for both in Both::all()? {
        let Some(both) = both else {
            sheet.missing("growth", "generic_pt or io-pgtable", NONE);
            continue;
        };
        for filled in FILLED {
            let walk = Walk {
                iova: IOVA,
                pa: IOVA + PAGE,
                len: PAGE,
                stride: PAGE,
                times: u32::try_from(filled)?,
            };
            both.do_both(Op::Map, &walk)?;
            both.run(sheet, &GROWTH, filled)?;
            both.do_both(Op::Unmap, &walk)?;
        }
    }
    Ok(())
}

const SHARED: [Shape; 2] = [
    shape(
        [
            "map 4 KiB, by threads",
            "look up 4 KiB, by threads",
            "unmap 4 KiB, by threads",
        ],
        [IOVA, IOVA + PAGE, PAGE, PAGE],
        32768,
        SINGLE,
    ),
    shape(
        [
            "map 16 pages, by threads",
            "look up of 16, by threads",
            "unmap 16 pages, by threads",
        ],
        [IOVA, IOVA + PAGE, 16 * PAGE, 16 * PAGE],
        8192,
        RUN,
    ),
];

/// Measures what one thread does, and two at once in different ranges of one page table.
pub(super) fn shared(sheet: &mut Sheet) -> Result {
    for both in Both::all()? {
        let Some(both) = both else {
            sheet.missing("by threads", "generic_pt or io-pgtable", NONE);
            continue;
        };
        for shape in &SHARED {
            for threads in 1..=nr_cpu_ids().min(2) {
                both.run_by_threads(sheet, shape, threads.into())?;
            }
        }
    }
    Ok(())
}
