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
        errno,
        new_mutex,
        Mutex, //
    },
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

/// How many page tables a driver has kept referring to after the end of their domain.
pub(super) struct Kept(Atomic<u64>);

impl Kept {
    pub(super) fn new() -> Self {
        Self(Atomic::new(0))
    }

    pub(super) fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The last reference that a domain drops to its page table. Counts if there is yet another.
struct Last<S> {
    space: Option<Arc<S>>,
    kept: Arc<Kept>,
}

impl<S> Drop for Last<S> {
    fn drop(&mut self) {
        let unique = self.space.take().and_then(Arc::into_unique_or_drop);
        if unique.is_none() {
            self.kept.0.fetch_add(1, Relaxed);
        }
    }
}

/// A paging domain.
pub(super) struct PagingDomain<U: Unit> {
    unit: Arc<U>,
    space: Arc<U::Space>,
    // Behind `space`, so that it is dropped after it.
    _last: Last<U::Space>,
    aperture: Pin<KBox<Mutex<Aperture>>>,
    /// It was allocated to tell what was written.
    marks: bool,
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
        marks: bool,
        faults: Arc<FaultPlan>,
        kept: Arc<Kept>,
    ) -> Result<Self> {
        let most = space.aperture();
        let aperture = Aperture {
            first: aperture.first.max(most.first),
            last: aperture.last.min(most.last),
        };
        let last = Last {
            space: Some(space.clone()),
            kept,
        };
        Ok(Self {
            unit,
            space,
            _last: last,
            aperture: KBox::pin_init(new_mutex!(aperture, "PagingDomain::aperture"), GFP_KERNEL)?,
            marks,
            faults,
        })
    }

    fn marking(&self) -> Result<&U::Space> {
        match self.marks {
            true => Ok(&self.space),
            false => Err(errno::eopnotsupp()),
        }
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
        match self.faults.hit(Op::Unmap, None, Some(Kind::Paging)) {
            Some(_) => 0,
            None => self.space.unmap(iova, page, count, gather),
        }
    }

    fn iova_to_phys(&self, iova: u64) -> Option<u64> {
        self.space.iova_to_phys(iova)
    }

    fn sync(&self, gather: &Gather) {
        self.space.sync(gather);
    }

    fn forget_all(&self) {
        self.space.forget_all();
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

    fn set_dirty_tracking(&self, enable: bool) -> Result {
        self.marking()?.set_dirty_tracking(enable)
    }

    fn read_and_clear_dirty(
        &self,
        iova: u64,
        size: u64,
        keep: bool,
        found: &mut dyn FnMut(u64, u64),
    ) -> Result {
        let space = self.marking()?;
        match size.checked_sub(1).map(|more| iova.saturating_add(more)) {
            Some(last) => space.read_and_clear_dirty((iova, last), keep, found),
            None => Ok(()),
        }
    }
}
