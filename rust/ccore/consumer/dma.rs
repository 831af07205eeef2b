// SPDX-License-Identifier: GPL-2.0

//! Pages that a device is given by the kernel's DMA API.
//!
//! C header: [`include/linux/dma-mapping.h`](srctree/include/linux/dma-mapping.h)

use super::super::{
    endpoint::Endpoint,
    ffi, //
};
use crate::{
    iommu::Strictness,
    kapi::{
        new_mutex,
        Mutex, //
    },
};
use kernel::{
    bindings,
    page::{
        Page,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::Arc, //
};

/// What a device does with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reads it only.
    Read,
    /// Writes it only, which the IOMMU does not tell from both.
    Write,
}

/// So much of a page is filled or looked at in one go.
const LINE: usize = 64;

/// A page of memory.
#[pin_data]
pub(crate) struct Buffer {
    #[pin]
    page: Mutex<Page>,
    at: u64,
}

impl Buffer {
    /// Makes one of zeroes.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let page = Page::alloc_page(GFP_KERNEL | __GFP_ZERO)?;
        // SAFETY: The page was just allocated.
        let at = unsafe { ffi::page_address(page.as_ptr()) };
        let init = pin_init!(Self { page <- new_mutex!(page, "Buffer::page"), at });
        Arc::pin_init(init, GFP_KERNEL)
    }

    /// Its physical address.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// The byte at an offset.
    ///
    /// # Errors
    ///
    /// EINVAL behind the page.
    pub(crate) fn load(&self, offset: usize) -> Result<u8> {
        let mut byte = 0;
        let page = self.page.lock();
        // SAFETY: `byte` can be written to; all access to the page is under the lock.
        unsafe { page.read_raw(&raw mut byte, offset, 1) }?;
        Ok(byte)
    }

    /// Writes a byte.
    ///
    /// # Errors
    ///
    /// EINVAL behind the page.
    pub(crate) fn store(&self, offset: usize, byte: u8) -> Result {
        let page = self.page.lock();
        // SAFETY: `byte` can be read; all access to the page is under the lock.
        unsafe { page.write_raw(&raw const byte, offset, 1) }
    }

    /// Sets all of it to `byte`.
    ///
    /// # Errors
    ///
    /// None that can happen.
    pub(crate) fn fill(&self, byte: u8) -> Result {
        let page = self.page.lock();
        let line = [byte; LINE];
        (0..PAGE_SIZE).step_by(LINE).try_for_each(|offset| {
            // SAFETY: `line` can be read; all access to the page is under the lock.
            unsafe { page.write_raw(line.as_ptr(), offset, LINE) }
        })
    }

    /// Whether all of it is `byte`.
    pub(crate) fn is_all(&self, byte: u8) -> bool {
        let page = self.page.lock();
        (0..PAGE_SIZE).step_by(LINE).all(|offset| {
            let mut line = [0; LINE];
            // SAFETY: `line` can be written to; all access to the page is under the lock.
            let read = unsafe { page.read_raw(line.as_mut_ptr(), offset, LINE) };
            read.is_ok() && line == [byte; LINE]
        })
    }

    fn raw(&self) -> *mut bindings::page {
        self.page.lock().as_ptr()
    }
}

/// A buffer that a device is given. Dropping it takes it back.
///
/// # Invariants
///
/// `iova` is mapped for the device of `endpoint`.
pub(crate) struct Mapping<'a> {
    endpoint: &'a Endpoint,
    _buffer: Arc<Buffer>,
    iova: u64,
    access: Access,
}

impl Mapping<'_> {
    /// Where the device finds it.
    pub(crate) fn iova(&self) -> u64 {
        self.iova
    }
}

impl Drop for Mapping<'_> {
    fn drop(&mut self) {
        let write = self.access == Access::Write;
        // SAFETY: By the type invariant.
        unsafe { ffi::dma_unmap(self.endpoint.device(), self.iova, write) };
    }
}

impl Endpoint {
    /// Gives the device a buffer. May sleep.
    ///
    /// # Errors
    ///
    /// EIO, whatever went wrong, as the DMA API does not say.
    pub(crate) fn dma_map(&self, buffer: &Arc<Buffer>, access: Access) -> Result<Mapping<'_>> {
        let write = access == Access::Write;
        // SAFETY: The device is registered as long as `self` lives, and the page is as long as the
        // buffer lives, which the mapping holds.
        let iova = unsafe { ffi::dma_map(self.device(), buffer.raw(), write) };
        if iova == 0 {
            return Err(EIO);
        }
        // INVARIANT: It was just mapped.
        Ok(Mapping {
            endpoint: self,
            _buffer: buffer.clone(),
            iova,
            access,
        })
    }

    /// When what the device is not given any more is flushed; `None` where its group is on no
    /// domain of the DMA API.
    pub(crate) fn strictness(&self) -> Option<Strictness> {
        // SAFETY: The device is registered and probed as long as `self` lives.
        let domain = unsafe { bindings::iommu_get_domain_for_dev(self.device()) };
        if domain.is_null() {
            return None;
        }
        // SAFETY: A member of a group keeps the default domain of the group, and nobody else has
        // given it another one.
        match unsafe { (*domain).type_ } {
            bindings::IOMMU_DOMAIN_DMA => Some(Strictness::Strict),
            bindings::IOMMU_DOMAIN_DMA_FQ => Some(Strictness::Lazy),
            _ => None,
        }
    }
}
