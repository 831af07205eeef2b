// SPDX-License-Identifier: GPL-2.0

//! What was unmapped and must be flushed from the hardware's caches.

use super::Paging;

/// One range of unmapped IOVAs, to be flushed in one go.
///
/// Follows `struct iommu_iotlb_gather` of [`include/linux/iommu.h`](srctree/include/linux/iommu.h).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Gather {
    /// First and last address, or nothing yet.
    range: Option<(u64, u64)>,
    /// Page size of all of it in bytes, or 0.
    page: u64,
    /// Tables that were cut off and may be used again after the flush: the address of the first, to
    /// which the page table has chained the others, or 0.
    tables: u64,
    /// Tables that are not chained here were cut off, too.
    others: bool,
}

impl Gather {
    /// Everything there is, and any tables: for those whose IOVAs and tables wait elsewhere.
    pub(crate) fn everything() -> Self {
        Self {
            others: true,
            ..Self::over(0, u64::MAX, 0)
        }
    }

    /// The range from `first` to `last`, both inclusive, of pages of `page` bytes; 0 for any.
    pub(crate) fn over(first: u64, last: u64, page: u64) -> Self {
        let range = Some((first, last));
        Self {
            range,
            page,
            ..Self::default()
        }
    }

    /// Page size of all of it in bytes, or 0.
    pub(crate) fn page(&self) -> u64 {
        self.page
    }

    /// First and last unmapped address; both inclusive.
    pub(crate) fn range(&self) -> Option<(u64, u64)> {
        self.range
    }

    /// Adds `size` bytes from `start`, whatever lies between them and the range so far.
    pub(crate) fn add_range(&mut self, start: u64, size: u64) {
        let Some(more) = size.checked_sub(1) else {
            return;
        };
        let last = start.saturating_add(more);
        self.range = Some(match self.range {
            Some((first, end)) => (first.min(start), end.max(last)),
            None => (start, last),
        });
    }

    /// Adds `size` bytes of pages of `page` bytes, and flushes what was there before if the page
    /// size differs or the ranges do not touch.
    pub(crate) fn add_pages(&mut self, table: &dyn Paging, start: u64, size: u64, page: u64) {
        if self.range.is_some() && (self.page != page || !self.touches(start, size)) {
            self.sync(table);
        }
        self.page = page;
        self.add_range(start, size);
    }

    /// Whether tables were cut off, so that a flush must include caches of tables.
    pub(crate) fn cuts_tables(&self) -> bool {
        self.tables != 0 || self.others
    }

    /// The first of the tables that were cut off and are chained here, or 0.
    pub(crate) fn tables(&self) -> u64 {
        self.tables
    }

    /// Notes that a table was cut off and chained to [`Self::tables`].
    pub(crate) fn set_tables(&mut self, first: u64) {
        self.tables = first;
    }

    /// Flushes and starts anew.
    pub(crate) fn sync(&mut self, table: &dyn Paging) {
        if self.range.is_some() || self.tables != 0 {
            table.sync(self);
        }
        *self = Self::default();
    }

    fn touches(&self, start: u64, size: u64) -> bool {
        let end = start.saturating_add(size);
        self.range.is_some_and(|(first, last)| {
            start <= last.saturating_add(1) && end >= first //
        })
    }
}
