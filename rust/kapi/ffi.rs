// SPDX-License-Identifier: GPL-2.0

//! The C helpers of `helpers.c`, under the names of this module.

use kernel::prelude::*;

extern "C" {
    /// Raises one WARN whose message is `args`, a pointer to a `fmt::Arguments`.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_warn")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_warn")]
    pub(super) fn warn(args: *const c_void);
}

#[cfg(IOMMU_MOCK_KUNIT)]
extern "C" {
    /// Makes a page table of the kernel; null where there are none, or an error pointer.
    #[link_name = "iommu_mock_kunit_gpt_new"]
    pub(super) fn gpt_new(format: u32, levels: u32) -> *mut c_void;

    /// Frees it.
    #[link_name = "iommu_mock_kunit_gpt_free"]
    pub(super) fn gpt_free(gpt: *mut c_void);

    /// Maps a range.
    #[link_name = "iommu_mock_kunit_gpt_map"]
    pub(super) fn gpt_map(
        gpt: *mut c_void,
        iova: u64,
        pa: u64,
        len: u64,
        prot: u32,
        mapped: *mut u64,
    ) -> c_int;

    /// Unmaps a range.
    #[link_name = "iommu_mock_kunit_gpt_unmap"]
    pub(super) fn gpt_unmap(gpt: *mut c_void, iova: u64, len: u64) -> u64;

    /// Looks an address up.
    #[link_name = "iommu_mock_kunit_gpt_iova_to_phys"]
    pub(super) fn gpt_iova_to_phys(gpt: *mut c_void, iova: u64) -> u64;

    /// Measures mapping and unmapping.
    #[link_name = "iommu_mock_kunit_gpt_time_map"]
    pub(super) fn gpt_time_map(
        gpt: *mut c_void,
        iova: u64,
        pa: u64,
        len: u64,
        times: u32,
    ) -> u64;

    /// Measures looking up.
    #[link_name = "iommu_mock_kunit_gpt_time_look"]
    pub(super) fn gpt_time_look(gpt: *mut c_void, iova: u64, len: u64, times: u32) -> u64;
}
