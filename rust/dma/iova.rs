// SPDX-License-Identifier: GPL-2.0

//! Which IOVAs are free.
//!
//! Allocates from the top down, aligned to the size rounded up to a power of two, as
//! [`drivers/iommu/iova.c`](srctree/drivers/iommu/iova.c) does. What is in use is in a tree; small
//! ranges go through caches of each CPU before they come back to it.

use super::cache::{
    order,
    Caches,
    ORDERS, //
};
use kernel::{
    new_spinlock,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode,
        RBTreeNodeReservation, //
    },
    sync::SpinLock, //
};

/// First page above what 32 address bits reach.
const PAGES_32: u64 = 1 << 20;

/// Nodes of the tree that are kept for what is handed out next.
const SPARES: usize = 32;

/// The IOVAs of a domain, in pages of 4 KiB. Any context; takes spinlocks.
#[pin_data]
pub(crate) struct IovaSpace {
    #[pin]
    tree: SpinLock<Tree>,
    #[pin]
    caches: Caches,
    first: u64,
    last: u64,
}

struct Tree {
    /// First page to last page, both inclusive.
    used: RBTree<u64, u64>,
    /// Where searches that reach no further than 32 bits start, and where others do.
    hints: [Gap; 2],
    /// Since the last free within 32 bits, a search for so many pages up to this limit failed, so
    /// that one for more, or up to less, need not be tried.
    hopeless: Option<(u64, u64)>,
    spares: KVec<Spare>,
}

type Spare = RBTreeNodeReservation<u64, u64>;

/// The pages `first..below` are free. A search starts there and goes on further down.
#[derive(Clone, Copy)]
struct Gap {
    first: u64,
    below: u64,
}

impl IovaSpace {
    /// Makes one of the pages from `first` up to and including `last`. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(first: u64, last: u64) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let tree = Tree {
                used: RBTree::new(),
                hints: [PAGES_32, u64::MAX].map(|below| Gap { first, below }),
                hopeless: None,
                spares: KVec::with_capacity(SPARES, GFP_KERNEL)?,
            };
            Ok(try_pin_init!(Self {
                tree <- new_spinlock!(tree, "IovaSpace::tree"),
                caches <- Caches::new(),
                first,
                last,
            }))
        })
    }

    /// Hands out `pages` pages none of which is above page `limit`, and returns the first.
    ///
    /// # Errors
    ///
    /// EINVAL for 0 pages or more than 2^51, ENOSPC where there is no room, ENOMEM.
    pub(crate) fn alloc(&self, pages: u64, limit: u64) -> Result<u64> {
        if pages == 0 || pages > 1 << 51 {
            return Err(EINVAL);
        }
        let limit = limit.min(self.last);
        let order = order(pages);
        if order >= ORDERS {
            return self.alloc_from_tree(pages, limit);
        }
        let pages = 1 << order;
        let start = limit.checked_sub(pages - 1).ok_or(ENOSPC)?;
        match self.caches.take(order, start) {
            Some(page) => Ok(page),
            None => self.alloc_from_tree(pages, limit),
        }
    }

    /// Takes back what [`Self::alloc`] handed out.
    pub(crate) fn free(&self, page: u64, pages: u64) {
        match order(pages) < ORDERS {
            true => self.free_all(core::iter::once((page, pages))),
            false => self.free_to_tree(page),
        }
    }

    /// Does so with several ranges at once, each with its first page and how many it has.
    pub(crate) fn free_all(&self, ranges: impl Iterator<Item = (u64, u64)>) {
        let ranges = ranges.map(|(page, pages)| (page, order(pages)));
        self.caches.put(ranges, &mut |page| self.free_to_tree(page));
    }

    /// Takes everything out of the caches, so that a search finds all that is free.
    pub(crate) fn drain(&self) {
        self.caches.drain(&mut |page| self.free_to_tree(page));
    }

    /// Takes a bit out of the caches, if there is much that is not used.
    pub(crate) fn trim(&self) {
        self.caches.trim(&mut |page| self.free_to_tree(page));
    }

    /// Ranges that are handed out or in caches.
    pub(crate) fn used(&self) -> usize {
        self.tree.lock().used.iter().count()
    }

    fn alloc_from_tree(&self, pages: u64, limit: u64) -> Result<u64> {
        let mut tree = self.tree.lock();
        let spare = match tree.spares.pop() {
            Some(spare) => spare,
            None => {
                drop(tree);
                let fresh = Spare::new(GFP_KERNEL)?;
                tree = self.tree.lock();
                fresh
            }
        };
        let Some(gap) = tree.find(pages, self.first, limit) else {
            drop(tree);
            return Err(ENOSPC);
        };
        tree.take(gap, pages, limit, spare);
        Ok(gap.below)
    }

    fn free_to_tree(&self, page: u64) {
        // What is not kept is freed behind the lock.
        let _node = {
            let mut tree = self.tree.lock();
            let Some(node) = tree.remove(page, self.first) else {
                return;
            };
            tree.spares.push_within_capacity(node.into_reservation())
        };
    }
}

impl Tree {
    fn hint(&mut self, limit: u64) -> &mut Gap {
        let [low, high] = &mut self.hints;
        match limit < PAGES_32 {
            true => low,
            false => high,
        }
    }

    /// The highest free aligned range of `pages` pages within `first..=limit` begins where the gap
    /// that is returned ends.
    fn find(&mut self, pages: u64, first: u64, limit: u64) -> Option<Gap> {
        let small = limit < PAGES_32;
        if self.hopeless.is_some_and(|(p, l)| pages >= p && limit <= l) {
            return None;
        }
        let hint = *self.hint(limit);
        let top = limit.min(hint.below.saturating_sub(1));
        if let Some(start) = aligned(pages, top).filter(|start| *start >= hint.first) {
            let first = hint.first;
            return Some(Gap {
                first,
                below: start,
            });
        }
        let mut found = self.find_below(pages, first, top);
        if found.is_none() && top != limit {
            found = self.find_below(pages, first, limit);
        }
        if found.is_none() && small {
            self.hopeless = Some((pages, limit));
        }
        found
    }

    fn find_below(&mut self, pages: u64, first: u64, top: u64) -> Option<Gap> {
        let mut top = top;
        // The first range that starts above `top` or is the last one.
        let above = top.checked_add(1);
        let mut cursor = match above.and_then(|page| self.used.cursor_lower_bound_mut(&page)) {
            Some(cursor) => cursor.move_prev(),
            None => self.used.cursor_back_mut(),
        };
        loop {
            let below = aligned(pages, top).filter(|start| *start >= first)?;
            let Some(used) = cursor else {
                return Some(Gap { first, below });
            };
            let (&used_first, &used_last) = used.current();
            if below > used_last {
                let first = used_last.saturating_add(1).max(first);
                return Some(Gap { first, below });
            }
            top = top.min(used_first.checked_sub(1)?);
            cursor = used.move_prev();
        }
    }

    /// Notes as used what was found: `pages` pages from where a gap ends.
    fn take(&mut self, gap: Gap, pages: u64, limit: u64, spare: Spare) {
        let page = gap.below;
        let last = page.saturating_add(pages - 1);
        self.used.insert(spare.into_node(page, last));
        for hint in &mut self.hints {
            if page < hint.below {
                hint.first = hint.first.max(last.saturating_add(1));
            }
        }
        *self.hint(limit) = gap;
    }

    /// Takes out what begins at a page.
    fn remove(&mut self, page: u64, first: u64) -> Option<RBTreeNode<u64, u64>> {
        let [low, high] = &mut self.hints;
        let is_above = [page < PAGES_32 && page >= low.below, page >= high.below];
        let node = match is_above {
            [false, false] => self.used.remove_node(&page)?,
            _ => {
                // The next search starts in this gap, and only where that fails from the top, or
                // it would pass all that is in use there.
                let freed = self.used.cursor_lower_bound_mut(&page)?;
                if *freed.current().0 != page {
                    return None;
                }
                let first = freed
                    .peek_prev()
                    .map_or(first, |(_, last)| last.saturating_add(1));
                let below = freed.peek_next().map_or(u64::MAX, |(next, _)| *next);
                for (hint, is_above) in [low, high].into_iter().zip(is_above) {
                    if is_above {
                        *hint = Gap { first, below };
                    }
                }
                freed.remove_current().1
            }
        };
        if page < PAGES_32 {
            self.hopeless = None;
        }
        Some(node)
    }
}

/// The highest start of `pages` pages that end at `top` at most, aligned to their number rounded up
/// to a power of two.
fn aligned(pages: u64, top: u64) -> Option<u64> {
    let align = pages.next_power_of_two().wrapping_neg();
    top.checked_sub(pages - 1).map(|start| start & align)
}
