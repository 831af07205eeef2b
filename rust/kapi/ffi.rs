// SPDX-License-Identifier: GPL-2.0

//! The C helpers of `helpers.c`, under the names of this module.

#[cfg(not(IOMMU_MOCK_KUNIT))]
use kernel::bindings;
use kernel::prelude::*;

extern "C" {
    /// Raises one WARN with the message `text`, which is NUL-terminated.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_warn")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_warn")]
    pub(super) fn warn(text: *const c_char);

    /// Logs that a request was refused; `why` is a NUL-terminated string.
    #[cfg(not(IOMMU_MOCK_KUNIT))]
    #[link_name = "iommu_mock_refuse"]
    pub(super) fn refuse(why: *const c_char);

    /// The sequence number of the next record of the kernel log.
    #[cfg(IOMMU_MOCK_KUNIT)]
    #[link_name = "iommu_mock_kunit_log_end"]
    pub(super) fn log_end() -> u64;

    /// The records from `from` on that contain `word`, a NUL-terminated string.
    #[cfg(IOMMU_MOCK_KUNIT)]
    #[link_name = "iommu_mock_kunit_log_lines"]
    pub(super) fn log_lines(from: u64, word: *const c_char) -> usize;
}

// Without SMP, groups contain a lock that is empty.
#[cfg(not(IOMMU_MOCK_KUNIT))]
#[allow(improper_ctypes)]
extern "C" {
    /// Makes `child`, which is in no list, a default group of `parent`.
    #[link_name = "iommu_mock_configfs_add_child"]
    pub(super) fn configfs_add_child(
        child: *mut bindings::config_group,
        parent: *mut bindings::config_group,
    );

    /// Takes `child` out of its parent's list, if it is in one, and puts a reference.
    #[link_name = "iommu_mock_configfs_put_child"]
    pub(super) fn configfs_put_child(child: *mut bindings::config_group);
}
