// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers for the kernel services that the `kernel` crate lacks.
//!
//! Shaped like future files of `rust/kernel`: one concept each, no policy. Together with
//! `rust/ccore` this is the only room with `unsafe` code.

pub(crate) mod compat;
#[cfg(not(IOMMU_MOCK_KUNIT))]
pub(crate) mod configfs;
pub(crate) mod errno;
#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) mod fail_nth;
mod ffi;
#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) mod generic_pt;
#[cfg(not(IOMMU_MOCK_KUNIT))]
pub(crate) mod global;
#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) mod io_pgtable;
#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) mod iova;
#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) mod known_loop;
#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) mod kunit;
#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) mod log;
pub(crate) mod mutex;
pub(crate) mod planted;
#[cfg(not(IOMMU_MOCK_KUNIT))]
pub(crate) mod refusal;
#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) mod schedule;
pub(crate) mod table_memory;
mod text;
#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) mod thread;
#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) mod unsound;
#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) mod walk;
pub(crate) mod warn;

pub(crate) use mutex::{new_mutex, Guard, Mutex};
