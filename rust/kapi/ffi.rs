// SPDX-License-Identifier: GPL-2.0

//! The C helpers of `helpers.c`, under the names of this module.

use kernel::prelude::*;

extern "C" {
    /// Raises one WARN whose message is `args`, a pointer to a `fmt::Arguments`.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_warn")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_warn")]
    pub(super) fn warn(args: *const c_void);
}
