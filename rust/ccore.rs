// SPDX-License-Identifier: GPL-2.0

//! Any driver of the contract under the kernel's own IOMMU core.
//!
//! [`Iommu`] registers a driver, an [`Endpoint`] is a platform device or a PCI function behind it.
//! The rest of this
//! room is the consumers' side of the same core: [`LiveGroup`], [`UserDomain`], [`Handle`],
//! [`UserDriver`].
//!
//! # What pins the module
//!
//! Nothing. The kernel's core takes a reference on `iommu_ops::owner` for every device it probes,
//! so that a module could never be unloaded that owns both the operations and the devices. The
//! table of each instance is on the heap with no owner, which the core permits, and everything
//! that it leads to is kept alive by references instead: an [`Endpoint`] holds its [`Iommu`], a
//! paging domain its instance, and dropping an [`Iommu`] waits until the last paging domain that
//! somebody else still holds, as iommufd may, is freed.
//!
//! # Locks
//!
//! The core's `iommu_probe_device_lock`; the errand of an instance; what consumers use of a group,
//! and then of a [`Handle`]; `group->mutex`; the table of an instance's groups. A driver's own
//! locks come last. A driver may sleep in all that it is asked, so a mapping that must not sleep is
//! refused.
//!
//! C header: [`include/linux/iommu.h`](srctree/include/linux/iommu.h)

mod answer;
mod channel;
mod consumer;
mod device;
mod domain;
mod domain_ops;
mod endpoint;
mod ffi;
mod group;
mod groups;
mod instance;
mod ops;
mod pci;
mod platform;

#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) use consumer::{
    is_kdump,
    misuse,
    Access,
    Buffer,
    Channel,
    Ended,
    Transfer, //
};
pub(crate) use consumer::{
    Handle,
    LiveGroup,
    Owner,
    UserDomain,
    UserDriver, //
};
pub(crate) use endpoint::Endpoint;
pub(crate) use group::{
    Believed,
    Member, //
};
pub(crate) use instance::Iommu;
pub(crate) use pci::{
    PciAddress,
    Refusal, //
};
