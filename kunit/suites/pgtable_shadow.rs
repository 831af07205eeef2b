// SPDX-License-Identifier: GPL-2.0

//! Random operations on a page table and on a list of leaves, which must agree.

use crate::{
    effort,
    iommu::{
        Gather,
        Prot, //
    },
    kapi::kunit::{
        check,
        fails,
        kunit_suite,
        note,
        Outcome, //
    },
    pgtable::{
        Fixed,
        Format,
        PageTable, //
    },
    pgtable_tests::{
        model::{
            Leaf,
            Model, //
        },
        on_format,
        ones,
        table,
        Census,
        Form,
        FORMS, //
    },
    random::Random,
    seed,
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_pgtable_shadow:
    a_difference_is_noticed: each Form in FORMS;
    a_short_history_agrees: each Form in FORMS;
    a_long_history_agrees: slow each Form in FORMS;
}

fn a_difference_is_noticed(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        let mut both = Both {
            table: &table,
            model: Model::default(),
            windows: [0; 4],
        };
        let leaf = Leaf {
            iova: 0x4000,
            size: 0x1000,
            oa: 0x8000,
            prot: Prot::RW,
        };
        both.compare_all()?;
        let _ = both.model.map(leaf, 1)?;
        check!(fails(|| both.compare_all()), "a page that is not mapped");
        check!(
            fails(|| both.compare(0x4fff)),
            "an address that leads nowhere"
        );
        table
            .map(&Fixed, 0x4000, 0x8000, 0x1000, 1, Prot::READ)
            .1
            .map_err(Error::from)?;
        check!(F::prot(F::leaf(0, 12, 0, 0, Prot::READ)) == Prot::READ);
        check!(
            fails(|| both.compare_all()),
            "a page that may not be written to"
        );
        Ok(())
    }
    on_format!(form, body)
}

/// Operations of the long history, of all formats together.
const LONG: u32 = 1_000_000;
/// Operations on one table.
const PER_TABLE: u32 = 2_000;

fn a_short_history_agrees(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        history::<F>(levels, PER_TABLE)
    }
    on_format!(form, body)
}

fn a_long_history_agrees(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let share = LONG.div_ceil(FORMS.len() as u32);
        history::<F>(levels, (share / 100).saturating_mul(effort()))
    }
    on_format!(form, body)
}

/// What happened how often.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    mapped: u32,
    overlapped: u32,
    partly: u32,
    unmapped: u32,
    nothing: u32,
    more: u32,
    cut: u32,
}

fn history<F: Format>(levels: u32, operations: u32) -> Outcome {
    let mut random = Random::new(seed());
    let mut seen = Seen::default();
    let mut left = operations;
    while left != 0 {
        let now = left.min(PER_TABLE);
        let table = table::<F>(levels)?;
        let mut both = Both {
            table: &table,
            model: Model::default(),
            windows: windows(&table, &mut random),
        };
        for at in 0..now {
            if let Err(failed) = both.step(&mut random, &mut seen) {
                let step = operations - left + at;
                note(fmt!("at step {step} of {operations} with seed {}", seed()));
                return Err(failed);
            }
            if at % 256 == 0 || at + 1 == now {
                both.compare_all()?;
            }
        }
        left -= now;
    }
    note(fmt!(
        "{}, seed {}, {operations} operations: {seen:?}",
        F::NAME,
        seed()
    ));
    let Seen {
        mapped,
        overlapped,
        partly,
        unmapped,
        nothing,
        more: _,
        cut,
    } = seen;
    let counts = [mapped, overlapped, partly, unmapped, nothing, cut];
    check!(
        operations < PER_TABLE || !counts.contains(&0),
        "not everything happened"
    );
    Ok(())
}

/// Where operations are: few places, so that they meet.
fn windows<F: Format>(table: &PageTable<F>, random: &mut Random) -> [u64; 4] {
    let last = table.aperture().last;
    // At the start, over 4 GiB, anywhere, and at the end.
    [
        0,
        (1 << 32) - (4 << 21),
        random.next() & last & !0x3fff_ffff,
        last,
    ]
}

/// A page table and what it should be.
struct Both<'a, F: Format> {
    table: &'a PageTable<F>,
    model: Model,
    windows: [u64; 4],
}

impl<F: Format> Both<'_, F> {
    /// A range that lies in the table: address, page size and number of pages.
    fn range(&self, random: &mut Random) -> (u64, u64, u64) {
        let sizes = self.table.page_sizes();
        let wanted = random.below(sizes.count_ones().min(16)) as usize;
        // Mostly the smaller ones.
        let at = if random.chance(60) {
            wanted / 3
        } else {
            wanted
        };
        let page = ones(sizes).nth(at).unwrap_or(1 << 12);
        let count = match random.below(8) {
            0 => u64::from(1 + random.below(1100)),
            1 => 16,
            2..5 => u64::from(1 + random.below(9)),
            _ => 1,
        };
        let count = if page <= 1 << 21 {
            count
        } else {
            1 + count % 8
        };
        let last = self.table.aperture().last;
        let window = random.pick(self.windows);
        let offset = u64::from(random.below(64)) * (1 << 15) + u64::from(random.below(8)) * page;
        let len = count * page;
        let start = window.saturating_add(offset) & !(page - 1);
        // What does not fit ends with the aperture.
        let highest = (last - (len - 1)) & !(page - 1);
        (start.min(highest), page, count)
    }

    /// The bytes that a table covers whose leaves are pages of this size, if they are not too many.
    fn whole_table(&self, page: u64) -> Option<u64> {
        let level = (0..self.table.top().level).find(|l| F::leaf_sizes(*l) & page != 0)?;
        let whole = 1u64 << F::shift(level + 1);
        (whole / page <= 512).then_some(whole)
    }

    fn step(&mut self, random: &mut Random, seen: &mut Seen) -> Outcome {
        let (iova, page, count) = self.range(random);
        match random.below(100) {
            0..4 => self.refill(random, iova, page, seen)?,
            4..55 => self.map(random, (iova, page, count), seen)?,
            _ => {
                // Often from where something is.
                let near = self.model.leaves().len();
                let from = match self.model.leaves().get(random.below(near as u32) as usize) {
                    Some(leaf) if random.chance(60) => leaf.iova,
                    Some(_) | None => iova,
                };
                self.unmap(from, page * count, seen)?;
            }
        }
        for at in [
            iova,
            iova + page / 2,
            iova + (page - 1),
            random.next() % (1 << 33),
        ] {
            self.compare(at)?;
        }
        Ok(())
    }

    fn map(
        &mut self,
        random: &mut Random,
        (iova, page, count): (u64, u64, u64),
        seen: &mut Seen,
    ) -> Outcome {
        let limit = u64::MAX >> (64 - F::OA_BITS);
        let oa = random.next() & (limit >> 2) & !(page - 1);
        let prot = random.pick([Prot::READ, Prot::WRITE, Prot::RW]);
        let leaf = Leaf {
            iova,
            size: page,
            oa,
            prot,
        };
        let expected = self.model.map(leaf, count)?;
        let result = self.table.map(&Fixed, iova, oa, page, count, prot);
        check!(
            result == expected,
            "map of {count} times {page:#x} at {iova:#x}: {result:x?}, expected {expected:x?}"
        );
        match result {
            (_, Ok(())) => seen.mapped += 1,
            (0, Err(_)) => seen.overlapped += 1,
            (_, Err(_)) => seen.partly += 1,
        }
        Ok(())
    }

    /// Clears what a whole table covers and fills it with pages, often to cut it off then.
    fn refill(&mut self, random: &mut Random, iova: u64, page: u64, seen: &mut Seen) -> Outcome {
        let Some(whole) = self.whole_table(page) else {
            return Ok(());
        };
        let start = iova & !(whole - 1);
        loop {
            let mut leaves = self.model.leaves().iter();
            let overlaps = |leaf: &&Leaf| {
                leaf.iova <= start + (whole - 1) && start <= leaf.iova + (leaf.size - 1)
            };
            let Some(leaf) = leaves.find(overlaps).copied() else {
                break;
            };
            self.unmap(leaf.iova, start + (whole - 1) - leaf.iova + 1, seen)?;
        }
        self.map(random, (start, page, whole / page), seen)?;
        if random.chance(70) {
            self.unmap(start, whole, seen)?;
        }
        Ok(())
    }

    fn unmap(&mut self, iova: u64, len: u64, seen: &mut Seen) -> Outcome {
        let len = (len - 1).min(self.table.aperture().last - iova) + 1;
        let mut gather = Gather::default();
        let expected = self.model.unmap(iova, len);
        let done = self.table.unmap(iova, len, &mut gather);
        check!(
            done == expected,
            "unmap of {len:#x} at {iova:#x}: {done:#x}, expected {expected:#x}"
        );
        let range = (done != 0).then(|| (iova, iova + (done - 1)));
        check!(
            gather.range() == range,
            "gathered {:x?} of {range:x?}",
            gather.range()
        );
        seen.unmapped += u32::from(done != 0);
        seen.nothing += u32::from(done == 0);
        seen.more += u32::from(done > len);
        seen.cut += u32::from(gather.tables() != 0);
        self.table.give_back(&gather);
        Ok(())
    }

    fn compare(&self, iova: u64) -> Outcome {
        let (seen, expected) = (self.table.iova_to_phys(iova), self.model.iova_to_phys(iova));
        check!(
            seen == expected,
            "{iova:#x} leads to {seen:x?}, expected {expected:x?}"
        );
        Ok(())
    }

    fn compare_all(&self) -> Outcome {
        for leaf in self.model.leaves() {
            let Leaf {
                iova, size, prot, ..
            } = *leaf;
            for at in [iova, iova + size / 2, iova + (size - 1)] {
                self.compare(at)?;
            }
            self.compare(iova.wrapping_sub(1))?;
            self.compare(iova.wrapping_add(size))?;
            let allowed = self.table.prot(iova);
            let expected = Some(F::prot(F::leaf(0, 12, 0, 0, prot)));
            check!(
                allowed == expected,
                "{iova:#x} allows {allowed:?}, expected {expected:?}"
            );
        }
        let census = Census::of(self.table);
        check!(
            census.leaves as usize == self.model.leaves().len(),
            "{} leaves, expected {}",
            census.leaves,
            self.model.leaves().len()
        );
        check!(
            census.tables == self.table.tables(),
            "{} tables of {} are reachable",
            census.tables,
            self.table.tables()
        );
        Ok(())
    }
}
