// SPDX-License-Identifier: GPL-2.0

//! The kernel's own page tables of Arm, with coherent walk, for benchmarks that compare with them.
//!
//! C header: [`include/linux/io-pgtable.h`](srctree/include/linux/io-pgtable.h)

use super::{
    ffi,
    walk::{
        Claims,
        Op,
        Walk, //
    },
};
use core::ptr;
use kernel::{
    error::from_err_ptr,
    prelude::*, //
};

/// A page table of 4 KiB granules and 48 bits.
///
/// # Invariants
///
/// The pointer came from `iopt_new` and is valid until `iopt_free`. Threads that share it use it
/// only in ranges that they have claimed.
pub(crate) struct IoPgtable(ptr::NonNull<c_void>, Claims);

impl IoPgtable {
    /// Makes one of that stage; nothing where the kernel is built without.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(stage: u32) -> Result<Option<Self>> {
        let claims = Claims::new()?;
        // SAFETY: Takes a plain number.
        let raw = from_err_ptr(unsafe { ffi::iopt_new(stage) })?;
        // INVARIANT: It is new, and nobody else has it.
        Ok(ptr::NonNull::new(raw).map(|raw| Self(raw, claims)))
    }

    /// Nanoseconds of an operation on all ranges of a walk; nothing if one fails, or if another
    /// thread is in one of them.
    pub(crate) fn time(&self, op: Op, walk: &Walk) -> Option<u64> {
        let _claim = self.1.claim(walk)?;
        // SAFETY: By the type invariant; `walk` outlives the call. Threads in different ranges need
        // nothing between them.
        let time = unsafe { ffi::iopt_time(self.0.as_ptr(), op as u32, walk) };
        (time != 0).then_some(time)
    }
}

// SAFETY: It is a pointer to memory of the kernel, which any thread may use and free.
unsafe impl Send for IoPgtable {}
// SAFETY: What takes a shared reference claims the range first.
unsafe impl Sync for IoPgtable {}

impl Drop for IoPgtable {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; it is not used any more.
        unsafe { ffi::iopt_free(self.0.as_ptr()) };
    }
}
