// SPDX-License-Identifier: GPL-2.0

//! The kernel's own page tables, for tests that compare with them.
//!
//! C header: [`include/linux/generic_pt/iommu.h`](srctree/include/linux/generic_pt/iommu.h)

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
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

/// Formats that the kernel has, too. In the order of the helper.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Format {
    /// `pt_iommu_vtdss`.
    Vtdss,
    /// `pt_iommu_x86_64`.
    X86_64,
    /// `pt_iommu_amdv1`.
    AmdV1,
}

/// A page table of the kernel.
///
/// # Invariants
///
/// The pointer came from `gpt_new` and is valid until `gpt_free`. Threads that share it use it only
/// in ranges that they have claimed.
pub(crate) struct GenericPt(ptr::NonNull<c_void>, Claims);

impl GenericPt {
    /// Makes one; nothing where the kernel is built without.
    pub(crate) fn new(format: Format, levels: u32) -> Result<Option<Self>> {
        let claims = Claims::new()?;
        // SAFETY: Takes plain numbers.
        let raw = from_err_ptr(unsafe { ffi::gpt_new(format as u32, levels) })?;
        // INVARIANT: It is new, and nobody else has it.
        Ok(ptr::NonNull::new(raw).map(|raw| Self(raw, claims)))
    }

    /// Maps a range with the pages that fit best. Returns the bytes mapped.
    pub(crate) fn map(&mut self, iova: u64, oa: u64, len: u64, prot: u32) -> (u64, Result) {
        let mut mapped = 0;
        // SAFETY: By the type invariant; `mapped` outlives the call.
        let ret = unsafe { ffi::gpt_map(self.0.as_ptr(), iova, oa, len, prot, &raw mut mapped) };
        (mapped, to_result(ret))
    }

    /// Unmaps a range and flushes. Returns the bytes unmapped.
    pub(crate) fn unmap(&mut self, iova: u64, len: u64) -> u64 {
        // SAFETY: By the type invariant.
        unsafe { ffi::gpt_unmap(self.0.as_ptr(), iova, len) }
    }

    /// Where an address leads; 0 if nowhere, or if another thread is in a range with it.
    pub(crate) fn iova_to_phys(&self, iova: u64) -> u64 {
        let Some(_claim) = self.1.claim_range(iova, iova) else {
            return 0;
        };
        // SAFETY: By the type invariant.
        unsafe { ffi::gpt_iova_to_phys(self.0.as_ptr(), iova) }
    }

    /// Nanoseconds of an operation on all ranges of a walk; nothing if one fails, or if another
    /// thread is in one of them.
    pub(crate) fn time(&self, op: Op, walk: &Walk) -> Option<u64> {
        let _claim = self.1.claim(walk)?;
        // SAFETY: By the type invariant; `walk` outlives the call. Threads in different ranges need
        // nothing between them.
        let time = unsafe { ffi::gpt_time(self.0.as_ptr(), op as u32, walk) };
        (time != 0).then_some(time)
    }
}

// SAFETY: It is a pointer to memory of the kernel, which any thread may use and free.
unsafe impl Send for GenericPt {}
// SAFETY: What takes a shared reference claims the range first.
unsafe impl Sync for GenericPt {}

impl Drop for GenericPt {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; it is not used any more.
        unsafe { ffi::gpt_free(self.0.as_ptr()) };
    }
}
