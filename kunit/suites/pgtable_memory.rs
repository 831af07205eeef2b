// SPDX-License-Identifier: GPL-2.0

//! The memory behind page tables: when there is none left, and the record of what is written.

use crate::{
    iommu::{
        Gather,
        Prot, //
    },
    kapi::{
        kunit::{
            check,
            check_eq,
            kunit_suite,
            note,
            Outcome, //
        },
        table_memory::TableMemory, //
    },
    pgtable::{
        Fixed,
        Format,
        MapError,
        PageTable,
        Recorded,
        Slot,
        Step,
        Store,
        Top,
        Write, //
    },
    pgtable_tests::{
        on_format,
        ones,
        table,
        Census,
        Form,
        Watch,
        FORMS, //
    },
    random::Random,
    seed,
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_pgtable_memory:
    tables_are_handed_out_empty: each Form in FORMS;
    an_address_of_no_table_finds_none: each Form in FORMS;
    a_walk_finds_the_words_however_many_there_are: each Form in FORMS;
    no_allocation_that_fails_leaves_a_trace: each Form in FORMS;
    the_record_makes_the_same_words: each Form in FORMS;
}

const PAGE: u64 = 1 << 12;

fn tables_are_handed_out_empty(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        let memory = table.store();
        let before = memory.live();
        for level in 0..levels {
            let mut had: KVec<u64> = KVec::new();
            for round in 0..2u32 {
                for _ in 0..60 {
                    let address = memory.alloc(F::class(level))?;
                    check!(!had.contains(&address), "{address:#x} is handed out twice");
                    had.push(address, GFP_KERNEL)?;
                    let words = memory.at(address).ok_or(EINVAL)?;
                    for index in 0..1 << F::index_bits(level) {
                        check_eq!(words.load(index), F::empty(level));
                        words.store(index, u64::MAX);
                    }
                    // Nothing is behind the end.
                    words.store(1 << F::index_bits(level), 1);
                    check!(words.replace(u32::MAX, 0, 1).is_err());
                }
                check_eq!(memory.live(), before + 60);
                while let Some(address) = had.pop() {
                    memory.free(address);
                }
                check_eq!(memory.live(), before);
                check!(round < 2);
            }
        }
        Ok(())
    }
    on_format!(form, body)
}

fn an_address_of_no_table_finds_none(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        let memory = table.store();
        let Top { root, .. } = table.top();
        check!(memory.at(root).is_some());
        for address in ones(u64::MAX).map(|bit| root ^ bit) {
            // Whatever it is: not memory that is none.
            if let Some(words) = memory.at(address) {
                let _ = words.load(0);
            }
        }
        for address in [0, PAGE, 1 << 30, u64::MAX, 1 << 63, root ^ (1 << 44)] {
            check!(memory.at(address).is_none(), "a table at {address:#x}");
        }
        Ok(())
    }
    on_format!(form, body)
}

fn a_walk_finds_the_words_however_many_there_are(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        let memory = table.store();
        let [small, large] = F::SIZES;
        // Before there is any memory there is nothing to find.
        let none = KBox::pin_init(TableMemory::new(F::SIZES), GFP_KERNEL)?;
        check!(none.tables(0, small).load(table.top().root, 0).is_none());
        for level in 0..levels {
            let class = F::class(level);
            let (size, other) = match class {
                0 => (small, large),
                _ => (large, small),
            };
            let oldest = memory.alloc(class)?;
            let old = memory.tables(class, size);
            let mut unseen = 0;
            for number in 0..60u64 {
                let before = memory.tables(class, size);
                let address = memory.alloc(class)?;
                let words = memory.at(address).ok_or(EINVAL)?;
                let last = words.len() - 1;
                words.store(3, number);
                words.store(last, !number);
                unseen += u32::from(before.load(address, 3).is_none());
                let now = memory.tables(class, size);
                check_eq!(now.load(address, 3), Some(number));
                check_eq!(now.load(address, last), Some(!number));
                check!(now.load(address, words.len()).is_none());
                check_eq!(now.at(address).ok_or(EINVAL)?.load(3), number);
                check_eq!(memory.load(address, 3), Some(number));
                // With the size of other tables there are none.
                if other.words() != size.words() {
                    check!(memory.tables(class, other).at(address).is_none());
                }
                // What is written by one mapping is read by all.
                memory.at(oldest).ok_or(EINVAL)?.store(3, number);
                check_eq!(old.load(oldest, 3), Some(number));
                // Whatever this finds: not memory that is none.
                for bit in ones(u64::MAX) {
                    let _ = now.load(address ^ bit, last);
                    let _ = now.at(address ^ bit).map(|wrong| wrong.load(0));
                    let _ = memory.load(address ^ bit, last);
                }
                let _ = memory.load(address, u32::MAX);
            }
            check!((1..60).contains(&unseen) || class_is_old::<F>(level));
        }
        Ok(())
    }
    on_format!(form, body)
}

/// Whether a level below has tables of the same class.
fn class_is_old<F: Format>(level: u32) -> bool {
    (0..level).any(|below| F::class(below) == F::class(level))
}

/// Ranges that need different tables: IOVA, page size, number of pages.
fn ranges<F: Format>(table: &PageTable<F>) -> [(u64, u64, u64); 5] {
    let last = table.aperture().last;
    let largest = ones(table.page_sizes()).last().unwrap_or(PAGE);
    [
        // One page in no table, and one next to a page.
        (1 << 31, PAGE, 1),
        (PAGE, PAGE, 1),
        // Five tables, over the border of an upper one.
        (
            (1 << F::shift(2)) - (3 << F::shift(1)),
            PAGE,
            (5 << F::shift(1)) / PAGE,
        ),
        // The largest page far away.
        ((last / largest) * largest, largest, 1),
        // The end of all.
        (last - 0xfff, PAGE, 1),
    ]
}

fn no_allocation_that_fails_leaves_a_trace(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let mut failures = 0;
        for number in 0..5 {
            for allowed in 0u32.. {
                let table = table::<F>(levels)?;
                let Some(range) = ranges(&table).get(number).copied() else {
                    break;
                };
                let (iova, page, count) = range;
                check_eq!(table.map(&Fixed, 0, 0, PAGE, 1, Prot::RW).1, Ok(()));
                let before = (Census::of(&*table), table.tables(), table.top());
                table.store().allow(allowed);
                let watch = Watch::new(&table);
                let (done, result) = table.map(&watch, iova, 0, page, count, Prot::RW);
                table.store().allow(u32::MAX);
                if result == Ok(()) {
                    check!(done == count * page);
                    break;
                }
                check_eq!((done, result), (0, Err(MapError::NoMemory)));
                check_eq!((Census::of(&*table), table.tables(), table.top()), before);
                check!(watch.take_tops().is_empty());
                failures += 1;
                let again = table.map(&watch, iova, 0, page, count, Prot::RW);
                check_eq!(again, (count * page, Ok(())));
                check_eq!(Census::of(&*table).tables, table.tables());
            }
        }
        note(fmt!("{failures} allocations failed, one in each run"));
        check!(failures > 5, "only {failures} failures");
        Ok(())
    }
    on_format!(form, body)
}

/// A table as the record has it.
struct Replayed {
    address: u64,
    level: Option<u32>,
    words: KVVec<u64>,
}

/// Plays a record, and checks the order of what is in it.
struct Replay<F: Format> {
    tables: KVec<Replayed>,
    top: Top,
    links: u32,
    format: core::marker::PhantomData<F>,
}

impl<F: Format> Replay<F> {
    fn find(&mut self, address: u64) -> Result<&mut Replayed> {
        let mut tables = self.tables.iter_mut();
        tables.find(|table| table.address == address).ok_or(ENOENT)
    }

    fn play(&mut self, step: Step, table: &PageTable<F, Recorded>) -> Outcome {
        match step {
            Step::Table(address) => {
                let words = table.store().memory().at(address).ok_or(EINVAL)?.len();
                let class = usize::from(words != F::SIZES[0].words());
                let empty = F::SIZES[class].empty;
                let words = KVVec::from_elem(empty, words as usize, GFP_KERNEL)?;
                self.tables.retain(|table| table.address != address);
                let level = None;
                self.tables.push(
                    Replayed {
                        address,
                        level,
                        words,
                    },
                    GFP_KERNEL,
                )?;
            }
            Step::Write(Write { table, index, word }) => {
                let top = self.top;
                let Some(level) = self.find(table)?.level else {
                    // What is not linked yet is a new root, above the last one.
                    let level = top.level + 1;
                    check_eq!(F::slot(word, level), Slot::Table(top.root));
                    self.find(table)?.level = Some(level);
                    self.top = Top { root: table, level };
                    return self.put(table, index, word);
                };
                if let Slot::Table(below) = F::slot(word, level) {
                    let linked = self.find(below)?;
                    let empty = F::empty(level - 1);
                    check!(linked.level.is_none(), "{below:#x} is linked twice");
                    check!(linked.words.iter().all(|word| *word == empty));
                    linked.level = Some(level - 1);
                    self.links += 1;
                }
                self.put(table, index, word)?;
            }
        }
        Ok(())
    }

    fn put(&mut self, table: u64, index: u32, word: u64) -> Outcome {
        let words = &mut self.find(table)?.words;
        *words.get_mut(index as usize).ok_or(EINVAL)? = word;
        Ok(())
    }
}

fn the_record_makes_the_same_words(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let init = PageTable::<F, Recorded>::new(levels);
        let table = KBox::pin_init(init, GFP_KERNEL)?;
        let mut replay = Replay::<F> {
            tables: KVec::new(),
            top: table.top(),
            links: 0,
            format: core::marker::PhantomData,
        };
        let mut random = Random::new(seed());
        let mut steps = 0;
        for at in 0..400u32 {
            let size = ones(table.page_sizes())
                .nth(random.below(2) as usize)
                .unwrap_or(PAGE);
            let count: u64 = random.pick([1, 3, 16, 256, 512, 1024]);
            let base = random.pick([0, 1 << 32, table.aperture().last - 0xfff_ffff]);
            let iova = (base + (u64::from(random.below(16)) << 20)) & !(size - 1);
            let count = count.min((table.aperture().last - iova) / size).max(1);
            match random.chance(50) {
                true => drop(table.map(&Fixed, iova, 0, size, count, Prot::RW)),
                false => {
                    let mut gather = Gather::default();
                    let len = (size * count - 1).min(table.aperture().last - iova) + 1;
                    table.unmap(iova, len, &mut gather);
                    table.give_back(&gather);
                }
            }
            for step in &table.store().take() {
                if at == 0 && steps == 0 {
                    // The first root is linked to nothing.
                    replay.play(*step, &table)?;
                    let Top { root, level } = replay.top;
                    if let Ok(first) = replay.find(root) {
                        first.level = Some(level);
                    }
                } else {
                    replay.play(*step, &table)?;
                }
                steps += 1;
            }
        }
        check_eq!(replay.top, table.top());
        let mut compared = 0;
        for Replayed { address, words, .. } in &replay.tables {
            let seen = table.store().memory().at(*address).ok_or(EINVAL)?;
            for (index, word) in (0u32..).zip(words) {
                check_eq!(seen.load(index), *word);
                compared += 1;
            }
        }
        note(fmt!(
            "seed {}: {steps} steps, {} tables linked, {compared} words compared",
            seed(),
            replay.links
        ));
        check!(steps > 1000 && replay.links > 10 && compared > 1000);
        Ok(())
    }
    on_format!(form, body)
}
