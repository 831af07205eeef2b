// SPDX-License-Identifier: GPL-2.0

//! The test module: the sources of `iommu_mock` with their KUnit suites, the guided demo and the
//! benchmarks.

#[path = "../rust"]
mod rust {
    pub(crate) mod ccore;
    pub(crate) mod dma;
    pub(crate) mod group;
    pub(crate) mod iommu;
    pub(crate) mod judge;
    pub(crate) mod kapi;
    pub(crate) mod pgtable;
}
#[path = "../drivers/iommu"]
mod drivers {
    pub(crate) mod mock;
}
use drivers::mock;
use rust::{
    ccore,
    dma,
    group,
    iommu,
    judge,
    kapi,
    pgtable, //
};

mod bench;
mod copy_engine;
mod demo;
mod differential;
mod families;
mod fixture;
mod judge_report;
mod judge_tests;
mod layered;
mod mark;
mod oracle;
mod pgtable_tests;
mod random;
mod recorder;
mod rig;
mod schedule;
mod seeded;
mod share;
mod suites;
mod table_domain;
mod walk;

use bench::Bench;
use demo::Demo;
use judge_report::Lines;
use kernel::{
    debugfs::{
        Dir,
        File, //
    },
    prelude::*, //
};
use walk::soak::{
    seeded::Seeded,
    Soak, //
};

module! {
    type: IommuMockKunit,
    name: "iommu_mock_kunit",
    authors: ["The iommu-mock developers"],
    description: "KUnit tests and demo of the mock IOMMUs",
    license: "GPL",
    imports_ns: ["GENERIC_PT_IOMMU", "IOMMUFD", "IOMMUFD_INTERNAL"],
    params: {
        effort: u32 {
            default: 100,
            description: "Per cent of the usual number of repetitions",
        },
        seed: u64 {
            default: 1,
            description: "Seed of the random tests",
        },
        dma_lazy: u32 {
            default: 0,
            description: "1: default domains unmap lazily where a test or the demo has no opinion",
        },
        measurement: u32 {
            default: 0,
            description: "The only one of a benchmark that is made in earnest, 0 for all",
        },
        triples: u32 {
            default: 0,
            description: "Preemptions with which all triples of operations are explored, 0 for not",
        },
        schedule: u64 {
            default: 0,
            description: "Scene of a schedule to be replayed",
        },
        choices: u64 {
            default: 0,
            description: "Choices of that schedule",
        },
    },
}

/// The debugfs directory of the test module.
#[pin_data]
struct IommuMockKunit {
    #[pin]
    demo: File<Demo>,
    #[pin]
    matrix: File<Lines>,
    #[pin]
    mutants: File<Lines>,
    #[pin]
    bench: Bench,
    #[pin]
    soak: File<Soak>,
    #[pin]
    soak_seeded: File<Seeded>,
    #[pin]
    seeded: File<()>,
    _dir: Dir,
}

impl kernel::InPlaceModule for IommuMockKunit {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(|| {
            let dir = Dir::new(c"iommu_mock_kunit");
            Ok(try_pin_init!(Self {
                demo <- dir.read_callback_file(c"demo", Demo::new(), &|demo, f| demo.show(f)),
                matrix <- dir.read_callback_file(c"matrix", Lines::matrix(), &|m, f| m.show(f)),
                mutants <- dir.read_callback_file(c"mutants", Lines::mutants(), &|m, f| m.show(f)),
                bench <- Bench::new(dir.clone()),
                soak <- dir.read_callback_file(c"soak", Soak::new(), &|s, f| s.show(f)),
                soak_seeded <- dir.read_callback_file(c"soak_seeded", Seeded::new(), &|s, f| {
                    s.show(f)
                }),
                seeded <- dir.write_callback_file(c"seeded", Ok::<(), Error>(()), &|(), r| {
                    seeded::commit(r)
                }),
                _dir: dir.clone(),
            }))
        })
    }
}

/// The per cent of the usual number of repetitions that was asked for.
fn effort() -> u32 {
    kapi::compat::param(module_parameters::effort.value())
}

/// Number of the measurement that is made in earnest; 0 for all.
fn measurement() -> u32 {
    kapi::compat::param(module_parameters::measurement.value())
}

/// The seed of the random tests.
fn seed() -> u64 {
    kapi::compat::param(module_parameters::seed.value())
}

/// What default domains are where nobody has another opinion.
fn system_type() -> iommu::DefaultType {
    match kapi::compat::param::<u32>(module_parameters::dma_lazy.value()) {
        0 => iommu::DefaultType::Dma,
        _ => iommu::DefaultType::DmaLazy,
    }
}

/// With how many preemptions triples are to be explored.
fn triples() -> u32 {
    kapi::compat::param(module_parameters::triples.value())
}

/// The scene and the choices of a schedule that is to be replayed.
fn replayed() -> (u64, u64) {
    (
        kapi::compat::param(module_parameters::schedule.value()),
        kapi::compat::param(module_parameters::choices.value()),
    )
}
