// SPDX-License-Identifier: GPL-2.0

//! A domain that is a page table and nothing else: no device, no cache. Its tables can be counted,
//! and run out.

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
    kapi::errno,
    pgtable::{
        Fixed,
        PageTable,
        X86FirstStage, //
    },
};
use core::any::Any;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// See the module.
pub(crate) struct TableDomain(Pin<KBox<PageTable<X86FirstStage>>>);

impl TableDomain {
    /// Makes one that maps nothing.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn domain() -> Result<Arc<Domain>> {
        let table = KBox::pin_init(PageTable::new(4), GFP_KERNEL)?;
        Domain::new(Kind::Paging, DriverKey::of::<Self>(), Self(table))
    }

    /// The page table of such a domain.
    ///
    /// # Errors
    ///
    /// EINVAL for another one.
    pub(crate) fn table(domain: &Domain) -> Result<&PageTable<X86FirstStage>> {
        let data: &Self = domain.data().ok_or(EINVAL)?;
        Ok(&data.0)
    }
}

impl DomainData for TableDomain {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn paging(&self) -> Option<&dyn Paging> {
        Some(self)
    }
}

impl Paging for TableDomain {
    fn page_sizes(&self) -> u64 {
        self.0.page_sizes()
    }

    fn aperture(&self) -> Aperture {
        self.0.aperture()
    }

    fn widen(&self, _to: Aperture) -> Result {
        Err(errno::eopnotsupp())
    }

    fn map(&self, iova: u64, paddr: u64, page: u64, count: u64, prot: Prot) -> Progress {
        let (mapped, result) = self.0.map(&Fixed, iova, paddr, page, count, prot);
        let result = result.map_err(Error::from);
        Progress { mapped, result }
    }

    fn unmap(&self, iova: u64, page: u64, count: u64, gather: &mut Gather) -> u64 {
        self.0.unmap(iova, page.saturating_mul(count), gather)
    }

    fn iova_to_phys(&self, iova: u64) -> Option<u64> {
        self.0.iova_to_phys(iova)
    }

    fn sync(&self, gather: &Gather) {
        self.0.give_back(gather);
    }

    fn give_back(&self, gather: &Gather) {
        self.0.give_back(gather);
    }

    fn sync_map(&self, _iova: u64, _size: u64) -> Result {
        Ok(())
    }
}
