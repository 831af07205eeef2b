// SPDX-License-Identifier: GPL-2.0

//! Mock IOMMUs under the kernel's own IOMMU core.

#[path = "../../../rust"]
mod rust {
    // These rooms also serve our own core and the tests. The test module uses all of them, and is
    // compiled without these expectations.
    #[expect(dead_code, unused_imports)]
    pub(crate) mod ccore;
    #[expect(dead_code, unused_imports)]
    pub(crate) mod iommu;
    #[expect(dead_code)]
    pub(crate) mod kapi;
    #[expect(dead_code, unused_imports)]
    pub(crate) mod pgtable;
}
#[path = ".."]
mod drivers {
    pub(crate) mod mock;
}
use drivers::mock;
use rust::{
    ccore,
    iommu,
    kapi,
    pgtable, //
};

use ccore::UserDriver;
use kapi::compat::param;
use kernel::{
    prelude::*,
    str::CString, //
};
use mock::control::{
    Control,
    QuickStart, //
};

module! {
    type: IommuMock,
    name: "iommu_mock",
    authors: ["The iommu-mock developers"],
    description: "Mock IOMMUs for testing IOMMU drivers and their core",
    license: "GPL",
    imports_ns: ["IOMMUFD"],
    params: {
        family: u32 {
            default: 0,
            description: "Family of the mock IOMMU made at load: 0 plain",
        },
        endpoints: u32 {
            default: 0,
            description: "Endpoints of the mock IOMMU made at load; 0 makes none",
        },
        group_size: u32 {
            default: 1,
            description: "Endpoints in each of its groups",
        },
        claim_pci_without_dma_isolation: u32 {
            default: 0,
            description: "1: instances may claim PCI functions, whose DMA nothing stops",
        },
    },
}

#[pin_data]
struct IommuMock {
    #[pin]
    control: Control,
    #[pin]
    channels: UserDriver,
}

impl kernel::InPlaceModule for IommuMock {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(|| {
            let number: u32 = param(module_parameters::family.value());
            let family = number.try_into().inspect_err(|_| {
                pr_err!("no family has the number {number}\n");
            })?;
            let quick = QuickStart {
                family,
                endpoints: param(module_parameters::endpoints.value()),
                group_size: param(module_parameters::group_size.value()),
                claims: param(module_parameters::claim_pci_without_dma_isolation.value()) != 0u32,
            };
            let channels = CString::try_from_fmt(fmt!("iommu_mock_dma"))?;
            Ok(try_pin_init!(Self {
                channels <- UserDriver::register_channels(channels),
                control <- Control::new(quick),
            }))
        })
    }
}
