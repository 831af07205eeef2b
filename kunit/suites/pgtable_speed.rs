// SPDX-License-Identifier: GPL-2.0

//! How long mapping, unmapping and looking up take, beside the kernel's own page tables.
//!
//! Times of the two are taken in turn, so that both see the same machine, and the medians are
//! compared. Options that make the kernel check itself distort them.

use super::pgtable_kernel::{
    Pair,
    NONE,
    PAIRS, //
};
use crate::{
    iommu::{
        Gather,
        Prot, //
    },
    kapi::{
        generic_pt::{
            Format as Theirs,
            GenericPt, //
        },
        kunit::{
            check,
            check_eq,
            kunit_suite,
            note,
            skip,
            Outcome, //
        },
    },
    pgtable::{
        AmdV1,
        Fixed,
        Format,
        PageTable,
        VtdSecondStage,
        X86FirstStage, //
    },
    pgtable_tests::table,
};
use core::hint::black_box;
use kernel::{
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    },
};

kunit_suite! {
    iommu_mock_pgtable_speed:
    times_beside_the_kernels: slow each Pair in PAIRS;
}

/// What is mapped and unmapped over and over.
struct Shape {
    name: &'static str,
    page: u64,
    count: u64,
    /// Times in a round.
    times: u32,
}

const PAGE: u64 = 1 << 12;
const ROUNDS: usize = 21;
const IOVA: u64 = 1 << 30;

const SHAPES: [Shape; 4] = [
    shape("4 KiB", PAGE, 1, 20_000),
    shape("16 pages of 4 KiB", PAGE, 16, 8_000),
    shape("2 MiB", 2 << 20, 1, 20_000),
    shape("512 pages of 4 KiB", PAGE, 512, 500),
];

const fn shape(name: &'static str, page: u64, count: u64, times: u32) -> Shape {
    Shape {
        name,
        page,
        count,
        times,
    }
}

/// A page table behind a table of functions, as drivers have it and as the kernel's is.
trait Timed {
    fn map(&self, iova: u64, oa: u64, page: u64, count: u64) -> bool;
    fn unmap(&self, iova: u64, len: u64) -> u64;
    fn look(&self, iova: u64) -> Option<u64>;
}

impl<F: Format> Timed for PageTable<F> {
    fn map(&self, iova: u64, oa: u64, page: u64, count: u64) -> bool {
        let (_, result) = PageTable::map(self, &Fixed, iova, oa, page, count, Prot::RW);
        result.is_ok()
    }

    fn unmap(&self, iova: u64, len: u64) -> u64 {
        let mut gather = Gather::default();
        let done = PageTable::unmap(self, iova, len, &mut gather);
        self.give_back(&gather);
        done
    }

    fn look(&self, iova: u64) -> Option<u64> {
        self.iova_to_phys(iova)
    }
}

fn times_beside_the_kernels(pair: &Pair) -> Outcome {
    match pair.format {
        Theirs::Vtdss => measure::<VtdSecondStage>(pair),
        Theirs::X86_64 => measure::<X86FirstStage>(pair),
        Theirs::AmdV1 => measure::<AmdV1>(pair),
    }
}

fn measure<F: Format>(pair: &Pair) -> Outcome {
    let Some(mut theirs) = GenericPt::new(pair.format, pair.levels)? else {
        skip(NONE);
        return Ok(());
    };
    let ours = table::<F>(pair.levels)?;
    for Shape {
        name,
        page,
        count,
        times,
    } in SHAPES
    {
        let len = page * count;
        // Not alike in the low bits, so that both use pages of this size.
        let oa = IOVA + if page == PAGE { PAGE } else { 0 };
        let (mut a, mut b) = ([0; ROUNDS], [0; ROUNDS]);
        for (a, b) in a.iter_mut().zip(&mut b) {
            *a = time_map(&*ours, oa, page, count, times)?;
            *b = theirs.time_map(IOVA, oa, len, times).ok_or(EIO)?;
        }
        report(pair, name, times, &mut a, &mut b)?;
    }

    check!(Timed::map(&*ours, IOVA, IOVA, PAGE, 512));
    // In halves, as 2 MiB at once are one page.
    for at in [IOVA, IOVA + (1 << 20)] {
        check_eq!(theirs.map(at, at, 1 << 20, Prot::RW.0), (1 << 20, Ok(())));
    }
    let (mut a, mut b) = ([0; ROUNDS], [0; ROUNDS]);
    for (a, b) in a.iter_mut().zip(&mut b) {
        *a = time_look(&*ours, 100)?;
        *b = theirs.time_look(IOVA, 2 << 20, 100).ok_or(EIO)?;
    }
    report(pair, "iova_to_phys", 100 * 512, &mut a, &mut b)
}

fn time_map(table: &dyn Timed, oa: u64, page: u64, count: u64, times: u32) -> Result<u64> {
    let table = black_box(table);
    let start = Instant::<Monotonic>::now();
    let mut good = true;
    for _ in 0..times {
        good &= table.map(IOVA, oa, page, count);
        good &= table.unmap(IOVA, page * count) == page * count;
    }
    let time = start.elapsed().as_nanos();
    if !good {
        return Err(EIO);
    }
    u64::try_from(time).map_err(|_| EIO)
}

fn time_look(table: &dyn Timed, times: u32) -> Result<u64> {
    let table = black_box(table);
    let start = Instant::<Monotonic>::now();
    let mut good = true;
    for _ in 0..times {
        for at in 0..512 {
            let iova = IOVA + at * PAGE;
            good &= table.look(iova) == Some(iova);
        }
    }
    let time = start.elapsed().as_nanos();
    if !good {
        return Err(EIO);
    }
    u64::try_from(time).map_err(|_| EIO)
}

/// Prints medians, in tenths of a nanosecond for one time, and their ratio.
fn report(
    pair: &Pair,
    what: &str,
    times: u32,
    ours: &mut [u64; ROUNDS],
    theirs: &mut [u64; ROUNDS],
) -> Outcome {
    ours.sort_unstable();
    theirs.sort_unstable();
    let (Some(a), Some(b)) = (ours.get(ROUNDS / 2), theirs.get(ROUNDS / 2)) else {
        return Ok(());
    };
    check!(*a != 0 && *b != 0, "the clock stands still");
    let each = |time: u64| time * 10 / u64::from(times);
    let (a, b, ratio) = (each(*a), each(*b), *a * 100 / *b);
    note(fmt!(
        "{:?} {}: {what}: {}.{} ns, the kernel's {}.{} ns, ratio {}.{:02}",
        pair.format,
        pair.levels,
        a / 10,
        a % 10,
        b / 10,
        b % 10,
        ratio / 100,
        ratio % 100
    ));
    Ok(())
}
