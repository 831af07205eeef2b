// SPDX-License-Identifier: GPL-2.0

//! IOVAs for kernel drivers, and when what was unmapped is flushed.
//!
//! A [`DmaDomain`] hands out IOVAs of a default domain. Unmapping is *strict*, which flushes before
//! it returns, or *lazy*, which queues: the IOVA and the tables that were cut off stay out of use
//! until a flush that started after the unmap has finished. Which of the two is in force is policy,
//! and nothing that a driver could see.

mod cache;
pub(crate) mod defect;
mod domain;
mod iova;
mod policy;
mod queue;

pub(crate) use domain::{
    Clock,
    DmaDomain,
    Settings, //
};
pub(crate) use iova::IovaSpace;
pub(crate) use policy::Layer;
pub(crate) use queue::{
    Entry,
    FlushQueue,
    Rings,
    Sink, //
};
