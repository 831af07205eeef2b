// SPDX-License-Identifier: GPL-2.0

//! The C helpers of `helpers.c`, under the names of this module.

use kernel::prelude::*;

extern "C" {
    /// Raises one WARN with the message `text`, which is NUL-terminated.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_warn")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_warn")]
    pub(super) fn warn(text: *const c_char);

    /// The sequence number of the next record of the kernel log.
    #[cfg(IOMMU_MOCK_KUNIT)]
    #[link_name = "iommu_mock_kunit_log_end"]
    pub(super) fn log_end() -> u64;

    /// The records from `from` on that contain `word`, a NUL-terminated string.
    #[cfg(IOMMU_MOCK_KUNIT)]
    #[link_name = "iommu_mock_kunit_log_lines"]
    pub(super) fn log_lines(from: u64, word: *const c_char) -> usize;
}
