// SPDX-License-Identifier: GPL-2.0

//! A platform driver that uses the DMA of endpoints, by being bound to them.

use super::super::{
    endpoint::Endpoint,
    ffi, //
};
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    str::CString,
    types::Opaque, //
};

/// A registered platform driver. Devices are bound to it by hand only.
///
/// # Invariants
///
/// `raw` is registered, and its name is `_name`.
#[pin_data(PinnedDrop)]
pub(crate) struct UserDriver {
    #[pin]
    raw: Opaque<bindings::platform_driver>,
    _name: CString,
}

// SAFETY: A driver may be used and unregistered by any thread.
unsafe impl Send for UserDriver {}
// SAFETY: As above.
unsafe impl Sync for UserDriver {}

impl UserDriver {
    /// Registers a driver that does nothing, under a name that no device has.
    ///
    /// # Errors
    ///
    /// EBUSY where the name is taken, ENOMEM.
    pub(crate) fn register(name: CString) -> impl PinInit<Self, Error> {
        Self::register_as(name, pin_init::zeroed())
    }

    /// Registers a driver with these operations.
    ///
    /// # Errors
    ///
    /// As [`Self::register`].
    pub(in super::super) fn register_as(
        name: CString,
        mut driver: bindings::platform_driver,
    ) -> impl PinInit<Self, Error> {
        driver.driver.name = name.as_char_ptr();
        try_pin_init!(Self {
            raw <- Opaque::try_ffi_init(move |slot: *mut bindings::platform_driver| {
                // SAFETY: `slot` is valid for writing.
                unsafe { slot.write(driver) };
                // SAFETY: The driver is valid, and so is its name, until it is unregistered.
                to_result(unsafe { ffi::platform_driver_register(slot) })
            }),
            _name: name,
        })
    }
}

#[pinned_drop]
impl PinnedDrop for UserDriver {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant, it is registered. Unregistering unbinds its devices.
        unsafe { bindings::platform_driver_unregister(self.raw.get()) };
    }
}

impl Endpoint {
    /// Binds a driver to the device, which takes the use of its group's default domain.
    ///
    /// # Errors
    ///
    /// EBUSY where a driver is bound, or the group is in use or not on its default domain; EAGAIN
    /// where it has none.
    pub(crate) fn bind(&self, driver: &UserDriver) -> Result {
        // SAFETY: By the type invariant of `UserDriver`, it is registered.
        let driver = unsafe { &raw const (*driver.raw.get()).driver };
        // SAFETY: Both are registered.
        to_result(unsafe { bindings::device_driver_attach(driver, self.device()) })
    }

    /// Unbinds the driver, if one is bound.
    pub(crate) fn unbind(&self) {
        // SAFETY: The device of an endpoint is registered.
        unsafe { bindings::device_release_driver(self.device()) };
    }
}
