// SPDX-License-Identifier: GPL-2.0

//! The domains of every family.

use super::super::{
    fault::{
        FaultPlan,
        Leave,
        Op, //
    },
    unit::{
        Space,
        Unit, //
    },
};
use crate::{
    iommu::{
        Aperture,
        DomainData,
        Gather,
        Kind,
        Paging,
        Progress,
        Prot, //
    },
    kapi::{
        new_mutex,
        Mutex, //
    },
};
use core::any::Any;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The domains that need no table.
pub(super) enum Static {
    Blocked,
    Identity,
}

impl DomainData for Static {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A paging domain.
pub(super) struct PagingDomain<U: Unit> {
    unit: Arc<U>,
    space: Arc<U::Space>,
    aperture: Pin<KBox<Mutex<Aperture>>>,
    faults: Arc<FaultPlan>,
}

impl<U: Unit> PagingDomain<U> {
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new(
        unit: Arc<U>,
        space: Arc<U::Space>,
        aperture: Aperture,
        faults: Arc<FaultPlan>,
    ) -> Result<Self> {
        let most = space.aperture();
        let aperture = Aperture {
            first: aperture.first.max(most.first),
            last: aperture.last.min(most.last),
        };
        Ok(Self {
            unit,
            space,
            aperture: KBox::pin_init(new_mutex!(aperture, "PagingDomain::aperture"), GFP_KERNEL)?,
            faults,
        })
    }

    pub(super) fn unit(&self) -> &Arc<U> {
        &self.unit
    }

    pub(super) fn space(&self) -> &Arc<U::Space> {
        &self.space
    }
}

impl<U: Unit> DomainData for PagingDomain<U> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn paging(&self) -> Option<&dyn Paging> {
        Some(self)
    }
}

impl<U: Unit> Paging for PagingDomain<U> {
    fn page_sizes(&self) -> u64 {
        self.space.page_sizes()
    }

    fn aperture(&self) -> Aperture {
        *self.aperture.lock()
    }

    fn widen(&self, to: Aperture) -> Result {
        let mut aperture = self.aperture.lock();
        if !to.contains(&aperture) || !self.space.aperture().contains(&to) {
            return Err(EINVAL);
        }
        *aperture = to;
        Ok(())
    }

    fn map(&self, iova: u64, paddr: u64, page: u64, count: u64, prot: Prot) -> Progress {
        if let Some(fault) = self.faults.hit(Op::Map, None, Some(Kind::Paging)) {
            // A lie reports success without progress, which the caller must not believe.
            return Progress {
                mapped: 0,
                result: match fault.leave {
                    Leave::Lie => Ok(()),
                    _ => Err(fault.error),
                },
            };
        }
        self.space.map(iova, paddr, page, count, prot)
    }

    fn unmap(&self, iova: u64, page: u64, count: u64, gather: &mut Gather) -> u64 {
        self.space.unmap(iova, page, count, gather)
    }

    fn iova_to_phys(&self, iova: u64) -> Option<u64> {
        self.space.iova_to_phys(iova)
    }

    fn sync(&self, gather: &Gather) {
        self.space.sync(gather);
    }

    fn give_back(&self, gather: &Gather) {
        self.space.give_back(gather);
    }

    fn sync_map(&self, iova: u64, size: u64) -> Result {
        match self.faults.hit(Op::SyncMap, None, Some(Kind::Paging)) {
            Some(fault) => Err(fault.error),
            None => self.space.sync_map(iova, size),
        }
    }
}
