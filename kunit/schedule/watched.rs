// SPDX-License-Identifier: GPL-2.0

//! A domain that stops threads before and after a flush, or lets others run there, and looks
//! whether hardware may still translate what is about to be mapped.

use crate::{
    iommu::{
        Aperture,
        Domain,
        DomainData,
        DriverKey,
        EndpointId,
        Gather,
        Kind,
        Paging,
        Progress,
        Prot, //
    },
    kapi::{
        schedule,
        thread::yield_now, //
    },
    mock::{
        hw::Reach,
        shell::Mock, //
    },
};
use core::any::Any;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// See the module.
pub(crate) struct Watched {
    inner: Arc<Domain>,
    mock: Arc<dyn Mock>,
    early: Atomic<u32>,
    flushes: Atomic<u32>,
}

impl Watched {
    /// Wraps a domain that the first endpoint of `mock` is on.
    ///
    /// # Errors
    ///
    /// EINVAL where it has no page table, ENOMEM.
    pub(crate) fn domain(inner: Arc<Domain>, mock: Arc<dyn Mock>) -> Result<Arc<Domain>> {
        inner.paging().ok_or(EINVAL)?;
        let data = Self {
            inner,
            mock,
            early: Atomic::new(0),
            flushes: Atomic::new(0),
        };
        Domain::new(Kind::Paging, DriverKey::of::<Self>(), data)
    }

    /// How many ranges were mapped while hardware still knew what they were before.
    pub(crate) fn early(&self) -> u32 {
        self.early.load(Relaxed)
    }

    /// Flushes so far.
    pub(crate) fn flushes(&self) -> u32 {
        self.flushes.load(Relaxed)
    }
}

impl DomainData for Watched {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn paging(&self) -> Option<&dyn Paging> {
        self.inner.paging().map(|_| self as &dyn Paging)
    }
}

impl Paging for Watched {
    fn page_sizes(&self) -> u64 {
        self.inner.paging().map_or(0, |table| table.page_sizes())
    }

    fn aperture(&self) -> Aperture {
        let none = Aperture { first: 0, last: 0 };
        self.inner.paging().map_or(none, |table| table.aperture())
    }

    fn widen(&self, to: Aperture) -> Result {
        self.inner.paging().ok_or(EINVAL)?.widen(to)
    }

    fn map(&self, iova: u64, paddr: u64, page: u64, count: u64, prot: Prot) -> Progress {
        if self.mock.dma(EndpointId(0), None, iova) != Reach::Aborted {
            self.early.fetch_add(1, Relaxed);
        }
        match self.inner.paging() {
            Some(table) => table.map(iova, paddr, page, count, prot),
            None => Progress {
                mapped: 0,
                result: Err(EINVAL),
            },
        }
    }

    fn unmap(&self, iova: u64, page: u64, count: u64, gather: &mut Gather) -> u64 {
        let table = self.inner.paging();
        table.map_or(0, |table| table.unmap(iova, page, count, gather))
    }

    fn iova_to_phys(&self, iova: u64) -> Option<u64> {
        self.inner.iova_to_phys(iova)
    }

    fn sync(&self, gather: &Gather) {
        schedule::other("flush");
        yield_now();
        self.flushes.fetch_add(1, Relaxed);
        if let Some(table) = self.inner.paging() {
            table.sync(gather);
        }
        yield_now();
        schedule::other("flushed");
    }

    fn give_back(&self, gather: &Gather) {
        if let Some(table) = self.inner.paging() {
            table.give_back(gather);
        }
    }

    fn sync_map(&self, iova: u64, size: u64) -> Result {
        self.inner.paging().ok_or(EINVAL)?.sync_map(iova, size)
    }
}
