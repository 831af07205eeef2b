// SPDX-License-Identifier: GPL-2.0

//! A default domain with IOVAs to hand out.

use super::{
    defect::Defect,
    iova::IovaSpace,
    queue::{
        Entry,
        FlushQueue,
        Rings,
        Sink, //
    },
};
use crate::iommu::{
    Domain,
    Gather,
    Paging,
    Prot, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SetOnce, //
    },
};

/// Bytes of a page.
const PAGE_SHIFT: u32 = 12;

/// IOVAs that are made free under one lock.
const FREED_AT_ONCE: usize = 64;

/// The time that the timeout of a queue is measured by.
pub(crate) trait Clock: Send + Sync {
    /// Milliseconds since some time.
    fn now(&self) -> u64;
}

/// What can be tuned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// See [`Rings`].
    pub(crate) rings: Rings,
    /// Slots of a ring.
    pub(crate) slots: usize,
    /// Milliseconds that a range waits at most.
    pub(crate) timeout: u64,
    /// Try what 32 bits reach first, as some PCI devices work better there.
    pub(crate) low_first: bool,
}

impl Settings {
    /// What Linux uses where a flush is cheap.
    pub(crate) const PER_CPU: Self = Self {
        rings: Rings::PerCpu,
        slots: 256,
        timeout: 10,
        low_first: true,
    };

    /// What Linux uses where a flush is dear, because a hypervisor shadows the tables.
    pub(crate) const SHADOWED: Self = Self {
        rings: Rings::One,
        slots: 32768,
        timeout: 1000,
        low_first: true,
    };
}

/// The part of a default domain that hands out IOVAs. It goes with the domain, and with it what is
/// still queued, whose tables are the domain's own.
#[pin_data]
pub(crate) struct DmaDomain {
    #[pin]
    iova: IovaSpace,
    queue: SetOnce<FlushQueue>,
    /// What is unmapped goes to the queue.
    lazy: Atomic<bool>,
    settings: Settings,
    clock: Arc<dyn Clock>,
    /// When the queue expires; 0 while nothing was queued since it did.
    deadline: Atomic<u64>,
}

impl DmaDomain {
    /// Makes the part for a domain, strict. May sleep.
    ///
    /// # Errors
    ///
    /// EINVAL for a domain without page table, ENOMEM.
    pub(crate) fn new(
        domain: &Domain,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>> {
        let aperture = domain.paging().ok_or(EINVAL)?.aperture();
        // Nothing is at 0, so that drivers can tell an IOVA from none.
        let first = (aperture.first >> PAGE_SHIFT).max(1);
        let init = try_pin_init!(Self {
            iova <- IovaSpace::new(first, aperture.last >> PAGE_SHIFT),
            queue: SetOnce::new(),
            lazy: Atomic::new(false),
            settings,
            clock,
            deadline: Atomic::new(0),
        });
        Arc::pin_init(init, GFP_KERNEL)
    }

    /// Unmaps lazily from now on. Ranges that are being unmapped meanwhile are flushed as before.
    ///
    /// # Errors
    ///
    /// ENOMEM; stays strict.
    pub(crate) fn go_lazy(&self) -> Result {
        if self.queue.as_ref().is_none() {
            let Settings { rings, slots, .. } = self.settings;
            // Whoever comes second finds it done.
            let _ = self.queue.populate(FlushQueue::new(rings, slots)?);
        }
        self.lazy.store(true, Relaxed);
        Ok(())
    }

    /// Unmaps strictly from now on. What is queued is flushed; ranges that are being unmapped
    /// meanwhile may be queued yet, and wait no longer than they would have.
    pub(crate) fn go_strict(&self, domain: &Domain) {
        self.lazy.store(false, Relaxed);
        if let Some(queue) = self.queue.as_ref() {
            self.expire(domain, queue);
        }
    }

    /// The queue, if unmapping is lazy.
    pub(crate) fn queue(&self) -> Option<&FlushQueue> {
        self.queue.as_ref().filter(|_| self.lazy.load(Relaxed))
    }

    /// The IOVAs.
    pub(crate) fn iova(&self) -> &IovaSpace {
        &self.iova
    }

    /// Maps `size` bytes at `paddr` somewhere up to and including `last`, and returns where.
    ///
    /// Where no IOVA is free, those in caches and then, by a flush, those in the queue are made
    /// free before it fails.
    ///
    /// # Errors
    ///
    /// EINVAL for a size or address that is not of whole pages; ENOSPC where no IOVA is free;
    /// those of [`Domain::map`].
    pub(crate) fn map(
        &self,
        domain: &Domain,
        paddr: u64,
        size: u64,
        prot: Prot,
        last: u64,
    ) -> Result<u64> {
        if (paddr | size) & ((1 << PAGE_SHIFT) - 1) != 0 || size == 0 {
            return Err(EINVAL);
        }
        let pages = size >> PAGE_SHIFT;
        let page = self.alloc(domain, pages, last >> PAGE_SHIFT)?;
        let iova = page << PAGE_SHIFT;
        domain
            .map(iova, paddr, size, prot)
            .inspect_err(|_| self.iova.free(page, pages))?;
        Ok(iova)
    }

    fn alloc(&self, domain: &Domain, pages: u64, limit: u64) -> Result<u64> {
        let low = u64::from(u32::MAX) >> PAGE_SHIFT;
        if self.settings.low_first && limit > low {
            if let Ok(page) = self.iova.alloc(pages, low) {
                return Ok(page);
            }
        }
        let again = |error: Error| match error == ENOSPC {
            true => Ok(()),
            false => Err(error),
        };
        let mut failed = match self.iova.alloc(pages, limit) {
            Ok(page) => return Ok(page),
            Err(error) => error,
        };
        again(failed)?;
        self.iova.drain();
        failed = match self.iova.alloc(pages, limit) {
            Ok(page) => return Ok(page),
            Err(error) => error,
        };
        again(failed)?;
        let queue = self.queue.as_ref();
        if let Some(queue) = queue.filter(|queue| !queue.has(Defect::NoRollover)) {
            self.expire(domain, queue);
            self.iova.drain();
            return self.iova.alloc(pages, limit);
        }
        Err(failed)
    }

    /// Unmaps what [`Self::map`] mapped.
    pub(crate) fn unmap(&self, domain: &Domain, iova: u64, size: u64) {
        let Some(table) = domain.paging() else {
            return;
        };
        let mut gather = Gather::default();
        domain.unmap_fast(iova, size, &mut gather);
        let (page, pages) = (iova >> PAGE_SHIFT, size >> PAGE_SHIFT);
        let Some(queue) = self.queue() else {
            gather.sync(table);
            self.iova.free(page, pages);
            return;
        };
        let tables = gather.tables();
        let sink = Released { dma: self, table };
        queue.queue(
            Entry {
                page,
                pages,
                tables,
            },
            &sink,
        );
        if self.deadline.load(Relaxed) == 0 {
            let deadline = self.clock.now().saturating_add(self.settings.timeout);
            let _ = self.deadline.cmpxchg(0, deadline.max(1), Relaxed);
        }
    }

    /// Flushes what has waited long enough: what a timer calls.
    pub(crate) fn tick(&self, domain: &Domain) {
        let deadline = self.deadline.load(Relaxed);
        if deadline == 0 || self.clock.now() < deadline {
            return;
        }
        if let Some(queue) = self.queue.as_ref() {
            self.expire(domain, queue);
        }
        self.iova.trim();
    }

    /// Whether a timer has to call [`Self::tick`].
    pub(crate) fn is_armed(&self) -> bool {
        self.deadline.load(Relaxed) != 0
    }

    fn expire(&self, domain: &Domain, queue: &FlushQueue) {
        let Some(table) = domain.paging() else {
            return;
        };
        // First, so that a range that is queued meanwhile arms the timer anew.
        self.deadline.store(0, Relaxed);
        queue.expire(&Released { dma: self, table });
        if queue.has(Defect::TimerStoppedLate) {
            self.deadline.store(0, Relaxed);
        }
    }
}

/// Where ranges go when they leave the queue.
struct Released<'a> {
    dma: &'a DmaDomain,
    table: &'a dyn Paging,
}

impl Sink for Released<'_> {
    fn flush(&self) {
        self.table.sync(&Gather::everything());
    }

    fn release(&self, entries: &[Entry]) {
        for entry in entries.iter().filter(|entry| entry.tables != 0) {
            let mut flushed = Gather::default();
            flushed.set_tables(entry.tables);
            self.table.give_back(&flushed);
        }
        for entries in entries.chunks(FREED_AT_ONCE) {
            let ranges = entries.iter().map(|entry| (entry.page, entry.pages));
            self.dma.iova.free_all(ranges);
        }
    }
}
