// SPDX-License-Identifier: GPL-2.0

//! The consumer's side of the kernel's core, as VFIO, iommufd and device drivers use it.
//!
//! What the core leaves to its callers is made sure of here: a domain or a handle that the core may
//! still refer to is kept alive ([`Uses`]), and what must not be asked of a group without members
//! can be asked of a [`LiveGroup`] only.

mod attach;
#[cfg(IOMMU_MOCK_KUNIT)]
mod channel;
#[cfg(IOMMU_MOCK_KUNIT)]
mod default;
#[cfg(IOMMU_MOCK_KUNIT)]
mod dirty;
#[cfg(IOMMU_MOCK_KUNIT)]
mod dma;
mod domain;
mod driver;
#[cfg(IOMMU_MOCK_KUNIT)]
mod dud;
mod handle;
#[cfg(IOMMU_MOCK_KUNIT)]
mod leftover;
#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) mod misuse;
mod owner;
mod pasid;
#[cfg(IOMMU_MOCK_KUNIT)]
mod references;
#[cfg(IOMMU_MOCK_KUNIT)]
mod reset;
mod uses;

pub(crate) use attach::LiveGroup;
#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) use channel::{
    Channel,
    Ended,
    Transfer, //
};
#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) use default::is_kdump;
#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) use dma::{
    Access,
    Buffer, //
};
pub(crate) use domain::UserDomain;
pub(crate) use driver::UserDriver;
pub(crate) use handle::Handle;
pub(crate) use owner::Owner;
pub(super) use uses::Uses;
