// SPDX-License-Identifier: GPL-2.0

//! The flush queue by itself: nothing is released too early, nothing is lost.

use crate::{
    dma::{
        Entry,
        FlushQueue,
        Rings,
        Sink, //
    },
    kapi::{
        kunit::{
            check,
            check_eq,
            kunit_suite,
            Outcome,
            Param, //
        },
        new_mutex,
        Mutex, //
    },
};
use kernel::{
    fmt,
    prelude::*, //
};

kunit_suite! {
    iommu_mock_dma_queue:
    queue_without_slots_is_refused;
    queued_range_waits_for_a_flush: each Slots in SLOTS;
    full_ring_flushes_and_loses_nothing: each Slots in SLOTS;
    flush_that_started_earlier_does_not_count;
    expired_queue_is_empty: each Slots in SLOTS;
}

struct Slots(usize);

impl Param for Slots {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} slots", self.0)
    }
}

const SLOTS: [Slots; 5] = [Slots(1), Slots(2), Slots(4), Slots(256), Slots(32768)];

struct Books {
    /// Ranges that are unmapped and that hardware may still know.
    known: KVVec<u64>,
    released: KVVec<u64>,
    /// Ranges that were released while hardware might still know them.
    early: u32,
    flushes: u32,
}

/// Hardware that knows every range until it is flushed. While a flush runs, `meanwhile` is queued.
#[pin_data]
struct Hardware {
    #[pin]
    books: Mutex<Books>,
}

impl Hardware {
    fn new() -> Result<Pin<KBox<Self>>> {
        let books = Books {
            known: KVVec::new(),
            released: KVVec::new(),
            early: 0,
            flushes: 0,
        };
        let init = pin_init!(Self { books <- new_mutex!(books, "Hardware::books") });
        KBox::pin_init(init, GFP_KERNEL)
    }

    fn unmap(&self, queue: &FlushQueue, page: u64) -> Result {
        self.books.lock().known.push(page, GFP_KERNEL)?;
        queue.queue(entry(page), self);
        Ok(())
    }
}

impl Sink for Hardware {
    fn flush(&self) {
        let mut books = self.books.lock();
        books.known.clear();
        books.flushes += 1;
    }

    fn release(&self, entries: &[Entry]) {
        let mut books = self.books.lock();
        for entry in entries {
            books.early += u32::from(books.known.contains(&entry.page));
            let _ = books.released.push(entry.page, GFP_KERNEL);
        }
    }
}

fn entry(page: u64) -> Entry {
    Entry {
        page,
        pages: 1,
        tables: 0,
    }
}

fn queue_without_slots_is_refused() -> Outcome {
    check_eq!(FlushQueue::new(Rings::One, 0).err(), Some(EINVAL));
    Ok(())
}

fn queued_range_waits_for_a_flush(slots: &Slots) -> Outcome {
    let queue = FlushQueue::new(Rings::One, slots.0)?;
    let hardware = Hardware::new()?;
    for page in 0..slots.0 as u64 {
        hardware.unmap(&queue, page)?;
    }
    check_eq!(queue.len(), slots.0);
    check_eq!(queue.flushes(), 0);
    check_eq!(hardware.books.lock().released.len(), 0);
    Ok(())
}

fn full_ring_flushes_and_loses_nothing(slots: &Slots) -> Outcome {
    let queue = FlushQueue::new(Rings::One, slots.0)?;
    let hardware = Hardware::new()?;
    let count = 3 * slots.0 as u64 + 1;
    for page in 0..count {
        hardware.unmap(&queue, page)?;
        check!(queue.len() <= slots.0);
    }
    let waiting = queue.len();
    let books = hardware.books.lock();
    check_eq!(books.early, 0);
    // As many flushes as the ring was full, not one for each range.
    check_eq!(books.flushes, 3);
    check_eq!(waiting + books.released.len(), count as usize);
    for (at, page) in books.released.iter().enumerate() {
        check_eq!(*page, at as u64);
    }
    Ok(())
}

/// Hardware where another CPU unmaps something while a flush is on its way.
struct Late<'a> {
    hardware: &'a Hardware,
    queue: &'a FlushQueue,
}

impl Sink for Late<'_> {
    fn flush(&self) {
        self.hardware.flush();
        // The flush has passed this one's line, but has not returned yet.
        let _ = self.hardware.unmap(self.queue, 77);
    }

    fn release(&self, entries: &[Entry]) {
        self.hardware.release(entries);
    }
}

fn flush_that_started_earlier_does_not_count() -> Outcome {
    let queue = FlushQueue::new(Rings::One, 4)?;
    let hardware = Hardware::new()?;
    hardware.unmap(&queue, 1)?;
    let late = Late {
        hardware: &hardware,
        queue: &queue,
    };
    queue.expire(&late);
    check_eq!(&hardware.books.lock().released[..], &[1]);
    check_eq!(queue.len(), 1);
    queue.expire(&*hardware);
    let books = hardware.books.lock();
    check_eq!(&books.released[..], &[1, 77]);
    check_eq!(books.early, 0);
    Ok(())
}

fn expired_queue_is_empty(slots: &Slots) -> Outcome {
    let queue = FlushQueue::new(Rings::PerCpu, slots.0)?;
    let hardware = Hardware::new()?;
    hardware.unmap(&queue, 1)?;
    queue.expire(&*hardware);
    check_eq!(queue.len(), 0);
    check_eq!(queue.flushes(), 1);
    check_eq!(hardware.books.lock().early, 0);
    Ok(())
}
