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

/// Where is looked up: the pages of one table, and of more than are near the root.
const LOOKS: [(&str, u64, u32); 2] = [
    ("iova_to_phys", 2 << 20, 100),
    ("iova_to_phys in 64 MiB", 64 << 20, 3),
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
        return Err(skip(NONE));
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

    for (what, len, times) in LOOKS {
        check!(Timed::map(&*ours, IOVA, IOVA, PAGE, len / PAGE));
        // One by one, so that both have leaves of this size.
        for at in (IOVA..IOVA + len).step_by(PAGE as usize) {
            check_eq!(theirs.map(at, at, PAGE, Prot::RW.0), (PAGE, Ok(())));
        }
        let (mut a, mut b) = ([0; ROUNDS], [0; ROUNDS]);
        for (a, b) in a.iter_mut().zip(&mut b) {
            *a = time_look(&*ours, len, times)?;
            *b = theirs.time_look(IOVA, len, times).ok_or(EIO)?;
        }
        let looks = times * (len / PAGE) as u32;
        report(pair, what, looks, &mut a, &mut b)?;
        check_eq!(Timed::unmap(&*ours, IOVA, len), len);
        check_eq!(theirs.unmap(IOVA, len), len);
    }
    Ok(())
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

fn time_look(table: &dyn Timed, len: u64, times: u32) -> Result<u64> {
    let table = black_box(table);
    let pages = len / PAGE;
    let start = Instant::<Monotonic>::now();
    let mut good = true;
    for _ in 0..times {
        let mut iova = IOVA;
        for _ in 0..pages {
            good &= table.look(iova) == Some(iova);
            iova = iova.wrapping_add(PAGE);
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
