// SPDX-License-Identifier: GPL-2.0

//! Endpoints that are channels of dmaengine, and copy memory as their IOMMU lets them.
//!
//! C header: [`include/linux/dmaengine.h`](srctree/include/linux/dmaengine.h)

use super::{
    consumer::UserDriver,
    device,
    ffi, //
};
use crate::iommu::{
    Bus,
    EndpointId, //
};
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        from_result, //
    },
    prelude::*,
    str::CString,
    sync::Arc, //
};

/// An access of a bus moves no more than this many bytes, and never crosses a multiple of it.
const LINE: u64 = 64;

/// `enum dmaengine_tx_result`: nothing went wrong.
pub(super) const NO_ERROR: c_int = 0;
/// The source could not be read.
pub(super) const READ_FAILED: c_int = 1;
/// The destination could not be written.
pub(super) const WRITE_FAILED: c_int = 2;

impl UserDriver {
    /// Registers a driver that makes each endpoint it is bound to a channel of dmaengine: memory is
    /// copied between IOVAs of the endpoint, line by line, each of which is translated for itself.
    ///
    /// Binding fails with ENODEV for another device than an endpoint, or in a kernel without
    /// dmaengine. Unbinding waits until nobody uses the channel.
    ///
    /// # Errors
    ///
    /// EBUSY where the name is taken, ENOMEM.
    pub(crate) fn register_channels(name: CString) -> impl PinInit<Self, Error> {
        let mut driver: bindings::platform_driver = pin_init::zeroed();
        driver.probe = Some(probe);
        driver.remove = Some(remove);
        Self::register_as(name, driver)
    }
}

/// What copies for an endpoint.
struct Engine {
    bus: Arc<dyn Bus>,
    endpoint: EndpointId,
}

impl Engine {
    /// Copies, lowest address first, and returns how many bytes there were and what ended it.
    fn copy(&self, to: u64, from: u64, len: u64) -> (u64, c_int) {
        let mut done = 0;
        while done < len {
            let (source, target) = (from.wrapping_add(done), to.wrapping_add(done));
            let room = |at: u64| LINE - (at & (LINE - 1));
            let chunk = room(source).min(room(target)).min(len - done);
            let Some(source) = self.bus.read(self.endpoint, source) else {
                return (done, READ_FAILED);
            };
            let Some(target) = self.bus.write(self.endpoint, target) else {
                return (done, WRITE_FAILED);
            };
            // SAFETY: This is the DMA of a device: who programs it answers for what it reaches, as
            // with any other. CAST: At most a line.
            let moved = unsafe { ffi::channel_move(target, source, chunk as usize) };
            if moved != NO_ERROR {
                return (done, moved);
            }
            done += chunk;
        }
        (done, NO_ERROR)
    }
}

/// # Safety
///
/// Called by the channel of the engine that it was added with; `result` is valid for writing.
unsafe extern "C" fn copy(
    engine: *const c_void,
    to: u64,
    from: u64,
    len: usize,
    result: *mut c_int,
) -> usize {
    // SAFETY: `probe` made it of one, and `remove` frees it after the channel.
    let engine = unsafe { &*engine.cast::<Engine>() };
    let (done, why) = engine.copy(to, from, len as u64);
    // SAFETY: By the contract of this function.
    unsafe { result.write(why) };
    // CAST: At most `len`.
    done as usize
}

/// # Safety
///
/// Called by the driver core for a registered device, with its lock held.
unsafe extern "C" fn probe(platform: *mut bindings::platform_device) -> c_int {
    from_result(|| {
        // SAFETY: By the contract of this function.
        let dev = unsafe { &raw mut (*platform).dev };
        // SAFETY: An endpoint is probed by the kernel's IOMMU core before a driver is, and released
        // after it.
        let instance = unsafe { device::instance(dev) }.ok_or(ENODEV)?;
        // SAFETY: As above.
        let endpoint = unsafe { device::device(dev) }.ok_or(ENODEV)?.id();
        let bus = instance.bus().clone();
        let engine = KBox::into_raw(KBox::new(Engine { bus, endpoint }, GFP_KERNEL)?);
        // SAFETY: `dev` has a driver, and `engine` is what `copy` wants.
        let channel = from_err_ptr(unsafe { ffi::channel_add(dev, engine.cast(), copy) });
        // SAFETY: Without a channel nobody has taken it.
        let channel = channel.inspect_err(|_| drop(unsafe { KBox::from_raw(engine) }))?;
        // SAFETY: The field is the driver's.
        unsafe { (*dev).driver_data = channel };
        Ok(0)
    })
}

/// # Safety
///
/// Called by the driver core for a device that [`probe`] has taken.
unsafe extern "C" fn remove(platform: *mut bindings::platform_device) {
    // SAFETY: `probe` has put a channel there.
    let engine = unsafe { ffi::channel_remove((*platform).dev.driver_data) };
    // SAFETY: It is what `probe` gave, and the channel has no more use for it.
    drop(unsafe { KBox::from_raw(engine.cast::<Engine>()) });
}
