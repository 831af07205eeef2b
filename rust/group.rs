// SPDX-License-Identifier: GPL-2.0

//! The group and domain core: which domain each device is on, and who may change that.
//!
//! Devices that cannot be isolated from each other form a [`Group`] and share one current domain.
//! Every change of it is one transition, in `transition.rs`; nothing else writes it.
//!
//! Behaves as [`drivers/iommu/iommu.c`](srctree/drivers/iommu/iommu.c) does, except for what
//! `Documentation/divergences.rst` lists.
//!
//! # Locks
//!
//! [`Iommu`]'s list of groups is taken first (the kernel's `iommu_probe_device_lock`), the mutex of
//! a group inside it (`group->mutex`). All state of a group lives in its mutex: `&mut State` is the
//! proof of holding it. Driver callbacks run with it held.

mod attach;
mod default;
pub(crate) mod defect;
mod deferred;
mod direct;
mod handle;
mod member;
mod owner;
mod pasid;
mod probe;
mod recovery;
mod reset;
mod search;
mod state;
mod transition;
mod warning;

pub(crate) use handle::Handle;
pub(crate) use member::{
    Belief,
    Member,
    Park, //
};
pub(crate) use owner::{
    Owner,
    Ownership, //
};
pub(crate) use probe::{
    Endpoint,
    Iommu, //
};
pub(crate) use recovery::Recovery;
pub(crate) use search::AddressSpace;
pub(crate) use state::{
    Group,
    State, //
};
pub(crate) use transition::{
    Outcome,
    Step, //
};
pub(crate) use warning::Warning;
