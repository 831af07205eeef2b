// SPDX-License-Identifier: GPL-2.0

//! The C helpers of `helpers.c`, under the names of this module, and what the kernel exports
//! without declaring it in a header.

#[cfg(IOMMU_MOCK_KUNIT)]
use super::consumer::Transfer;
use kernel::{
    bindings,
    prelude::*, //
};

// Without SMP, `struct device` contains a lock that is empty.
#[allow(improper_ctypes)]
unsafe extern "C" {
    /// Puts a device that has not been added behind the IOMMU of `fwnode`, as its endpoint `id`.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_endpoint_init")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_endpoint_init")]
    pub(super) fn endpoint_init(
        dev: *mut bindings::device,
        fwnode: *mut bindings::fwnode_handle,
        id: u32,
        private: *mut c_void,
    ) -> c_int;

    /// Adds unmapped pages of one size to what is to be flushed.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_gather_add")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_gather_add")]
    pub(super) fn gather_add(
        domain: *mut bindings::iommu_domain,
        gather: *mut bindings::iommu_iotlb_gather,
        iova: c_ulong,
        size: usize,
        pgsize: usize,
    );

    /// The size of the pages to be flushed, or 0.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_gather_page")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_gather_page")]
    pub(super) fn gather_page(gather: *const bindings::iommu_iotlb_gather) -> usize;

    /// Whether an allocation with these flags, or else who asks for it, may sleep.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_gfp_may_sleep")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_gfp_may_sleep")]
    pub(super) safe fn gfp_may_sleep(gfp: bindings::gfp_t) -> bool;

    /// Notes that something was written to, in a bitmap, if there is one, and in what is to be
    /// flushed.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_dirty_record")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_dirty_record")]
    pub(super) fn dirty_record(
        dirty: *mut bindings::iommu_dirty_bitmap,
        iova: c_ulong,
        length: c_ulong,
    );

    /// Maps a page for the DMA of a device, which writes to it or reads from it. 0 if that failed.
    #[cfg(IOMMU_MOCK_KUNIT)]
    #[link_name = "iommu_mock_kunit_dma_map"]
    pub(super) fn dma_map(
        dev: *mut bindings::device,
        page: *mut bindings::page,
        write: bool,
    ) -> u64;

    /// Unmaps it.
    #[cfg(IOMMU_MOCK_KUNIT)]
    #[link_name = "iommu_mock_kunit_dma_unmap"]
    pub(super) fn dma_unmap(dev: *mut bindings::device, iova: u64, write: bool);

    /// The physical address of a page.
    #[cfg(IOMMU_MOCK_KUNIT)]
    #[link_name = "iommu_mock_kunit_page_address"]
    pub(super) fn page_address(page: *const bindings::page) -> u64;

    /// Makes a device that has a driver a channel of dmaengine, which copies by `copy`.
    /// Returns an error pointer if that failed.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_channel_add")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_channel_add")]
    pub(super) fn channel_add(
        dev: *mut bindings::device,
        engine: *mut c_void,
        copy: unsafe extern "C" fn(*const c_void, u64, u64, usize, *mut c_int) -> usize,
    ) -> *mut c_void;

    /// Waits until nobody uses the channel, removes it, and returns its engine.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_channel_remove")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_channel_remove")]
    pub(super) fn channel_remove(channel: *mut c_void) -> *mut c_void;

    /// Copies between physical addresses, within a page each. `enum dmaengine_tx_result`.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_channel_move")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_channel_move")]
    pub(super) fn channel_move(to: u64, from: u64, len: usize) -> c_int;

    /// Registers a platform driver of this module.
    #[cfg_attr(
        IOMMU_MOCK_KUNIT,
        link_name = "iommu_mock_kunit_platform_driver_register"
    )]
    #[cfg_attr(
        not(IOMMU_MOCK_KUNIT),
        link_name = "iommu_mock_platform_driver_register"
    )]
    pub(super) fn platform_driver_register(driver: *mut bindings::platform_driver) -> c_int;

    /// The device of a PCI function with a reference for the caller; null where there is none.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_pci_function")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_pci_function")]
    pub(super) safe fn pci_function(
        domain: c_int,
        bus: c_uint,
        devfn: c_uint,
    ) -> *mut bindings::device;

    /// Whether one of all PCI functions is so.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_pci_any")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_pci_any")]
    pub(super) safe fn pci_any(is: unsafe extern "C" fn(*mut bindings::device) -> bool) -> bool;

    /// Keeps PCI functions from coming and going until `lock` is false.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_pci_lock")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_pci_lock")]
    pub(super) fn pci_lock(lock: bool);

    /// Keeps drivers from binding and unbinding.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_device_lock")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_device_lock")]
    pub(super) fn device_lock(dev: *mut bindings::device);

    /// The same where that needs no waiting.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_device_trylock")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_device_trylock")]
    pub(super) fn device_trylock(dev: *mut bindings::device) -> bool;

    /// Lets them; for who has locked.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_device_unlock")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_device_unlock")]
    pub(super) fn device_unlock(dev: *mut bindings::device);
}

// Declared in `drivers/iommu/iommu-priv.h`, exported in the namespace IOMMUFD_INTERNAL.
#[allow(improper_ctypes)]
unsafe extern "C" {
    /// The handle of a group's domain or PASID.
    pub(super) fn iommu_attach_handle_get(
        group: *mut bindings::iommu_group,
        pasid: bindings::ioasid_t,
        domain_type: c_uint,
    ) -> *mut bindings::iommu_attach_handle;

    /// Attaches a domain and a handle.
    pub(super) fn iommu_attach_group_handle(
        domain: *mut bindings::iommu_domain,
        group: *mut bindings::iommu_group,
        handle: *mut bindings::iommu_attach_handle,
    ) -> c_int;

    /// Detaches both.
    pub(super) fn iommu_detach_group_handle(
        domain: *mut bindings::iommu_domain,
        group: *mut bindings::iommu_group,
    );

    /// Replaces both.
    pub(super) fn iommu_replace_group_handle(
        group: *mut bindings::iommu_group,
        domain: *mut bindings::iommu_domain,
        handle: *mut bindings::iommu_attach_handle,
    ) -> c_int;

    /// Replaces the domain and the handle of a PASID.
    pub(super) fn iommu_replace_device_pasid(
        domain: *mut bindings::iommu_domain,
        dev: *mut bindings::device,
        pasid: bindings::ioasid_t,
        handle: *mut bindings::iommu_attach_handle,
    ) -> c_int;
}

// Declared in `linux/crash_dump.h`.
#[cfg(all(IOMMU_MOCK_KUNIT, CONFIG_CRASH_DUMP))]
unsafe extern "C" {
    /// Where a kernel that crashed has left its state; all ones if there was none. Written while
    /// the kernel boots.
    pub(super) safe static elfcorehdr_addr: u64;
}

// `kunit/helpers/consumer.c`.
#[allow(improper_ctypes)]
#[cfg(IOMMU_MOCK_KUNIT)]
unsafe extern "C" {
    /// Writes the type of the default domain of a device's group.
    #[link_name = "iommu_mock_kunit_group_type_store"]
    pub(super) fn group_type_store(dev: *mut bindings::device, kind: *const c_char) -> isize;

    /// Reads it.
    #[link_name = "iommu_mock_kunit_group_type_show"]
    pub(super) fn group_type_show(
        dev: *mut bindings::device,
        kind: *mut c_char,
        size: usize,
    ) -> isize;

    /// References on the group of a device, or an errno.
    #[link_name = "iommu_mock_kunit_group_references"]
    pub(super) fn group_references(dev: *mut bindings::device) -> c_int;

    /// References on a device.
    #[link_name = "iommu_mock_kunit_device_references"]
    pub(super) fn device_references(dev: *mut bindings::device) -> c_uint;

    /// Tries to map a page for the DMA of a device, and unmaps it.
    #[link_name = "iommu_mock_kunit_use_dma"]
    pub(super) fn use_dma(dev: *mut bindings::device) -> c_int;

    /// `pci_dev_reset_iommu_prepare()`, which only knows of functions with ATS.
    #[link_name = "iommu_mock_kunit_reset_prepare"]
    pub(super) fn reset_prepare(dev: *mut bindings::device) -> c_int;

    /// `pci_dev_reset_iommu_done()`.
    #[link_name = "iommu_mock_kunit_reset_done"]
    pub(super) fn reset_done(dev: *mut bindings::device);

    /// Where the so many-th PCI function with ATS and without driver is, or `u32::MAX`.
    #[link_name = "iommu_mock_kunit_ats_function"]
    pub(super) safe fn ats_function(nth: u32) -> u32;

    /// The operation `set_dirty_tracking` of a domain.
    #[link_name = "iommu_mock_kunit_dirty_set"]
    pub(super) fn dirty_set(domain: *mut bindings::iommu_domain, enable: bool) -> c_int;

    /// What was written through a domain in a range, as iommufd asks for it.
    #[link_name = "iommu_mock_kunit_dirty_read"]
    pub(super) fn dirty_read(
        domain: *mut bindings::iommu_domain,
        iova: c_ulong,
        size: usize,
        keep: bool,
        first: *mut c_ulong,
        last: *mut c_ulong,
    ) -> c_int;
}

// `kunit/helpers/client.c`.
#[allow(improper_ctypes)]
#[cfg(IOMMU_MOCK_KUNIT)]
unsafe extern "C" {
    /// Requests the channel of a device; null where there is none that is free.
    #[link_name = "iommu_mock_kunit_client_request"]
    pub(super) fn client_request(dev: *mut bindings::device) -> *mut c_void;

    /// Releases it.
    #[link_name = "iommu_mock_kunit_client_release"]
    pub(super) fn client_release(channel: *mut c_void);

    /// Does copies and waits for them.
    #[link_name = "iommu_mock_kunit_client_copy"]
    pub(super) fn client_copy(channel: *mut c_void, transfers: *mut Transfer, count: u32) -> c_int;

    /// Submits copies and terminates them.
    #[link_name = "iommu_mock_kunit_client_drop"]
    pub(super) fn client_drop(channel: *mut c_void, transfers: *mut Transfer, count: u32) -> c_int;
}
