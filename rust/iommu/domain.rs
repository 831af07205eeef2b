// SPDX-License-Identifier: GPL-2.0

//! What the DMA of a device reaches.

use super::{
    Aperture,
    DriverKey,
    Gather, //
};
use crate::kapi::errno;
use core::any::Any;
use kernel::{
    prelude::*,
    sync::{
        Arc,
        SetOnce, //
    },
};

/// What a domain does with DMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Aborts all of it.
    Blocked,
    /// Passes it through untranslated.
    Identity,
    /// Translates it by a page table that the kernel writes.
    Paging,
    /// Translates it by tables of a guest on top of a paging domain.
    Nested,
}

/// The driver's own part of a domain.
pub(crate) trait DomainData: Any + Send + Sync {
    /// The value itself, for the driver's downcast.
    fn as_any(&self) -> &dyn Any;

    /// The page table, for [`Kind::Paging`] only.
    fn paging(&self) -> Option<&dyn Paging> {
        None
    }
}

/// A domain. Reference-counted: what is in use cannot be freed.
pub(crate) struct Domain {
    kind: Kind,
    driver: DriverKey,
    data: KBox<dyn DomainData>,
    cookie: SetOnce<Arc<dyn Any + Send + Sync>>,
}

impl Domain {
    /// Makes a domain of a driver of kind `driver`. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new<T: DomainData>(kind: Kind, driver: DriverKey, data: T) -> Result<Arc<Self>> {
        let data = KBox::new(data, GFP_KERNEL)?;
        let cookie = SetOnce::new();
        let domain = Self {
            kind,
            driver,
            data,
            cookie,
        };
        Ok(Arc::new(domain, GFP_KERNEL)?)
    }

    /// What it does with DMA.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The kind of driver it belongs to.
    pub(crate) fn key(&self) -> DriverKey {
        self.driver
    }

    /// The driver's own part, if it is a `T`. A driver that is handed another driver's domain
    /// finds nothing here and answers [`Incompatible`](super::AttachError::Incompatible).
    pub(crate) fn data<T: Any>(&self) -> Option<&T> {
        self.data.as_any().downcast_ref()
    }

    /// Gives it a part of whoever uses it, which goes with it. Works once.
    ///
    /// # Errors
    ///
    /// EBUSY where it has one.
    pub(crate) fn set_cookie(&self, cookie: Arc<dyn Any + Send + Sync>) -> Result {
        match self.cookie.populate(cookie) {
            true => Ok(()),
            false => Err(EBUSY),
        }
    }

    /// That part, if it is a `T`.
    pub(crate) fn cookie<T: Any>(&self) -> Option<&T> {
        self.cookie.as_ref()?.downcast_ref()
    }

    /// The page table, if it has one.
    pub(crate) fn paging(&self) -> Option<&dyn Paging> {
        match self.kind {
            Kind::Paging => self.data.paging(),
            Kind::Blocked | Kind::Identity | Kind::Nested => None,
        }
    }
}

/// What a device may do with a mapped page. Values of `IOMMU_READ` and `IOMMU_WRITE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prot(pub(crate) u32);

impl Prot {
    /// The device may read.
    pub(crate) const READ: Prot = Prot(1);
    /// The device may write.
    pub(crate) const WRITE: Prot = Prot(2);
    /// Both.
    pub(crate) const RW: Prot = Prot(3);
}

/// How far a driver came with a mapping. Never trusted; see [`Domain::map`].
#[must_use]
#[derive(Debug)]
pub(crate) struct Progress {
    /// Bytes that are mapped now, also where `result` is an error.
    pub(crate) mapped: u64,
    /// Whether all that was asked for could be done.
    pub(crate) result: Result,
}

/// The page table of a paging domain. All methods may be called from several threads on disjoint
/// ranges at once; `map` may sleep.
pub(crate) trait Paging: Send + Sync {
    /// Supported page sizes in bytes, one bit each.
    fn page_sizes(&self) -> u64;

    /// The IOVAs that can be mapped.
    fn aperture(&self) -> Aperture;

    /// Makes the aperture larger.
    ///
    /// # Errors
    ///
    /// EINVAL where `to` does not contain the present aperture, as that would shrink it under
    /// mappings and devices that rely on it; EOPNOTSUPP where the table is fixed.
    fn widen(&self, to: Aperture) -> Result;

    /// Maps `count` pages of `page` bytes, physically contiguous.
    ///
    /// # Errors
    ///
    /// In [`Progress::result`]: EADDRINUSE where something is mapped, ENOMEM.
    fn map(&self, iova: u64, paddr: u64, page: u64, count: u64, prot: Prot) -> Progress;

    /// Unmaps up to `count` pages of `page` bytes, stopping at the first that is not mapped, and
    /// returns the bytes unmapped, which may exceed what was asked inside a larger leaf.
    fn unmap(&self, iova: u64, page: u64, count: u64, gather: &mut Gather) -> u64;

    /// The physical address behind `iova`.
    fn iova_to_phys(&self, iova: u64) -> Option<u64>;

    /// Makes the hardware forget what `gather` collected.
    fn sync(&self, gather: &Gather);

    /// Makes the hardware forget everything of the table before its next access. Any context: a
    /// table whose [`Self::sync`] may sleep has a way of its own.
    fn forget_all(&self) {
        self.sync(&Gather::everything());
    }

    /// Takes back the tables that `gather` collected, which a flush has covered by now that was
    /// not [`Self::sync`] of `gather`.
    fn give_back(&self, gather: &Gather);

    /// Tells the hardware of new mappings, where it has to be told.
    ///
    /// # Errors
    ///
    /// A hypervisor that shadows the table may run out of entries: ENOMEM.
    fn sync_map(&self, iova: u64, size: u64) -> Result;

    /// Lets hardware mark what devices write to, or no longer, for all that are on the domain and
    /// that will be. What is marked already stays so: who wants to begin with nothing calls
    /// [`Self::read_and_clear_dirty`] first. May sleep.
    ///
    /// As in [`struct iommu_dirty_ops`](srctree/include/linux/iommu.h). Where hardware that marks
    /// costs nothing, it may do so at any time.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP for a domain that was allocated without [`PagingFlags::dirty_tracking`].
    ///
    /// [`PagingFlags::dirty_tracking`]: super::PagingFlags::dirty_tracking
    fn set_dirty_tracking(&self, _enable: bool) -> Result {
        Err(errno::eopnotsupp())
    }

    /// Passes start and size of every leaf that is marked, and of which something is in the `size`
    /// bytes at `iova`, to `found`. Unless `keep` is set it takes the mark off those that are in
    /// there as a whole. The caller has them flushed ([`Self::sync`]): hardware that remembers a
    /// mark does not set it again. Any context; takes no lock.
    ///
    /// Linux takes the mark off what is in there in part as well, and the rest of it is lost to
    /// who asks for that later.
    ///
    /// # Errors
    ///
    /// Those of [`Self::set_dirty_tracking`].
    fn read_and_clear_dirty(
        &self,
        _iova: u64,
        _size: u64,
        _keep: bool,
        _found: &mut dyn FnMut(u64, u64),
    ) -> Result {
        Err(errno::eopnotsupp())
    }
}
