// SPDX-License-Identifier: GPL-2.0

//! The family of mock IOMMUs: models of hardware, and a driver for each.

#[cfg_attr(not(IOMMU_MOCK_KUNIT), expect(dead_code))]
pub(crate) mod amd;
#[cfg(not(IOMMU_MOCK_KUNIT))]
pub(crate) mod control;
pub(crate) mod endpoint;
pub(crate) mod family;
#[cfg_attr(not(IOMMU_MOCK_KUNIT), expect(dead_code))]
pub(crate) mod fault;
#[cfg_attr(not(IOMMU_MOCK_KUNIT), expect(dead_code))]
pub(crate) mod hw;
pub(crate) mod plain;
#[cfg_attr(not(IOMMU_MOCK_KUNIT), expect(dead_code))]
pub(crate) mod s390;
#[cfg_attr(not(IOMMU_MOCK_KUNIT), expect(dead_code))]
pub(crate) mod shell;
#[cfg_attr(not(IOMMU_MOCK_KUNIT), expect(dead_code))]
pub(crate) mod smmuv3;
#[cfg_attr(not(IOMMU_MOCK_KUNIT), expect(dead_code))]
pub(crate) mod unit;
#[cfg_attr(not(IOMMU_MOCK_KUNIT), expect(dead_code))]
pub(crate) mod vtd;
