// SPDX-License-Identifier: GPL-2.0

//! What was unmapped and waits for a flush.

use crate::kapi::{
    new_mutex,
    Mutex, //
};
use kernel::{
    cpu::{
        nr_cpu_ids,
        CpuId, //
    },
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Full,
        Relaxed,
        Release, //
    },
};

/// A range that was unmapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its first page.
    pub(crate) page: u64,
    /// How many.
    pub(crate) pages: u64,
    /// Tables that were cut off with it; see [`Gather::tables`](crate::iommu::Gather::tables).
    pub(crate) tables: u64,
}

/// Whose ranges are queued.
pub(crate) trait Sink {
    /// Makes hardware forget everything of the domain.
    fn flush(&self);

    /// The range can be used again.
    fn release(&self, entry: Entry);
}

/// How many rings there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rings {
    /// One for each CPU: where a flush is cheap.
    PerCpu,
    /// One: where a flush is so dear that one should cover as much as can be.
    One,
}

struct Slot {
    entry: Entry,
    /// Flushes that had started when it was queued.
    started: u64,
}

/// A ring with a number of slots that was fixed when it was made.
struct Ring {
    slots: KVVec<Option<Slot>>,
    /// Index of the oldest.
    first: usize,
    count: usize,
    /// Flushes that had finished when what they covered was released last.
    reaped: u64,
}

impl Ring {
    fn slot(&mut self, after: usize) -> Option<&mut Option<Slot>> {
        let size = self.slots.len();
        let mut at = self.first.saturating_add(after);
        if at >= size {
            at -= size;
        }
        self.slots.get_mut(at)
    }

    fn push(&mut self, slot: Slot) {
        let count = self.count;
        if let Some(free) = self.slot(count) {
            *free = Some(slot);
            self.count += 1;
        }
    }

    /// The oldest, if a flush that started after it was queued has finished.
    fn pop(&mut self, finished: u64) -> Option<Entry> {
        if self.count == 0 {
            return None;
        }
        let slot = self.slot(0)?;
        let entry = slot.take_if(|slot| slot.started < finished)?.entry;
        self.count -= 1;
        self.first += 1;
        if self.first == self.slots.len() {
            self.first = 0;
        }
        Some(entry)
    }

    fn is_full(&self) -> bool {
        self.count == self.slots.len()
    }
}

#[pin_data]
struct Locked {
    #[pin]
    ring: Mutex<Ring>,
}

/// See the module. Methods may sleep.
pub(crate) struct FlushQueue {
    rings: KVec<Pin<KBox<Locked>>>,
    /// Flushes that were started.
    started: Atomic<u64>,
    /// Flushes that have finished.
    finished: Atomic<u64>,
}

impl FlushQueue {
    /// Makes rings of `slots` slots, at least one.
    ///
    /// # Errors
    ///
    /// EINVAL for no slots, ENOMEM.
    pub(crate) fn new(rings: Rings, slots: usize) -> Result<Self> {
        if slots == 0 {
            return Err(EINVAL);
        }
        let count = match rings {
            Rings::PerCpu => nr_cpu_ids(),
            Rings::One => 1,
        };
        let mut rings = KVec::new();
        for _ in 0..count {
            let mut ring = Ring {
                slots: KVVec::with_capacity(slots, GFP_KERNEL)?,
                first: 0,
                count: 0,
                reaped: 0,
            };
            for _ in 0..slots {
                ring.slots.push(None, GFP_KERNEL)?;
            }
            let locked = pin_init!(Locked { ring <- new_mutex!(ring, "FlushQueue::ring") });
            rings.push(KBox::pin_init(locked, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(Self {
            rings,
            started: Atomic::new(0),
            finished: Atomic::new(0),
        })
    }

    /// Queues a range, whose page-table entries are cleared. Where the ring is full, flushes
    /// first, so that no range is lost.
    pub(crate) fn queue(&self, entry: Entry, sink: &dyn Sink) {
        let cpu = CpuId::current().as_u32() as usize;
        let locked = self.rings.get(cpu).or_else(|| self.rings.first());
        let Some(locked) = locked else {
            return;
        };
        let mut ring = locked.ring.lock();
        self.reap(&mut ring, sink);
        if ring.is_full() {
            self.flush(sink);
            self.reap(&mut ring, sink);
        }
        // A flush counts only if it starts after the entries were cleared.
        let started = self.started.fetch_add(0, Full);
        ring.push(Slot { entry, started });
    }

    /// Flushes, and releases all that was queued before: what the timer does, and a mapping that
    /// finds no IOVA.
    pub(crate) fn expire(&self, sink: &dyn Sink) {
        self.flush(sink);
        for locked in &self.rings {
            self.reap(&mut locked.ring.lock(), sink);
        }
    }

    /// Ranges that wait.
    pub(crate) fn len(&self) -> usize {
        let rings = self.rings.iter();
        rings.map(|locked| locked.ring.lock().count).sum()
    }

    /// Flushes so far.
    pub(crate) fn flushes(&self) -> u64 {
        self.finished.load(Acquire)
    }

    fn flush(&self, sink: &dyn Sink) {
        self.started.fetch_add(1, Full);
        sink.flush();
        self.finished.fetch_add(1, Release);
    }

    /// Releases what a flush has covered. As many flushes had started when a range was queued as
    /// its slot says; when more have finished, one of them started later.
    fn reap(&self, ring: &mut Ring, sink: &dyn Sink) {
        // Most often there was none since, and no barrier is needed to see that.
        if self.finished.load(Relaxed) == ring.reaped {
            return;
        }
        let finished = self.finished.load(Acquire);
        ring.reaped = finished;
        while let Some(entry) = ring.pop(finished) {
            sink.release(entry);
        }
    }
}
