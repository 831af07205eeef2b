// SPDX-License-Identifier: GPL-2.0

//! The kernel's own IOVA allocator, for benchmarks that compare with it.
//!
//! C header: [`include/linux/iova.h`](srctree/include/linux/iova.h)

use super::ffi;
use core::ptr;
use kernel::{
    error::from_err_ptr,
    prelude::*, //
};

/// An allocator of pages from 1 on.
///
/// # Invariants
///
/// The pointer came from `iova_new` and is valid until `iova_free`.
pub(crate) struct KernelIova(ptr::NonNull<c_void>);

// SAFETY: The kernel's allocator has locks of its own and may be used by any thread.
unsafe impl Send for KernelIova {}

// SAFETY: As above.
unsafe impl Sync for KernelIova {}

/// Nanoseconds of so many times disabling interrupts and enabling them.
pub(crate) fn time_irqs(times: u32) -> u64 {
    // SAFETY: Takes a plain number.
    unsafe { ffi::iova_time_irqs(times) }
}

impl KernelIova {
    /// Makes one; nothing where the kernel is built without.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new() -> Result<Option<Self>> {
        // SAFETY: Takes a plain number.
        let raw = from_err_ptr(unsafe { ffi::iova_new(1) })?;
        // INVARIANT: It is new.
        Ok(ptr::NonNull::new(raw).map(Self))
    }

    /// Hands out `pages` pages up to page `limit` for good.
    ///
    /// # Errors
    ///
    /// ENOSPC.
    pub(crate) fn take(&self, pages: u64, limit: u64) -> Result<u64> {
        // SAFETY: By the type invariant.
        match unsafe { ffi::iova_take(self.0.as_ptr(), pages, limit) } {
            0 => Err(ENOSPC),
            page => Ok(page),
        }
    }

    /// Nanoseconds of so many times handing out as many ranges as `held` has room for and taking
    /// them back; nothing if there was none.
    pub(crate) fn time(&self, pages: u64, limit: u64, held: &mut [u64], times: u32) -> Option<u64> {
        let count = u32::try_from(held.len()).ok()?;
        let room = held.as_mut_ptr();
        // SAFETY: By the type invariant; `room` has `count` elements.
        let time = unsafe { ffi::iova_time(self.0.as_ptr(), pages, limit, room, count, times) };
        (time != 0).then_some(time)
    }
}

impl Drop for KernelIova {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; it is not used any more.
        unsafe { ffi::iova_free(self.0.as_ptr()) };
    }
}
