// SPDX-License-Identifier: GPL-2.0

//! Two threads map and unmap disjoint ranges of one page table, and a third one looks up.
//!
//! The store lets another thread run between the look at an empty slot and the attempt to fill it,
//! so that threads do meet, also on one CPU. Threads only count; the test looks at the counts.

use crate::{
    effort,
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
        table_memory::{
            Table,
            TableMemory, //
        },
        thread::{
            yield_now,
            Run,
            Thread, //
        },
    },
    pgtable::{
        Fixed,
        Format,
        PageTable,
        Store, //
    },
    pgtable_tests::{
        on_format,
        Census,
        Form,
        FORMS, //
    },
    random::Random,
    seed,
};
use kernel::{
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
    iommu_mock_pgtable_threads:
    writers_of_disjoint_ranges_do_not_meet: each Form in FORMS;
}

const PAGE: u64 = 1 << 12;
/// Pages that one writer has in a row, then the other.
const BLOCK: u64 = 16;
/// Operations of a writer.
const OPERATIONS: u32 = 300;
/// Where both write.
const SHARED: u64 = 1 << 30;
/// Where neither has been.
const FRESH: u64 = 1 << 34;
/// Bytes that one of them takes at once.
const REGION: u64 = 8 << 20;

/// Memory that lets other threads run whenever a table is needed.
#[pin_data]
struct Yielding {
    #[pin]
    memory: TableMemory,
    /// Tables that another thread was faster to install.
    lost: Atomic<u32>,
}

impl Store for Yielding {
    fn new<F: Format>() -> impl PinInit<Self> {
        pin_init!(Self {
            memory <- TableMemory::new(F::SIZES),
            lost: Atomic::new(0),
        })
    }

    fn memory(&self) -> &TableMemory {
        &self.memory
    }

    fn alloc(&self, class: usize) -> Result<u64> {
        yield_now();
        self.memory.alloc(class)
    }

    fn replace(&self, table: Table<'_>, index: u32, old: u64, new: u64) -> Result<(), u64> {
        let result = table.replace(index, old, new);
        if result.is_err() {
            self.lost.fetch_add(1, Relaxed);
        }
        result
    }
}

/// What the threads share.
#[pin_data]
struct Scene<F: Format> {
    #[pin]
    table: PageTable<F, Yielding>,
    /// Answers that are wrong.
    wrong: Atomic<u32>,
    /// Operations done, and look-ups.
    done: [Atomic<u32>; 2],
    looked: Atomic<u32>,
    /// Writers at work.
    writing: Atomic<u32>,
}

/// One of the writers, or the reader.
struct Actor<F: Format> {
    scene: Arc<Scene<F>>,
    role: Role,
}

#[derive(Clone, Copy)]
enum Role {
    /// Has every second block, from this one on.
    Writer(usize),
    Reader,
}

/// Where everything is mapped to, whoever maps it.
fn oa(iova: u64) -> u64 {
    iova + (3 << 32)
}

impl<F: Format> Run for Actor<F> {
    fn run(&self) {
        match self.role {
            Role::Writer(number) => {
                self.write(number);
                self.scene.writing.fetch_sub(1, Relaxed);
            }
            Role::Reader => {
                while self.scene.writing.load(Relaxed) != 0 {
                    self.read();
                    yield_now();
                }
            }
        }
    }
}

impl<F: Format> Actor<F> {
    fn demand(&self, right: bool) {
        if !right {
            self.scene.wrong.fetch_add(1, Relaxed);
        }
    }

    /// Maps and unmaps blocks in the tables that both use, and whole tables of its own.
    fn write(&self, number: usize) {
        let table = &self.scene.table;
        let mut random = Random::new(seed() + number as u64);
        // Both come to each of these tables first.
        let fresh = |at: u64| FRESH + (at << F::shift(1)) + number as u64 * BLOCK * PAGE;
        for iova in (0..32).map(fresh) {
            let (_, result) = table.map(&Fixed, iova, oa(iova), PAGE, BLOCK, Prot::RW);
            self.demand(result.is_ok());
            yield_now();
        }
        for iova in (0..32).map(fresh) {
            self.demand(table.iova_to_phys(iova) == Some(oa(iova)));
            self.demand(table.unmap(iova, BLOCK * PAGE, &mut Gather::default()) == BLOCK * PAGE);
        }
        for _ in 0..OPERATIONS.saturating_mul(effort()) / 100 {
            let block = 2 * u64::from(random.below(256)) + number as u64;
            let (iova, count) = match random.chance(30) {
                false => (SHARED + block * BLOCK * PAGE, BLOCK),
                // Whole tables, which are cut off and used again by either.
                true => (SHARED + (8 + number as u64) * REGION, REGION / PAGE),
            };
            let len = count * PAGE;
            let (done, result) = table.map(&Fixed, iova, oa(iova), PAGE, count, Prot::RW);
            self.demand(done == len && result.is_ok());
            self.demand(table.iova_to_phys(iova + len - 1) == Some(oa(iova + len - 1)));
            yield_now();
            let mut gather = Gather::default();
            self.demand(table.iova_to_phys(iova) == Some(oa(iova)));
            self.demand(table.unmap(iova, len, &mut gather) == len);
            self.demand(table.iova_to_phys(iova).is_none());
            yield_now();
            table.give_back(&gather);
            if let Some(done) = self.scene.done.get(number) {
                done.fetch_add(1, Relaxed);
            }
        }
    }

    /// What stays mapped leads where it leads, and what comes and goes leads there or nowhere.
    fn read(&self) {
        let table = &self.scene.table;
        for page in (0..2 * 512 * BLOCK).step_by(37) {
            let iova = SHARED + page * PAGE;
            if page < 512 * BLOCK {
                let seen = table.iova_to_phys(iova);
                self.demand(seen.is_none_or(|seen| seen == oa(iova)));
            }
            let stays = page % 64 * PAGE;
            self.demand(table.iova_to_phys(stays) == Some(oa(stays)));
        }
        self.scene.looked.fetch_add(1, Relaxed);
    }
}

fn writers_of_disjoint_ranges_do_not_meet(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let scene = Arc::pin_init(
            try_pin_init!(Scene::<F> {
                table <- PageTable::new(levels),
                wrong: Atomic::new(0),
                done: [Atomic::new(0), Atomic::new(0)],
                looked: Atomic::new(0),
                writing: Atomic::new(2),
            }),
            GFP_KERNEL,
        )?;
        let table = &scene.table;
        check_eq!(
            table.map(&Fixed, 0, oa(0), PAGE, 64, Prot::RW),
            (64 * PAGE, Ok(()))
        );
        let mut threads = KVec::new();
        for role in [Role::Writer(0), Role::Reader, Role::Writer(1)] {
            let scene = scene.clone();
            let actor = Arc::new(Actor { scene, role }, GFP_KERNEL)?;
            threads.push(Thread::spawn(actor)?, GFP_KERNEL)?;
        }
        drop(threads);

        let each = OPERATIONS.saturating_mul(effort()) / 100;
        let [first, second] = &scene.done;
        let (looked, lost) = (scene.looked.load(Relaxed), table.store().lost.load(Relaxed));
        note(fmt!(
            "seed {}: {each} operations each, {looked} looks at all, {lost} tables installed late",
            seed()
        ));
        check_eq!(scene.wrong.load(Relaxed), 0);
        check_eq!(first.load(Relaxed), each);
        check_eq!(second.load(Relaxed), each);
        // They did meet.
        check!(each < 100 || (looked > 10 && lost != 0));
        // What is left is what was there before, and no table was lost.
        let census = Census::of(table);
        check_eq!(census.leaves, 64);
        check_eq!(census.tables, table.tables());
        Ok(())
    }
    on_format!(form, body)
}
