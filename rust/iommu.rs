// SPDX-License-Identifier: GPL-2.0

//! The contract between IOMMU drivers and a core, and its vocabulary.
//!
//! A driver is written once against [`Driver`] and run by either core: ours (`rust/group`) or the
//! kernel's own (`rust/ccore`). Nothing here knows about groups or owners.
//!
//! Vocabulary: a [`Device`] is one endpoint behind an IOMMU. A [`Domain`] is what its DMA reaches.
//! Addresses the device uses are IOVAs. Ranges are half-open unless a name says `last`.

mod aperture;
mod attach;
mod bus;
mod device;
mod domain;
mod driver;
mod gather;
mod map;
mod page_size;
mod pasid;
mod policy;
mod region;

pub(crate) use aperture::Aperture;
pub(crate) use attach::{
    AttachError,
    Attached, //
};
pub(crate) use bus::Bus;
pub(crate) use device::Device;
pub(crate) use domain::{
    Domain,
    DomainData,
    Kind,
    Paging,
    Progress,
    Prot, //
};
pub(crate) use driver::{
    DefaultType,
    Driver,
    DriverKey,
    EndpointId,
    Features,
    GroupKey,
    PagingFlags,
    Probed, //
};
pub(crate) use gather::Gather;
pub(crate) use page_size::{
    next_run,
    Run, //
};
pub(crate) use pasid::Pasid;
pub(crate) use policy::{
    DmaPolicy,
    Strictness, //
};
pub(crate) use region::{
    Region,
    RegionKind, //
};
