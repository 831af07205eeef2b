// SPDX-License-Identifier: GPL-2.0

//! The C helpers of `helpers.c`, under the names of this module.

#[cfg(not(IOMMU_MOCK_KUNIT))]
use kernel::bindings;
use kernel::prelude::*;

#[cfg(IOMMU_MOCK_KUNIT)]
use super::walk::Walk;

extern "C" {
    /// Raises one WARN with the message `text`, which is NUL-terminated.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_warn")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_warn")]
    pub(super) fn warn(text: *const c_char);

    /// Maps the pages of `count` pieces of memory one behind the other; null without memory.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_join")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_join")]
    pub(super) fn join(
        starts: *const *const c_void,
        bytes: *const usize,
        count: usize,
    ) -> *mut c_void;

    /// Undoes it.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_unjoin")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_unjoin")]
    pub(super) fn unjoin(all: *mut c_void);

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

    /// Begins or ends that allocations which may sleep can fail; false where they cannot.
    #[cfg(IOMMU_MOCK_KUNIT)]
    #[link_name = "iommu_mock_kunit_failslab"]
    pub(super) fn failslab(begin: bool) -> bool;

    /// Lets allocation `nth` of this task fail, 0 for none; returns how far the one before was off.
    #[cfg(IOMMU_MOCK_KUNIT)]
    #[link_name = "iommu_mock_kunit_fail_nth"]
    pub(super) fn fail_nth(nth: c_uint) -> c_uint;
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

    /// Measures an operation on all ranges of a walk.
    #[link_name = "iommu_mock_kunit_gpt_time"]
    pub(super) fn gpt_time(gpt: *mut c_void, op: u32, walk: *const Walk) -> u64;

    /// Makes a page table of Arm's; null where there are none, or an error pointer.
    #[link_name = "iommu_mock_kunit_iopt_new"]
    pub(super) fn iopt_new(stage: u32) -> *mut c_void;

    /// Frees it.
    #[link_name = "iommu_mock_kunit_iopt_free"]
    pub(super) fn iopt_free(iopt: *mut c_void);

    /// Measures an operation on all ranges of a walk.
    #[link_name = "iommu_mock_kunit_iopt_time"]
    pub(super) fn iopt_time(iopt: *mut c_void, op: u32, walk: *const Walk) -> u64;

    /// Measures disabling and enabling interrupts.
    #[link_name = "iommu_mock_kunit_iova_time_irqs"]
    pub(super) fn iova_time_irqs(times: u32) -> u64;

    /// Makes an IOVA allocator of the kernel of the pages from `first` on; null where there is
    /// none, or an error pointer.
    #[link_name = "iommu_mock_kunit_iova_new"]
    pub(super) fn iova_new(first: u64) -> *mut c_void;

    /// Frees it.
    #[link_name = "iommu_mock_kunit_iova_free"]
    pub(super) fn iova_free(space: *mut c_void);

    /// Hands out a range for good.
    #[link_name = "iommu_mock_kunit_iova_take"]
    pub(super) fn iova_take(space: *mut c_void, pages: u64, limit: u64) -> u64;

    /// Measures handing out ranges and taking them back.
    #[link_name = "iommu_mock_kunit_iova_time"]
    pub(super) fn iova_time(
        space: *mut c_void,
        pages: u64,
        limit: u64,
        held: *mut u64,
        count: u32,
        times: u32,
    ) -> u64;
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
