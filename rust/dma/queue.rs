// SPDX-License-Identifier: GPL-2.0

//! What was unmapped and waits for a flush.

use super::defect::{
    Defect,
    Seeded, //
};
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

    /// The ranges can be used again.
    fn release(&self, entries: &[Entry]);
}

/// How many rings there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rings {
    /// One for each CPU: where a flush is cheap.
    PerCpu,
    /// One: where a flush is so dear that one should cover as much as can be.
    One,
}

/// A ring with a number of slots that was fixed when it was made.
struct Ring {
    entries: KVVec<Entry>,
    /// For each the latest flush that had started when it was queued. Never less than that of an
    /// older one.
    started: KVVec<u64>,
    /// Index of the oldest.
    first: usize,
    count: usize,
    /// Flushes that had finished when what they covered was released last.
    reaped: u64,
}

impl Ring {
    /// # Errors
    ///
    /// ENOMEM.
    fn new(slots: usize) -> Result<Self> {
        let none = Entry {
            page: 0,
            pages: 0,
            tables: 0,
        };
        Ok(Self {
            entries: KVVec::from_elem(none, slots, GFP_KERNEL)?,
            started: KVVec::from_elem(0, slots, GFP_KERNEL)?,
            first: 0,
            count: 0,
            reaped: 0,
        })
    }

    fn push(&mut self, entry: Entry, started: u64) {
        if self.is_full() {
            return;
        }
        let mut at = self.first.saturating_add(self.count);
        if at >= self.entries.len() {
            at -= self.entries.len();
        }
        if let (Some(slot), Some(number)) = (self.entries.get_mut(at), self.started.get_mut(at)) {
            *slot = entry;
            *number = started;
            self.count += 1;
        }
    }

    /// The oldest ones that lie side by side, if a flush that started after they were queued has
    /// finished.
    fn covered(&self, covered: u64) -> &[Entry] {
        let rest = self.entries.len().saturating_sub(self.first);
        let side_by_side = self.first..self.first.saturating_add(self.count.min(rest));
        let numbers = self.started.get(side_by_side.clone()).unwrap_or(&[]);
        let entries = self.entries.get(side_by_side).unwrap_or(&[]);
        let count = numbers.partition_point(|started| *started < covered);
        entries.get(..count).unwrap_or(&[])
    }

    /// Forgets the oldest ones, which lie side by side.
    fn forget(&mut self, count: usize) {
        self.count = self.count.saturating_sub(count);
        self.first = self.first.saturating_add(count);
        if self.first >= self.entries.len() {
            self.first = 0;
        }
    }

    fn is_full(&self) -> bool {
        self.count == self.entries.len()
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
    /// Flushes that were started, which numbers them from 1.
    started: Atomic<u64>,
    /// The latest of those that have finished: what was queued before it started is flushed,
    /// whether or not earlier ones are still on their way.
    covered: Atomic<u64>,
    seeded: Seeded,
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
            let ring = Ring::new(slots)?;
            let locked = pin_init!(Locked { ring <- new_mutex!(ring, "FlushQueue::ring") });
            rings.push(KBox::pin_init(locked, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(Self {
            rings,
            started: Atomic::new(0),
            covered: Atomic::new(0),
            seeded: Seeded::for_new(),
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
        if ring.is_full() && !self.seeded.has(Defect::FullRingLoses) {
            self.flush(sink);
            self.reap(&mut ring, sink);
        }
        // A flush counts only if it starts after the entries were cleared.
        let mut started = self.started.fetch_add(0, Full);
        if self.seeded.has(Defect::FinishedNoted) {
            started = self.covered.load(Acquire);
        }
        ring.push(entry, started);
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

    /// Flushes so far, started at least.
    pub(crate) fn flushes(&self) -> u64 {
        self.started.load(Acquire)
    }

    /// Whether the queue has a defect of the test's.
    pub(super) fn has(&self, defect: Defect) -> bool {
        self.seeded.has(defect)
    }

    fn flush(&self, sink: &dyn Sink) {
        let late = self.seeded.has(Defect::StartedLate);
        let mut number = 0;
        if !late {
            number = self.started.fetch_add(1, Full) + 1;
        }
        if self.seeded.has(Defect::ReleasedFirst) {
            self.cover(number);
        }
        sink.flush();
        if late {
            number = self.started.fetch_add(1, Full) + 1;
        }
        self.cover(number);
    }

    /// Flush `number` has finished.
    fn cover(&self, number: u64) {
        if self.seeded.has(Defect::FinishedCounted) {
            self.covered.fetch_add(1, Release);
            return;
        }
        let mut seen = self.covered.load(Relaxed);
        while seen < number {
            match self.covered.cmpxchg(seen, number, Release) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// Releases what a flush has covered: one that started later than those its slot knows of.
    fn reap(&self, ring: &mut Ring, sink: &dyn Sink) {
        // Most often there was none since, and no barrier is needed to see that.
        if self.covered.load(Relaxed) == ring.reaped {
            return;
        }
        let covered = self.covered.load(Acquire);
        ring.reaped = covered;
        loop {
            let entries = ring.covered(covered);
            let count = entries.len();
            if count == 0 {
                return;
            }
            sink.release(entries);
            ring.forget(count);
        }
    }
}
