// SPDX-License-Identifier: GPL-2.0

//! Caches of IOVA ranges that were freed and will soon be wanted again.
//!
//! For each CPU and each power of two of pages two stacks, and a depot of full ones behind them, as
//! in the magazine allocator (Bonwick and Adams, "Magazines and Vmem", 2001), which
//! [`drivers/iommu/iova.c`](srctree/drivers/iommu/iova.c) has too. As there, the depot takes as
//! many as come: a large ring of a flush queue gives all its ranges back at once, and they will all
//! be wanted again before it is full once more. What is not wanted goes back bit by bit.

use kernel::{
    cpu::{
        nr_cpu_ids,
        CpuId, //
    },
    new_spinlock,
    prelude::*,
    sync::SpinLock, //
};

/// Orders that are cached: 1, 2, 4, ... pages.
pub(super) const ORDERS: usize = 6;

/// The smallest order of what holds so many pages; not 0.
#[inline]
pub(super) fn order(pages: u64) -> usize {
    (pages.wrapping_sub(1).checked_ilog2()).map_or(0, |most| most as usize + 1)
}

/// Ranges in a stack.
const STACK: usize = 127;

struct Stack {
    pages: [u64; STACK],
    count: usize,
    /// The one below, in a depot.
    below: Option<KBox<Stack>>,
}

impl Stack {
    /// # Errors
    ///
    /// ENOMEM.
    fn new(flags: kernel::alloc::Flags) -> Result<KBox<Self>> {
        let stack = Self {
            pages: [0; STACK],
            count: 0,
            below: None,
        };
        Ok(KBox::new(stack, flags)?)
    }

    fn push(&mut self, page: u64) -> bool {
        match self.pages.get_mut(self.count) {
            Some(slot) => {
                *slot = page;
                self.count += 1;
                true
            }
            None => false,
        }
    }

    /// The latest range that is not above `limit`.
    #[inline]
    fn pop(&mut self, limit: u64) -> Option<u64> {
        let used = self.pages.get_mut(..self.count)?;
        let at = used.iter().rposition(|page| *page <= limit)?;
        let (last, others) = used.split_last_mut()?;
        self.count = others.len();
        Some(match others.get_mut(at) {
            Some(slot) => core::mem::replace(slot, *last),
            None => *last,
        })
    }
}

struct Pair {
    loaded: KBox<Stack>,
    previous: KBox<Stack>,
}

/// The stacks of one CPU, by order.
#[pin_data]
struct Local {
    #[pin]
    pairs: SpinLock<KVec<Pair>>,
}

/// Full stacks of one order.
#[pin_data]
struct Depot {
    #[pin]
    full: SpinLock<Pile>,
}

/// Stacks, one on top of the other.
#[derive(Default)]
struct Pile {
    top: Option<KBox<Stack>>,
    count: usize,
}

impl Pile {
    fn push(&mut self, mut stack: KBox<Stack>) {
        stack.below = self.top.take();
        self.top = Some(stack);
        self.count += 1;
    }

    fn pop(&mut self) -> Option<KBox<Stack>> {
        let mut stack = self.top.take()?;
        self.top = stack.below.take();
        self.count -= 1;
        Some(stack)
    }
}

impl Drop for Pile {
    fn drop(&mut self) {
        // One by one: each would drop the one below from within its own drop.
        while self.pop().is_some() {}
    }
}

/// See the module.
#[pin_data]
pub(super) struct Caches {
    locals: KVec<Pin<KBox<Local>>>,
    depots: KVec<Pin<KBox<Depot>>>,
}

impl Caches {
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new() -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(|| {
            let mut locals = KVec::new();
            for _ in 0..nr_cpu_ids() {
                let mut pairs = KVec::with_capacity(ORDERS, GFP_KERNEL)?;
                for _ in 0..ORDERS {
                    let pair = Pair {
                        loaded: Stack::new(GFP_KERNEL)?,
                        previous: Stack::new(GFP_KERNEL)?,
                    };
                    pairs.push(pair, GFP_KERNEL)?;
                }
                let local = pin_init!(Local { pairs <- new_spinlock!(pairs, "Caches::pairs") });
                locals.push(KBox::pin_init(local, GFP_KERNEL)?, GFP_KERNEL)?;
            }
            let mut depots = KVec::new();
            for _ in 0..ORDERS {
                let full = new_spinlock!(Pile::default(), "Caches::full");
                let depot = pin_init!(Depot { full <- full });
                depots.push(KBox::pin_init(depot, GFP_KERNEL)?, GFP_KERNEL)?;
            }
            Ok(try_pin_init!(Self { locals, depots }))
        })
    }

    fn local(&self) -> Option<&Local> {
        let cpu = CpuId::current().as_u32() as usize;
        self.locals.get(cpu).map(|local| &**local)
    }

    /// Takes a range of an order that starts at page `limit` at most.
    #[inline]
    pub(super) fn take(&self, order: usize, limit: u64) -> Option<u64> {
        let mut pairs = self.local()?.pairs.lock();
        let pair = pairs.get_mut(order)?;
        if let Some(page) = pair.loaded.pop(limit) {
            return Some(page);
        }
        if pair.previous.count != 0 {
            core::mem::swap(&mut pair.loaded, &mut pair.previous);
            return pair.loaded.pop(limit);
        }
        if pair.loaded.count == 0 {
            let mut full = self.depots.get(order)?.full.lock();
            pair.loaded = full.pop()?;
            drop(full);
            return pair.loaded.pop(limit);
        }
        None
    }

    /// Keeps ranges, each with its first page and its order, or gives the pages to `release` of
    /// what is of no cached order or has no room.
    #[inline]
    pub(super) fn put(
        &self,
        ranges: impl Iterator<Item = (u64, usize)>,
        release: &mut dyn FnMut(u64),
    ) {
        let Some(local) = self.local() else {
            return ranges.for_each(|(page, _)| release(page));
        };
        let mut pairs = local.pairs.lock();
        for (page, order) in ranges {
            let kept = pairs.get_mut(order).is_some_and(|pair| {
                pair.loaded.push(page) || self.put_elsewhere(pair, page, order)
            });
            if !kept {
                drop(pairs);
                release(page);
                pairs = local.pairs.lock();
            }
        }
    }

    /// Keeps a range that the loaded stack has no room for.
    #[cold]
    fn put_elsewhere(&self, pair: &mut Pair, page: u64, order: usize) -> bool {
        core::mem::swap(&mut pair.loaded, &mut pair.previous);
        if pair.loaded.push(page) {
            return true;
        }
        // Both are full: one goes to the depot.
        let (Some(depot), Ok(mut fresh)) = (self.depots.get(order), Stack::new(GFP_ATOMIC)) else {
            return false;
        };
        fresh.push(page);
        let full = core::mem::replace(&mut pair.loaded, fresh);
        depot.full.lock().push(full);
        true
    }

    /// Gives one full stack of each order to `release` where there are more than CPUs. What calls
    /// this every now and then gives back what is not used.
    pub(super) fn trim(&self, release: &mut dyn FnMut(u64)) {
        for depot in &self.depots {
            let taken = {
                let mut full = depot.full.lock();
                match full.count > self.locals.len() {
                    true => full.pop(),
                    false => None,
                }
            };
            if let Some(stack) = taken {
                stack.release(release);
            }
        }
    }

    /// Gives everything to `release`.
    pub(super) fn drain(&self, release: &mut dyn FnMut(u64)) {
        for local in &self.locals {
            for order in 0..ORDERS {
                for _ in 0..2 {
                    let Ok(empty) = Stack::new(GFP_KERNEL) else {
                        return;
                    };
                    let taken = {
                        let mut pairs = local.pairs.lock();
                        let Some(pair) = pairs.get_mut(order) else {
                            continue;
                        };
                        core::mem::swap(&mut pair.loaded, &mut pair.previous);
                        core::mem::replace(&mut pair.loaded, empty)
                    };
                    taken.release(release);
                }
            }
        }
        for depot in &self.depots {
            loop {
                let taken = depot.full.lock().pop();
                match taken {
                    Some(stack) => stack.release(release),
                    None => break,
                }
            }
        }
    }
}

impl Stack {
    fn release(&self, release: &mut dyn FnMut(u64)) {
        for page in self.pages.iter().take(self.count) {
            release(*page);
        }
    }
}
