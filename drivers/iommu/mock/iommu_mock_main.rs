// SPDX-License-Identifier: GPL-2.0

//! Mock IOMMUs under the kernel's own IOMMU core.

#[path = "../../../rust"]
mod rust {
    pub(crate) mod group;
    pub(crate) mod iommu;
    pub(crate) mod kapi;
}
#[path = ".."]
mod drivers {
    pub(crate) mod mock;
}
use drivers::mock;
use rust::{
    group,
    iommu,
    kapi, //
};

use kernel::prelude::*;

module! {
    type: IommuMock,
    name: "iommu_mock",
    authors: ["The iommu-mock developers"],
    description: "Mock IOMMUs for testing IOMMU drivers and their core",
    license: "GPL",
}

struct IommuMock;

impl kernel::Module for IommuMock {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}
