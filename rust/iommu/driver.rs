// SPDX-License-Identifier: GPL-2.0

//! What a driver does.

use super::{
    AttachError,
    Attached,
    Device,
    Domain,
    Pasid,
    Region, //
};
use crate::kapi::errno;
use core::any::{
    Any,
    TypeId, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Number of an endpoint behind one IOMMU instance, as its tables are indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EndpointId(pub(crate) u32);

/// Endpoints with equal keys cannot be told apart or isolated from each other: one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupKey(pub(crate) u64);

/// The kind of a driver: two instances of the same driver have the same.
///
/// Stands for the `iommu_ops` pointer that the kernel compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DriverKey(TypeId);

impl DriverKey {
    /// The key of driver type `T`.
    pub(crate) fn of<T: Any>() -> Self {
        Self(TypeId::of::<T>())
    }
}

/// What the hardware behind a driver can do, whoever asks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Features {
    /// Each PASID of a device can have a domain of its own.
    pub(crate) pasid: bool,
    /// Hardware can mark in page tables what was written to (`IOMMU_CAP_DIRTY_TRACKING`).
    pub(crate) dirty_tracking: bool,
}

/// What a paging domain must be able to do beyond translating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PagingFlags {
    /// It can be attached to PASIDs (`IOMMU_HWPT_ALLOC_PASID`).
    pub(crate) pasid: bool,
    /// It can tell which pages were written to (`IOMMU_HWPT_ALLOC_DIRTY_TRACKING`).
    pub(crate) dirty_tracking: bool,
}

impl PagingFlags {
    /// Nothing, but to be attached to PASIDs or not.
    pub(crate) const fn pasid(pasid: bool) -> Self {
        Self {
            pasid,
            dirty_tracking: false,
        }
    }
}

/// The kinds of domain that a group can have while kernel drivers use its devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DefaultType {
    /// Untranslated.
    Identity,
    /// Translated, strict unmapping ("DMA").
    Dma,
    /// Translated, lazy unmapping ("DMA-FQ").
    DmaLazy,
}

/// What [`Driver::probe`] learnt about a device.
pub(crate) struct Probed {
    /// The driver's own part.
    pub(crate) data: KBox<dyn Any + Send + Sync>,
    /// See [`Device::max_pasids`].
    pub(crate) max_pasids: u32,
    /// See [`Device::untrusted`].
    pub(crate) untrusted: bool,
    /// See [`Device::resettable`].
    pub(crate) resettable: bool,
    /// See [`Device::deferred_flush`].
    pub(crate) deferred_flush: bool,
}

/// An IOMMU driver: one value is one hardware instance.
///
/// A core calls everything but [`Self::probe`], [`Self::group`] and the domain allocators under the
/// mutex of the device's group, and nothing for a device after [`Self::release`], which is also how
/// a probe is undone that found no group. All may sleep.
///
/// What must hold, whatever a driver is asked (`kunit` checks it):
/// - an attach that fails leaves hardware and books as they were. Validate and allocate first;
/// - an attach that succeeds drops every reference to the former domain;
/// - attaching the domain a device is on is harmless;
/// - blocked and identity domains do not fail.
pub(crate) trait Driver: Any + Send + Sync {
    /// Name of the family, e.g. `plain`.
    fn name(&self) -> &'static str;

    /// The kind of this driver.
    fn key(&self) -> DriverKey;

    /// What the hardware can do.
    fn features(&self) -> Features;

    /// Takes an endpoint. Its DMA stays as it is.
    ///
    /// # Errors
    ///
    /// ENODEV where there is no such endpoint, EBUSY where it is taken, ENOMEM.
    fn probe(&self, id: EndpointId) -> Result<Probed>;

    /// Which group the device belongs to.
    ///
    /// # Errors
    ///
    /// Any; the probe fails with it.
    fn group(&self, dev: &Device) -> Result<GroupKey>;

    /// The default domain the device needs, if it cannot work with any other.
    fn default_type(&self, _dev: &Device) -> Option<DefaultType> {
        None
    }

    /// Whether a former kernel left the device with translation in use, so that it must not be
    /// touched before its driver resets it.
    fn is_attach_deferred(&self, _dev: &Device) -> bool {
        false
    }

    /// Ranges that are reserved for the device.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    fn regions(&self, _dev: &Device) -> Result<KVec<Region>> {
        Ok(KVec::new())
    }

    /// The domain that aborts all DMA, if the hardware can do that without a page table.
    fn blocked(&self) -> Option<&Arc<Domain>>;

    /// The domain that translates nothing, if there is one.
    fn identity(&self) -> Option<&Arc<Domain>>;

    /// Where to leave a device that goes away.
    fn release_domain(&self) -> Option<&Arc<Domain>> {
        None
    }

    /// Makes an empty paging domain that will attach to `dev`.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP where `flags` ask for what there is not, ENOMEM.
    fn alloc_paging(&self, dev: &Device, flags: PagingFlags) -> Result<Arc<Domain>>;

    /// Sends the DMA of `dev` to `to`. `from` is where it goes now, or `None` when the core does
    /// not know, as for a device just probed.
    ///
    /// # Errors
    ///
    /// See [`AttachError`].
    fn attach(
        &self,
        dev: &Device,
        to: &Arc<Domain>,
        from: Option<&Arc<Domain>>,
    ) -> Result<Attached, AttachError>;

    /// Sends the DMA that `dev` tags with `pasid` to `to`. `from` is where it goes now, `None` for
    /// a PASID not in use. The blocked domain ends the use.
    ///
    /// # Errors
    ///
    /// See [`AttachError`]; EOPNOTSUPP where [`Features::pasid`] is not set.
    fn set_pasid(
        &self,
        _dev: &Device,
        _pasid: Pasid,
        _to: &Arc<Domain>,
        _from: Option<&Arc<Domain>>,
    ) -> Result<(), AttachError> {
        Err(AttachError::Failed(errno::eopnotsupp()))
    }

    /// Lets the device go: all its DMA, with and without PASIDs, must stop using any domain.
    fn release(&self, dev: &Device);
}
