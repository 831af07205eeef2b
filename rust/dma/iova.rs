// SPDX-License-Identifier: GPL-2.0

//! Which IOVAs are free.
//!
//! Allocates from the top down, aligned to the size rounded up to a power of two, as
//! [`drivers/iommu/iova.c`](srctree/drivers/iommu/iova.c) does. What is in use is in a tree; small
//! ranges go through caches of each CPU before they come back to it.

use super::cache::{
    Caches,
    CACHED_PAGES, //
};
use kernel::{
    new_spinlock,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode, //
    },
    sync::SpinLock, //
};

/// First page above what 32 address bits reach.
const PAGES_32: u64 = 1 << 20;

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
    /// Searches that reach no further than 32 bits, and others, start below these pages.
    hints: [u64; 2],
    /// Since the last free within 32 bits, a search for so many pages up to this limit failed, so
    /// that one for more, or up to less, need not be tried.
    hopeless: Option<(u64, u64)>,
}

impl IovaSpace {
    /// Makes one of the pages from `first` up to and including `last`. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(first: u64, last: u64) -> impl PinInit<Self, Error> {
        let tree = Tree {
            used: RBTree::new(),
            hints: [PAGES_32, u64::MAX],
            hopeless: None,
        };
        try_pin_init!(Self {
            tree <- new_spinlock!(tree, "IovaSpace::tree"),
            caches <- Caches::new(),
            first,
            last,
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
        if pages > CACHED_PAGES {
            return self.alloc_from_tree(pages, limit);
        }
        let pages = pages.next_power_of_two();
        if let Some(page) = self.caches.take(pages, limit) {
            return Ok(page);
        }
        self.alloc_from_tree(pages, limit)
    }

    /// Takes back what [`Self::alloc`] handed out.
    pub(crate) fn free(&self, page: u64, pages: u64) {
        if pages <= CACHED_PAGES {
            self.free_all([(page, pages)].into_iter());
        } else {
            self.free_to_tree(page);
        }
    }

    /// Does so with several ranges at once, each with its first page and how many it has.
    pub(crate) fn free_all(&self, ranges: impl Iterator<Item = (u64, u64)>) {
        let ranges = ranges.map(|(page, pages)| (page, pages.next_power_of_two()));
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
        let node = RBTreeNode::new(0, 0, GFP_KERNEL)?;
        let reservation = node.into_reservation();
        let mut tree = self.tree.lock();
        let page = tree.find(pages, self.first, limit).ok_or(ENOSPC)?;
        let last = page + (pages - 1);
        tree.used.insert(reservation.into_node(page, last));
        *tree.hint(limit) = page;
        Ok(page)
    }

    fn free_to_tree(&self, page: u64) {
        // The node is freed behind the lock.
        let _node = {
            let mut tree = self.tree.lock();
            let Some(node) = tree.used.remove_node(&page) else {
                return;
            };
            if page < PAGES_32 {
                tree.hopeless = None;
            }
            // What is free now may be above a hint: the next search starts in this gap, and only
            // where that fails from the top, or it would pass all that is in use there.
            let above = tree.used.cursor_lower_bound_mut(&page);
            let above = above.map_or(u64::MAX, |next| *next.current().0);
            let [low, high] = &mut tree.hints;
            for hint in [low, high] {
                if page >= *hint {
                    *hint = above;
                }
            }
            node
        };
    }
}

impl Tree {
    fn hint(&mut self, limit: u64) -> &mut u64 {
        let [low, high] = &mut self.hints;
        match limit < PAGES_32 {
            true => low,
            false => high,
        }
    }

    /// The highest free aligned range of `pages` pages within `first..=limit`.
    fn find(&mut self, pages: u64, first: u64, limit: u64) -> Option<u64> {
        let small = limit < PAGES_32;
        if self.hopeless.is_some_and(|(p, l)| pages >= p && limit <= l) {
            return None;
        }
        let hint = *self.hint(limit);
        let top = limit.min(hint.saturating_sub(1));
        let mut found = self.find_below(pages, first, top);
        if found.is_none() && top != limit {
            found = self.find_below(pages, first, limit);
        }
        if found.is_none() && small {
            self.hopeless = Some((pages, limit));
        }
        found
    }

    fn find_below(&mut self, pages: u64, first: u64, top: u64) -> Option<u64> {
        let align = !(pages.next_power_of_two() - 1);
        let mut top = top;
        // The first range that starts above `top` or is the last one.
        let above = top.checked_add(1);
        let mut cursor = match above.and_then(|page| self.used.cursor_lower_bound_mut(&page)) {
            Some(cursor) => cursor.move_prev(),
            None => self.used.cursor_back_mut(),
        };
        loop {
            let start = top.checked_sub(pages - 1)? & align;
            if start < first {
                return None;
            }
            let Some(below) = cursor else {
                return Some(start);
            };
            let (&below_first, &below_last) = below.current();
            if start > below_last {
                return Some(start);
            }
            top = top.min(below_first.checked_sub(1)?);
            cursor = below.move_prev();
        }
    }
}
