// SPDX-License-Identifier: GPL-2.0

//! The test module: the sources of `iommu_mock` with their KUnit suites and the guided demo.

#[path = "../rust"]
mod rust {
    pub(crate) mod ccore;
    pub(crate) mod group;
    pub(crate) mod iommu;
    pub(crate) mod kapi;
}
#[path = "../drivers/iommu"]
mod drivers {
    pub(crate) mod mock;
}
use drivers::mock;
use rust::{
    group,
    iommu,
    kapi, //
};

mod fixture;
mod mark;
mod oracle;
mod random;
mod recorder;
mod rig;
mod suites;
mod walk;

use kernel::prelude::*;

module! {
    type: IommuMockKunit,
    name: "iommu_mock_kunit",
    authors: ["The iommu-mock developers"],
    description: "KUnit tests and demo of the mock IOMMUs",
    license: "GPL",
    params: {
        effort: u32 {
            default: 100,
            description: "Per cent of the usual number of repetitions",
        },
        seed: u64 {
            default: 1,
            description: "Seed of the random tests",
        },
    },
}

struct IommuMockKunit;

impl kernel::Module for IommuMockKunit {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}

/// The per cent of the usual number of repetitions that was asked for.
fn effort() -> u32 {
    kapi::compat::param(module_parameters::effort.value())
}

/// The seed of the random tests.
fn seed() -> u64 {
    kapi::compat::param(module_parameters::seed.value())
}
