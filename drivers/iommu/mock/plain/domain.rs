// SPDX-License-Identifier: GPL-2.0

//! Domains of the plain driver.

use super::super::{
    fault::{
        FaultPlan,
        Leave,
        Op, //
    },
    hw::plain::{
        Hardware,
        Table, //
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

/// A paging domain: a table that the hardware walks.
pub(super) struct PlainDomain {
    hw: Arc<Hardware>,
    table: Arc<Table>,
    aperture: Pin<KBox<Mutex<Aperture>>>,
    faults: Arc<FaultPlan>,
}

impl PlainDomain {
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new(
        hw: Arc<Hardware>,
        table: Arc<Table>,
        aperture: Aperture,
        faults: Arc<FaultPlan>,
    ) -> Result<Self> {
        Ok(Self {
            hw,
            table,
            aperture: KBox::pin_init(new_mutex!(aperture, "PlainDomain::aperture"), GFP_KERNEL)?,
            faults,
        })
    }

    pub(super) fn hardware(&self) -> &Arc<Hardware> {
        &self.hw
    }

    pub(super) fn table(&self) -> &Arc<Table> {
        &self.table
    }
}

impl DomainData for PlainDomain {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn paging(&self) -> Option<&dyn Paging> {
        Some(self)
    }
}

impl Paging for PlainDomain {
    fn page_sizes(&self) -> u64 {
        (4 << 10) | (2 << 20) | (1 << 30)
    }

    fn aperture(&self) -> Aperture {
        *self.aperture.lock()
    }

    fn widen(&self, to: Aperture) -> Result {
        let mut aperture = self.aperture.lock();
        if !to.contains(&aperture) {
            return Err(EINVAL);
        }
        *aperture = to;
        Ok(())
    }

    fn map(&self, iova: u64, paddr: u64, page: u64, count: u64, _prot: Prot) -> Progress {
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
        let mut mapped = 0;
        for _ in 0..count {
            if let Err(error) = self.table.insert(iova + mapped, paddr + mapped, page) {
                let result = Err(match error == EEXIST {
                    true => errno::eaddrinuse(),
                    false => error,
                });
                return Progress { mapped, result };
            }
            mapped += page;
        }
        let result = Ok(());
        Progress { mapped, result }
    }

    fn unmap(&self, iova: u64, page: u64, count: u64, gather: &mut Gather) -> u64 {
        let mut done = 0;
        while done / page < count {
            let Some(size) = self.table.remove(iova + done) else {
                break;
            };
            gather.add_pages(self, iova + done, size, size);
            done += size;
        }
        done
    }

    fn iova_to_phys(&self, iova: u64) -> Option<u64> {
        self.table.walk(iova)
    }

    fn sync(&self, _gather: &Gather) {}

    fn sync_map(&self, _iova: u64, _size: u64) -> Result {
        match self.faults.hit(Op::SyncMap, None, Some(Kind::Paging)) {
            Some(fault) => Err(fault.error),
            None => Ok(()),
        }
    }
}
