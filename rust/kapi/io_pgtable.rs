// SPDX-License-Identifier: GPL-2.0

//! The kernel's own page tables of Arm, with coherent walk, for benchmarks that compare with them.
//!
//! C header: [`include/linux/io-pgtable.h`](srctree/include/linux/io-pgtable.h)

use super::{
    ffi,
    walk::{
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
/// The pointer came from `iopt_new` and is valid until `iopt_free`. No other thread uses it.
pub(crate) struct IoPgtable(ptr::NonNull<c_void>);

impl IoPgtable {
    /// Makes one of that stage; nothing where the kernel is built without.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(stage: u32) -> Result<Option<Self>> {
        // SAFETY: Takes a plain number.
        let raw = from_err_ptr(unsafe { ffi::iopt_new(stage) })?;
        // INVARIANT: It is new, and nobody else has it.
        Ok(ptr::NonNull::new(raw).map(Self))
    }

    /// Nanoseconds of an operation on all ranges of a walk; nothing if one fails.
    pub(crate) fn time(&mut self, op: Op, walk: &Walk) -> Option<u64> {
        // SAFETY: By the type invariant; `walk` outlives the call.
        let time = unsafe { ffi::iopt_time(self.0.as_ptr(), op as u32, walk) };
        (time != 0).then_some(time)
    }
}

impl Drop for IoPgtable {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; it is not used any more.
        unsafe { ffi::iopt_free(self.0.as_ptr()) };
    }
}
