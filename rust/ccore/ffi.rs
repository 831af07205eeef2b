// SPDX-License-Identifier: GPL-2.0

//! The C helpers of `helpers.c`, under the names of this module, and what the kernel exports
//! without declaring it in a header.

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

    /// Whether an allocation with these flags may sleep.
    #[cfg_attr(IOMMU_MOCK_KUNIT, link_name = "iommu_mock_kunit_gfp_may_sleep")]
    #[cfg_attr(not(IOMMU_MOCK_KUNIT), link_name = "iommu_mock_gfp_may_sleep")]
    pub(super) safe fn gfp_may_sleep(gfp: bindings::gfp_t) -> bool;

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
