// SPDX-License-Identifier: GPL-2.0

//! The IOVA allocator beside a model that knows every page.

use crate::{
    dma::IovaSpace,
    effort,
    kapi::{
        kunit::{
            check,
            check_eq,
            kunit_suite,
            Outcome, //
        },
        thread::{
            yield_now,
            Run,
            Thread, //
        },
    },
    random::Random,
    seed,
};
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

kunit_suite! {
    iommu_mock_dma_iova:
    iova_is_handed_out_from_the_top_down;
    iova_is_aligned_to_its_size;
    iova_stays_below_the_limit;
    iova_requests_that_make_no_sense_are_refused;
    iova_space_can_be_filled_and_emptied;
    iova_full_space_is_whole_again_after_a_drain;
    iova_agrees_with_a_model;
    iova_agrees_with_a_model_for_long: slow;
    iova_is_never_handed_out_twice_to_threads;
}

/// Pages that 32 bits reach.
const LOW: u64 = 1 << 20;

fn space(first: u64, last: u64) -> Result<Pin<KBox<IovaSpace>>> {
    KBox::pin_init(IovaSpace::new(first, last), GFP_KERNEL)
}

fn iova_is_handed_out_from_the_top_down() -> Outcome {
    let space = space(1, LOW * 4)?;
    let first = space.alloc(64, u64::MAX)?;
    check_eq!(first, LOW * 4 - 64);
    check!(space.alloc(64, u64::MAX)? < first);
    Ok(())
}

fn iova_is_aligned_to_its_size() -> Outcome {
    let space = space(1, LOW)?;
    for pages in [1, 2, 3, 5, 8, 31, 33, 100, 512, 700] {
        let page = space.alloc(pages, u64::MAX)?;
        let align = pages.next_power_of_two();
        check_eq!(page & (align - 1), 0);
        check!(page >= 1 && page + pages - 1 <= LOW, "{pages} at {page:#x}");
    }
    Ok(())
}

fn iova_stays_below_the_limit() -> Outcome {
    let space = space(1, LOW * 16)?;
    for limit in [127, 128, 1000, LOW - 1, LOW, LOW * 2] {
        for pages in [1, 4, 33] {
            let page = space.alloc(pages, limit)?;
            check!(
                page + pages - 1 <= limit,
                "{pages} at {page:#x}, limit {limit:#x}"
            );
            // Also out of a cache.
            space.free(page, pages);
            check_eq!(
                space
                    .alloc(pages, limit.min(page + pages - 2))
                    .is_ok_and(|p| p >= page),
                false
            );
        }
    }
    Ok(())
}

fn iova_requests_that_make_no_sense_are_refused() -> Outcome {
    let space = space(1, 1000)?;
    check_eq!(space.alloc(0, u64::MAX).err(), Some(EINVAL));
    check_eq!(space.alloc(u64::MAX, u64::MAX).err(), Some(EINVAL));
    check_eq!(space.alloc(1001, u64::MAX).err(), Some(ENOSPC));
    check_eq!(space.alloc(1, 0).err(), Some(ENOSPC));
    check_eq!(space.used(), 0);
    // What was never handed out is not freed, nor anything else with it.
    let page = space.alloc(64, u64::MAX)?;
    space.free(page + 64, 64);
    check_eq!(space.used(), 1);
    Ok(())
}

fn iova_space_can_be_filled_and_emptied() -> Outcome {
    let space = space(1, 256)?;
    for round in 0..3 {
        let mut count = 0;
        while space.alloc(1, u64::MAX).is_ok() {
            count += 1;
        }
        check_eq!(count, 256);
        check_eq!(space.alloc(1, u64::MAX).err(), Some(ENOSPC));
        for page in 1..=256 {
            space.free(page, 1);
        }
        // Nothing is lost in caches, whichever round.
        space.drain();
        check!(space.used() == 0, "round {round}");
    }
    Ok(())
}

fn iova_full_space_is_whole_again_after_a_drain() -> Outcome {
    let space = space(1, 127)?;
    let mut pages = KVec::new();
    for _ in 0..127 {
        pages.push(space.alloc(1, u64::MAX)?, GFP_KERNEL)?;
    }
    for page in &pages {
        space.free(*page, 1);
    }
    // All single pages are cached: no room for two until they are given up.
    check_eq!(space.alloc(64, u64::MAX).err(), Some(ENOSPC));
    space.drain();
    check_eq!(space.alloc(64, u64::MAX), Ok(64));
    Ok(())
}

fn iova_agrees_with_a_model() -> Outcome {
    agrees_with_a_model(20_000)
}

fn iova_agrees_with_a_model_for_long() -> Outcome {
    agrees_with_a_model(u64::from(effort()) * 2_000)
}

/// Does so in a space that 32 bits reach half of, where searches of both kinds meet.
fn agrees_with_a_model(steps: u64) -> Outcome {
    const FIRST: u64 = LOW - 2048;
    const LAST: u64 = LOW + 2047;
    let mut random = Random::new(seed());
    let space = space(FIRST, LAST)?;
    let mut taken = KVVec::from_elem(false, 4096, GFP_KERNEL)?;
    let mut live: KVVec<(u64, u64)> = KVVec::new();
    let (mut granted, mut refused) = (0u64, 0u64);
    for step in 0..steps {
        if random.chance(52) {
            let most = random.pick([2, 33, 200]);
            let pages = 1 + u64::from(random.below(most));
            let limit = random.pick([LAST, LOW - 1, LOW - 1, FIRST + 1023, u64::MAX]);
            let Ok(page) = space.alloc(pages, limit) else {
                refused += 1;
                // It may say so only where there is really no room, once caches are empty.
                space.drain();
                let align = pages.next_power_of_two();
                // Sizes that caches keep are rounded up.
                let pages = if pages <= 32 { align } else { pages };
                let starts = (FIRST.div_ceil(align)..)
                    .map(|n: u64| n * align)
                    .take_while(|s| s + pages - 1 <= limit.min(LAST));
                for start in starts {
                    let at = (start - FIRST) as usize;
                    let range = taken.get(at..at + pages as usize);
                    let free = range.is_some_and(|range| range.iter().all(|taken| !taken));
                    if free {
                        check!(
                            space.alloc(pages, limit).is_ok_and(|p| {
                                space.free(p, pages);
                                true
                            }),
                            "step {step}: no room for {pages}, though {start:#x} is free"
                        );
                        break;
                    }
                }
                continue;
            };
            granted += 1;
            check!(page >= FIRST && page + pages - 1 <= LAST.min(limit));
            let at = (page - FIRST) as usize;
            for slot in taken.iter_mut().skip(at).take(pages as usize) {
                check!(!*slot, "step {step}: {pages} at {page:#x} were in use");
                *slot = true;
            }
            live.push((page, pages), GFP_KERNEL)?;
        } else if !live.is_empty() {
            let at = random.below(live.len() as u32) as usize;
            let last = live.len() - 1;
            live.swap(at, last);
            let Some((page, pages)) = live.pop() else {
                continue;
            };
            let at = (page - FIRST) as usize;
            for slot in taken.iter_mut().skip(at).take(pages as usize) {
                *slot = false;
            }
            space.free(page, pages);
        }
    }
    let enough = steps / 200;
    check!(
        granted > enough && refused > enough,
        "{granted} granted, {refused} refused"
    );
    while let Some((page, pages)) = live.pop() {
        space.free(page, pages);
    }
    space.drain();
    check_eq!(space.used(), 0);
    Ok(())
}

/// Several threads that share a space, and say for each page who has it.
struct Sharers {
    space: Pin<KBox<IovaSpace>>,
    owners: KVVec<Atomic<u32>>,
    next: Atomic<u32>,
    clashes: Atomic<u32>,
    done: Atomic<u32>,
}

impl Run for Sharers {
    fn run(&self) {
        let me = self.next.fetch_add(1, Relaxed) + 1;
        let mut random = Random::new(seed().wrapping_add(u64::from(me)));
        let mut mine = [(0u64, 0u64); 16];
        for _ in 0..effort() * 100 {
            let Some(slot) = mine.get_mut(random.below(16) as usize) else {
                continue;
            };
            let (page, pages) = *slot;
            if pages != 0 {
                for owner in self.owners.iter().skip(page as usize).take(pages as usize) {
                    owner.store(0, Relaxed);
                }
                self.space.free(page, pages);
                *slot = (0, 0);
                continue;
            }
            let pages = u64::from(1 + random.below(40));
            let Ok(page) = self.space.alloc(pages, u64::MAX) else {
                continue;
            };
            for owner in self.owners.iter().skip(page as usize).take(pages as usize) {
                if owner.cmpxchg(0, me, Relaxed).is_err() {
                    self.clashes.fetch_add(1, Relaxed);
                }
                if random.chance(5) {
                    yield_now();
                }
            }
            *slot = (page, pages);
            self.done.fetch_add(1, Relaxed);
        }
    }
}

fn iova_is_never_handed_out_twice_to_threads() -> Outcome {
    const LAST: u64 = 2047;
    let mut owners = KVVec::new();
    for _ in 0..=LAST {
        owners.push(Atomic::new(0), GFP_KERNEL)?;
    }
    let sharers = Sharers {
        space: space(1, LAST)?,
        owners,
        next: Atomic::new(0),
        clashes: Atomic::new(0),
        done: Atomic::new(0),
    };
    let sharers = Arc::new(sharers, GFP_KERNEL)?;
    let threads = [
        Thread::spawn(sharers.clone())?,
        Thread::spawn(sharers.clone())?,
        Thread::spawn(sharers.clone())?,
    ];
    drop(threads);
    check!(sharers.done.load(Relaxed) > 100);
    check_eq!(sharers.clashes.load(Relaxed), 0);
    Ok(())
}
