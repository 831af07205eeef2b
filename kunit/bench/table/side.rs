// SPDX-License-Identifier: GPL-2.0

//! Ours and the kernel's, each behind what its callers call.

use super::super::measure::time;
use crate::{
    iommu::{
        next_run,
        Gather,
        Prot,
        Run, //
    },
    kapi::{
        generic_pt,
        io_pgtable::IoPgtable,
        walk::{
            Op,
            Walk, //
        },
    },
    pgtable::{
        Fixed,
        Format,
        PageTable, //
    },
};
use core::hint::black_box;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// One of two page tables.
pub(super) trait Side: Send + Sync {
    /// Nanoseconds of an operation on all ranges of a walk.
    fn time(&self, op: Op, walk: &Walk) -> Result<u64>;
}

impl Side for generic_pt::GenericPt {
    fn time(&self, op: Op, walk: &Walk) -> Result<u64> {
        generic_pt::GenericPt::time(self, op, walk).ok_or(EIO)
    }
}

impl Side for IoPgtable {
    fn time(&self, op: Op, walk: &Walk) -> Result<u64> {
        IoPgtable::time(self, op, walk).ok_or(EIO)
    }
}

/// A page table behind a table of functions, as drivers have it and as the kernel's is.
trait Words: Send + Sync {
    fn page_sizes(&self) -> u64;
    fn map(&self, iova: u64, oa: u64, page: u64, count: u64) -> u64;
    fn unmap(&self, iova: u64, len: u64, gather: &mut Gather) -> u64;
    fn give_back(&self, gather: &Gather);
    fn look(&self, iova: u64) -> Option<u64>;
}

impl<F: Format> Words for PageTable<F> {
    fn page_sizes(&self) -> u64 {
        PageTable::page_sizes(self)
    }

    fn map(&self, iova: u64, oa: u64, page: u64, count: u64) -> u64 {
        PageTable::map(self, &Fixed, iova, oa, page, count, Prot::RW).0
    }

    fn unmap(&self, iova: u64, len: u64, gather: &mut Gather) -> u64 {
        PageTable::unmap(self, iova, len, gather)
    }

    fn give_back(&self, gather: &Gather) {
        PageTable::give_back(self, gather);
    }

    fn look(&self, iova: u64) -> Option<u64> {
        self.iova_to_phys(iova)
    }
}

pub(super) struct Ours(Arc<dyn Words>);

impl Ours {
    pub(super) fn side<F: Format>(levels: u32) -> Result<Arc<dyn Side>> {
        let table = Arc::pin_init(PageTable::<F>::new(levels), GFP_KERNEL)?;
        let side: Arc<dyn Side> = Arc::new(Self(table), GFP_KERNEL)?;
        Ok(side)
    }
}

/// Does what the core does between its callers and a page table, too.
fn map(table: &dyn Words, iova: u64, oa: u64, len: u64) -> bool {
    let sizes = table.page_sizes();
    let mut done = 0;
    while done < len {
        let (at, to) = (iova.wrapping_add(done), oa.wrapping_add(done));
        let Some(Run { page, count }) = next_run(sizes, at, to, len.wrapping_sub(done)) else {
            return false;
        };
        let mapped = table.map(at, to, page, count);
        if mapped == 0 {
            return false;
        }
        done = done.wrapping_add(mapped);
    }
    true
}

/// Nanoseconds of `body` on each range of a walk.
#[inline]
fn time_each(walk: &Walk, body: impl Fn(u64, u64) -> bool) -> Result<u64> {
    let Walk {
        mut iova, mut pa, ..
    } = *walk;
    time(|| {
        let mut good = true;
        for _ in 0..walk.times {
            good &= body(iova, pa);
            iova = iova.wrapping_add(walk.stride);
            pa = pa.wrapping_add(walk.stride);
        }
        match good {
            true => Ok(()),
            false => Err(EIO),
        }
    })
}

impl Side for Ours {
    fn time(&self, op: Op, walk: &Walk) -> Result<u64> {
        let table = black_box(&*self.0);
        let len = walk.len;
        match op {
            Op::Map => time_each(walk, |iova, pa| map(table, iova, pa, len)),
            Op::Unmap => time_each(walk, |iova, _| {
                let mut gather = Gather::default();
                let done = table.unmap(iova, len, &mut gather);
                table.give_back(&gather);
                done == len
            }),
            Op::Look => time_each(walk, |iova, pa| table.look(iova) == Some(pa)),
        }
    }
}
