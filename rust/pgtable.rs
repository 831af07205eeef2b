// SPDX-License-Identifier: GPL-2.0

//! Page tables: one radix algorithm, small format files, words behind a store interface.
//!
//! Vocabulary, as in `drivers/iommu/generic_pt`: an IOVA is split into an index for each *level*,
//! 0 being the one next to the pages. A *slot* is one word of a table. It is empty, or refers to a
//! *table* of the level below, or is part of a *leaf*, which maps a page. A leaf that is larger
//! than what its slot covers is a *run* of slots. OA is the output address.
//!
//! Readers take no lock, and writers of disjoint ranges need none between them: a table is
//! installed by compare-exchange, and whoever loses uses the winner's. A table that becomes empty
//! is cut off at once, but given back only behind the flush of the gather it is chained to.

mod copy;
mod descend;
mod dirty;
mod format;
mod map;
mod store;
mod table;
mod unmap;

pub(crate) use format::{
    amdv1::AmdV1,
    armv8::{
        Armv8Stage1,
        Armv8Stage2, //
    },
    s390::S390,
    vtdss::VtdSecondStage,
    x86_64::X86FirstStage,
    Format,
    Slot, //
};
pub(crate) use map::MapError;
pub(crate) use store::{
    Recorded,
    Step,
    Store,
    Write, //
};
pub(crate) use table::{
    Fixed,
    PageTable,
    Top,
    User, //
};
