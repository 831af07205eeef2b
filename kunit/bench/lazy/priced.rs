// SPDX-License-Identifier: GPL-2.0

//! A domain whose flushes cost time and are counted.

use crate::{
    iommu::{
        Aperture,
        Domain,
        DomainData,
        DriverKey,
        Gather,
        Kind,
        Paging,
        Progress,
        Prot, //
    },
    pgtable::{
        Fixed,
        PageTable,
        VtdSecondStage, //
    },
    pgtable_tests::table,
};
use core::any::Any;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::{
        Instant,
        Monotonic, //
    },
};

/// See the module.
pub(super) struct Priced {
    words: Pin<KBox<PageTable<VtdSecondStage>>>,
    /// Nanoseconds of a flush.
    price: u64,
    flushes: Atomic<u64>,
}

impl Priced {
    /// Makes one whose flushes take `price` nanoseconds.
    pub(super) fn domain(price: u64) -> Result<Arc<Domain>> {
        let data = Self {
            words: table(4)?,
            price,
            flushes: Atomic::new(0),
        };
        Domain::new(Kind::Paging, DriverKey::of::<Self>(), data)
    }

    /// Flushes of such a domain so far.
    pub(super) fn flushes(domain: &Domain) -> u64 {
        let data = domain.data::<Self>();
        data.map_or(0, |data| data.flushes.load(Relaxed))
    }
}

impl DomainData for Priced {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn paging(&self) -> Option<&dyn Paging> {
        Some(self)
    }
}

impl Paging for Priced {
    fn page_sizes(&self) -> u64 {
        self.words.page_sizes()
    }

    fn aperture(&self) -> Aperture {
        self.words.aperture()
    }

    fn widen(&self, _to: Aperture) -> Result {
        Err(EINVAL)
    }

    fn map(&self, iova: u64, paddr: u64, page: u64, count: u64, prot: Prot) -> Progress {
        let (mapped, result) = self.words.map(&Fixed, iova, paddr, page, count, prot);
        Progress {
            mapped,
            result: result.map_err(Error::from),
        }
    }

    fn unmap(&self, iova: u64, page: u64, count: u64, gather: &mut Gather) -> u64 {
        self.words.unmap(iova, page.saturating_mul(count), gather)
    }

    fn iova_to_phys(&self, iova: u64) -> Option<u64> {
        self.words.iova_to_phys(iova)
    }

    fn sync(&self, gather: &Gather) {
        let start = Instant::<Monotonic>::now();
        self.flushes.fetch_add(1, Relaxed);
        while start.elapsed().as_nanos().unsigned_abs() < self.price {
            core::hint::spin_loop();
        }
        self.words.give_back(gather);
    }

    fn give_back(&self, gather: &Gather) {
        self.words.give_back(gather);
    }

    fn sync_map(&self, _iova: u64, _size: u64) -> Result {
        Ok(())
    }
}
