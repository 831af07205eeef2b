// SPDX-License-Identifier: GPL-2.0

//! A platform device that is an endpoint behind an instance.

use super::{
    ffi,
    instance::Instance, //
};
use crate::iommu::EndpointId;
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::Arc, //
};

/// A registered platform device.
///
/// # Invariants
///
/// `raw` is registered, by this value alone.
pub(super) struct PlatformDevice {
    raw: NonNull<bindings::platform_device>,
}

// SAFETY: A device may be unregistered from any thread.
unsafe impl Send for PlatformDevice {}
// SAFETY: All that is done through a reference is to read its address.
unsafe impl Sync for PlatformDevice {}

/// The id of a device that is no endpoint: see [`PlatformDevice::add_usher`].
pub(super) const USHER: u32 = u32::MAX;

impl PlatformDevice {
    /// Adds a device to the platform bus, which makes the kernel's core probe it. No driver binds
    /// to it by itself.
    ///
    /// # Errors
    ///
    /// EINVAL for an endpoint number that no platform device can have, ENOMEM, EBUSY where the name
    /// is taken.
    ///
    /// # Safety
    ///
    /// `instance` must be registered, and stay so until this value is dropped.
    pub(super) unsafe fn add(
        name: &CStr,
        id: EndpointId,
        instance: &Arc<Instance>,
    ) -> Result<Self> {
        let number = c_int::try_from(id.0)?;
        // SAFETY: Passed on.
        unsafe { Self::add_numbered(name, number, id.0, instance) }
    }

    /// Adds a device for whose sake the core calls `probe_device` of the instance with its probe
    /// lock held, and which is not taken.
    ///
    /// # Errors
    ///
    /// ENOMEM, EBUSY where there is one.
    ///
    /// # Safety
    ///
    /// As [`Self::add`].
    pub(super) unsafe fn add_usher(instance: &Arc<Instance>) -> Result<Self> {
        // SAFETY: Passed on.
        unsafe {
            Self::add_numbered(
                c"iommu_mock.usher",
                bindings::PLATFORM_DEVID_NONE,
                USHER,
                instance,
            )
        }
    }

    /// # Safety
    ///
    /// As [`Self::add`].
    unsafe fn add_numbered(
        name: &CStr,
        number: c_int,
        id: u32,
        instance: &Arc<Instance>,
    ) -> Result<Self> {
        // SAFETY: `name` is a string, which is copied.
        let raw = unsafe { bindings::platform_device_alloc(name.as_char_ptr(), number) };
        let raw = NonNull::new(raw).ok_or(ENOMEM)?;
        // SAFETY: `raw` was just allocated.
        let dev = unsafe { &raw mut (*raw.as_ptr()).dev };
        let private = Arc::as_ptr(instance).cast_mut().cast();
        // SAFETY: `dev` has not been added. By the contract of this function, the instance stays
        // valid, which is what `device::seat` relies on.
        let result = to_result(unsafe { ffi::endpoint_init(dev, instance.fwnode(), id, private) });
        let result = result.and_then(|()| {
            // SAFETY: `raw` was allocated and has not been added.
            to_result(unsafe { bindings::platform_device_add(raw.as_ptr()) })
        });
        if let Err(error) = result {
            // SAFETY: `raw` has not been added; its reference is ours. The core leaks its own part
            // of a device that it was never told of, and exports no way to free it.
            unsafe { bindings::platform_device_put(raw.as_ptr()) };
            return Err(error);
        }
        // INVARIANT: It was just added.
        Ok(Self { raw })
    }

    /// Its `struct device`.
    pub(super) fn device(&self) -> *mut bindings::device {
        // SAFETY: By the type invariant, `raw` is valid.
        unsafe { &raw mut (*self.raw.as_ptr()).dev }
    }

    /// Whether a driver is bound to it right now.
    pub(super) fn has_driver(&self) -> bool {
        // SAFETY: By the type invariant, the device is valid. Whoever wants an answer that lasts
        // holds the device lock.
        let driver = unsafe { (&raw const (*self.device()).driver).read_volatile() };
        !driver.is_null()
    }
}

impl Drop for PlatformDevice {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, it is registered, by this value alone.
        unsafe { bindings::platform_device_unregister(self.raw.as_ptr()) };
    }
}
