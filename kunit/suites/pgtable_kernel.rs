// SPDX-License-Identifier: GPL-2.0

//! The same operations on our page tables and on the kernel's own: the same answers.

use crate::{
    effort,
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
            kunit_suite,
            note,
            skip,
            Outcome,
            Param,
            WarnCounter, //
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
    pgtable_tests::{
        ones,
        table, //
    },
    random::Random,
    seed,
};
use kernel::{
    error::Error,
    fmt,
    prelude::*, //
};

kunit_suite! {
    iommu_mock_pgtable_kernel:
    answers_are_the_kernels: each Pair in PAIRS;
    answers_are_the_kernels_for_long: slow each Pair in PAIRS;
}

/// A format that both have, with a depth.
pub(super) struct Pair {
    pub(super) format: Theirs,
    pub(super) levels: u32,
}

impl Param for Pair {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {} levels", self.format, self.levels)
    }
}

const fn pair(format: Theirs, levels: u32) -> Pair {
    Pair { format, levels }
}

/// Every format that both have, with every depth.
pub(super) const PAIRS: [Pair; 6] = [
    pair(Theirs::Vtdss, 3),
    pair(Theirs::Vtdss, 4),
    pair(Theirs::Vtdss, 5),
    pair(Theirs::X86_64, 4),
    pair(Theirs::X86_64, 5),
    pair(Theirs::AmdV1, 3),
];

/// Why a case is skipped.
pub(super) const NONE: &CStr = c"the kernel is built without GENERIC_PT";

const OPERATIONS: u32 = 4_000;
const PAGE: u64 = 1 << 12;

fn answers_are_the_kernels(pair: &Pair) -> Outcome {
    compare(pair, OPERATIONS / 4)
}

fn answers_are_the_kernels_for_long(pair: &Pair) -> Outcome {
    compare(pair, (OPERATIONS / 100).saturating_mul(effort()))
}

fn compare(pair: &Pair, operations: u32) -> Outcome {
    let Some(theirs) = GenericPt::new(pair.format, pair.levels)? else {
        return Err(skip(NONE));
    };
    match pair.format {
        Theirs::Vtdss => run::<VtdSecondStage>(theirs, pair.levels, operations),
        Theirs::X86_64 => run::<X86FirstStage>(theirs, pair.levels, operations),
        Theirs::AmdV1 => run::<AmdV1>(theirs, pair.levels, operations),
    }
}

fn run<F: Format>(theirs: GenericPt, levels: u32, operations: u32) -> Outcome {
    let _quiet = WarnCounter::start()?;
    let ours = table::<F>(levels)?;
    let mut both = Both {
        ours: &ours,
        theirs,
        seen: Seen::default(),
        recent: [0; 32],
    };
    let mut random = Random::new(seed());
    for at in 0..operations {
        if let Err(failed) = both.step(&mut random) {
            note(fmt!("at step {at} of {operations} with seed {}", seed()));
            return Err(failed);
        }
    }
    note(fmt!(
        "{}, seed {}, {operations} operations: {:?}",
        F::NAME,
        seed(),
        both.seen
    ));
    let Seen {
        mapped,
        partly,
        refused,
        unmapped,
        nothing,
    } = both.seen;
    let counts = [mapped, partly, refused, unmapped, nothing];
    check!(
        operations < 1000 || !counts.contains(&0),
        "not everything happened"
    );
    Ok(())
}

/// What happened how often.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    mapped: u32,
    partly: u32,
    refused: u32,
    unmapped: u32,
    nothing: u32,
}

/// Two page tables that are asked the same.
struct Both<'a, F: Format> {
    ours: &'a PageTable<F>,
    theirs: GenericPt,
    seen: Seen,
    /// Where something was mapped, the newest last.
    recent: [u64; 32],
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
struct Request {
    iova: u64,
    oa: u64,
    len: u64,
    prot: Prot,
}

impl<F: Format> Both<'_, F> {
    fn step(&mut self, random: &mut Random) -> Outcome {
        let request = self.request(random);
        match random.chance(50) {
            true => self.map(request)?,
            false => {
                let iova = match random.chance(80) {
                    true => random.pick(self.recent),
                    false => request.iova,
                };
                self.unmap(Request { iova, ..request })?;
            }
        }
        let Request { iova, len, .. } = request;
        let other = random.next() & 0xff_ffff;
        for at in [
            iova,
            iova.wrapping_add(len / 2),
            iova.wrapping_add(len - 1),
            other,
        ] {
            self.look(at & self.ours.aperture().last)?;
        }
        Ok(())
    }

    /// A range, mostly one that can be mapped. What is wrong is one thing at a time, as the order
    /// of checks is nobody's promise.
    fn request(&self, random: &mut Random) -> Request {
        let last = self.ours.aperture().last;
        let unit = random.pick([PAGE, PAGE, PAGE, 1 << 16, 1 << 21, 1 << 21, 1 << 30]);
        let window = random.pick([0, 0, (1 << 32) - (1 << 22), last - 0xfff_ffff]);
        let len = unit * u64::from(1 + random.below(if unit == PAGE { 1100 } else { 5 }));
        let offset = u64::from(random.below(1 << 16)) * PAGE;
        let start = window.saturating_add(offset) & !(unit - 1);
        let iova = start.min((last - (len - 1)) & !(unit - 1));
        // Often alike in the low bits, so that large pages fit.
        let oa = match random.chance(70) {
            true => (1 << 33) + (iova & 0x7fff_ffff),
            false => (1 << 33) + (random.next() & 0x7fff_f000),
        };
        let prot = random.pick([Prot::READ, Prot::RW, Prot::RW]);
        let good = Request {
            iova,
            oa,
            len,
            prot,
        };
        match random.below(100) {
            0 => Request {
                iova: iova + 0x800,
                len: PAGE,
                ..good
            },
            1 => Request {
                oa: oa + 0x800,
                len: PAGE,
                ..good
            },
            2 => Request {
                oa: 1 << 52,
                len: PAGE,
                ..good
            },
            3 => Request {
                iova: u64::MAX - 0xfff,
                len: 2 * PAGE,
                ..good
            },
            4 if last != u64::MAX && !F::SIGN_EXTENDED => Request {
                iova: last + 1,
                ..good
            },
            // The kernel's maps a range into addresses that are no sign extension.
            5 if last != u64::MAX && !F::SIGN_EXTENDED => Request {
                iova: last - 0xfff,
                len: 2 * PAGE,
                ..good
            },
            6 => Request {
                prot: Prot(0),
                ..good
            },
            _ => good,
        }
    }

    fn map(&mut self, request: Request) -> Outcome {
        let ours = map_best(self.ours, request);
        let Request {
            iova,
            oa,
            len,
            prot,
        } = request;
        let theirs = self.theirs.map(iova, oa, len, prot.0);
        check!(
            ours == theirs,
            "{request:x?}: {ours:x?}, the kernel's {theirs:x?}"
        );
        match ours {
            (_, Ok(())) => {
                self.seen.mapped += 1;
                self.recent.rotate_left(1);
                self.recent[self.recent.len() - 1] = iova;
            }
            (0, Err(_)) => self.seen.refused += 1,
            (_, Err(_)) => self.seen.partly += 1,
        }
        Ok(())
    }

    fn unmap(&mut self, Request { iova, len, .. }: Request) -> Outcome {
        // A start off the pages is refused above both.
        let iova = iova & !0xfff;
        // See above.
        let len = match F::SIGN_EXTENDED {
            true => (len - 1).min(self.ours.aperture().last.saturating_sub(iova)) + 1,
            false => len,
        };
        let mut gather = Gather::default();
        let ours = self.ours.unmap(iova, len, &mut gather);
        self.ours.give_back(&gather);
        let theirs = self.theirs.unmap(iova, len);
        check!(
            ours == theirs,
            "unmap {len:#x} at {iova:#x}: {ours:#x}, the kernel's {theirs:#x}"
        );
        self.seen.unmapped += u32::from(ours != 0);
        self.seen.nothing += u32::from(ours == 0);
        Ok(())
    }

    fn look(&self, iova: u64) -> Outcome {
        let ours = self.ours.iova_to_phys(iova).unwrap_or(0);
        let theirs = self.theirs.iova_to_phys(iova);
        check!(
            ours == theirs,
            "{iova:#x} leads to {ours:#x}, the kernel's to {theirs:#x}"
        );
        Ok(())
    }
}

/// Maps a range with the pages that fit best, as the kernel's does by itself.
fn map_best<F: Format>(table: &PageTable<F>, request: Request) -> (u64, Result) {
    let Request {
        iova,
        oa,
        len,
        prot,
    } = request;
    let sizes = table.page_sizes();
    let best = |done: u64| {
        let fits =
            |size: &u64| ((iova + done) | (oa + done)) & (size - 1) == 0 && *size <= len - done;
        ones(sizes).filter(fits).last()
    };
    if !table.aperture().contains_range(iova, len) {
        let (done, result) = table.map(&Fixed, iova, oa, PAGE, len / PAGE, prot);
        return (done, result.map_err(Error::from));
    }
    let mut done = 0;
    while done < len {
        let page = best(done).unwrap_or(PAGE);
        let mut count = 1;
        while done + count * page < len && best(done + count * page) == Some(page) {
            count += 1;
        }
        let (mapped, result) = table.map(&Fixed, iova + done, oa + done, page, count, prot);
        done += mapped;
        if let Err(error) = result {
            return (done, Err(error.into()));
        }
    }
    (done, Ok(()))
}
