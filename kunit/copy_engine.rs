// SPDX-License-Identifier: GPL-2.0

//! An endpoint that moves data: it copies within a small memory, and the hardware model says where
//! each access goes.

use crate::{
    iommu::EndpointId,
    kapi::{
        new_mutex,
        Mutex, //
    },
    mock::{
        hw::Reach,
        shell::Mock, //
    },
};
use kernel::prelude::*;

/// Bytes of a page of [`Ram`].
pub(crate) const PAGE: u64 = 1 << 12;

struct Page {
    at: u64,
    bytes: KVVec<u8>,
}

/// Memory at physical addresses. A page is there once it was written to; what was never written to
/// is 0.
#[pin_data]
pub(crate) struct Ram {
    #[pin]
    pages: Mutex<KVec<Page>>,
}

impl Ram {
    /// Makes one that is 0 everywhere.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self { pages <- new_mutex!(KVec::new(), "Ram::pages") })
    }

    /// Sets `len` bytes from `at` on to `value`.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn fill(&self, at: u64, len: u64, value: u8) -> Result {
        for at in at..at.saturating_add(len) {
            self.store(at, value)?;
        }
        Ok(())
    }

    /// Whether `len` bytes from `at` on are all `value`.
    pub(crate) fn is_all(&self, at: u64, len: u64, value: u8) -> bool {
        (at..at.saturating_add(len)).all(|at| self.load(at) == value)
    }

    /// The byte at an address.
    pub(crate) fn load(&self, at: u64) -> u8 {
        let pages = self.pages.lock();
        let page = pages.iter().find(|page| page.at == at & !(PAGE - 1));
        let byte = page.and_then(|page| page.bytes.get((at & (PAGE - 1)) as usize));
        byte.copied().unwrap_or(0)
    }

    /// Writes a byte.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn store(&self, at: u64, value: u8) -> Result {
        let mut pages = self.pages.lock();
        let first = at & !(PAGE - 1);
        if !pages.iter().any(|page| page.at == first) {
            let bytes = KVVec::from_elem(0, PAGE as usize, GFP_KERNEL)?;
            pages.push(Page { at: first, bytes }, GFP_KERNEL)?;
        }
        let page = pages.iter_mut().find(|page| page.at == first);
        let byte = page.and_then(|page| page.bytes.get_mut((at & (PAGE - 1)) as usize));
        *byte.ok_or(EFAULT)? = value;
        Ok(())
    }

    /// Pages that were written to.
    pub(crate) fn pages(&self) -> usize {
        self.pages.lock().len()
    }
}

/// What is behind the hardware, by physical address.
pub(crate) trait Bytes {
    /// Reads a byte.
    ///
    /// # Errors
    ///
    /// EFAULT where there is none.
    fn read(&self, at: u64) -> Result<u8>;

    /// Writes a byte.
    ///
    /// # Errors
    ///
    /// EFAULT where there is none, ENOMEM.
    fn write(&self, at: u64, value: u8) -> Result;
}

impl Bytes for Ram {
    fn read(&self, at: u64) -> Result<u8> {
        Ok(self.load(at))
    }

    fn write(&self, at: u64, value: u8) -> Result {
        self.store(at, value)
    }
}

/// See the module.
pub(crate) struct CopyEngine<'a, M = Ram> {
    /// The hardware in front of it.
    pub(crate) mock: &'a dyn Mock,
    /// Its name there.
    pub(crate) endpoint: EndpointId,
    /// What is behind.
    pub(crate) ram: &'a M,
}

impl<M: Bytes> CopyEngine<'_, M> {
    /// Copies `len` bytes between IOVAs, lowest first, and returns how many it copied before an
    /// access was aborted.
    ///
    /// # Errors
    ///
    /// Those of [`Bytes`].
    pub(crate) fn copy(&self, from: u64, to: u64, len: u64) -> Result<u64> {
        let mut done = 0;
        while done < len {
            let (source, target) = (from.wrapping_add(done), to.wrapping_add(done));
            // What is left of either page: an access of a bus stays within one.
            let chunk = (PAGE - (source & (PAGE - 1)))
                .min(PAGE - (target & (PAGE - 1)))
                .min(len - done);
            let (Reach::Memory(source), Reach::Memory(target)) =
                (self.access(source), self.access(target))
            else {
                break;
            };
            for at in 0..chunk {
                let byte = self.ram.read(source.wrapping_add(at))?;
                self.ram.write(target.wrapping_add(at), byte)?;
            }
            done += chunk;
        }
        Ok(done)
    }

    fn access(&self, iova: u64) -> Reach {
        self.mock.dma(self.endpoint, None, iova)
    }
}
