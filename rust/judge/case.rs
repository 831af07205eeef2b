// SPDX-License-Identifier: GPL-2.0

//! What is judged: steps that a driver emitted, and the truth about the spaces they are about.

use crate::mock::hw::{
    frozen::{
        Change,
        Frozen, //
    },
    memory::EntryMemory,
    model::{
        Model,
        Requester,
        Tag, //
    },
    step::Step,
};

/// Addresses that DMA is done to: the first stays mapped, the second is what an [`Edit`] unmaps or
/// maps.
pub(crate) const PROBES: usize = 2;

/// Number of the probe that an [`Edit`] is about.
pub(crate) const EDITED: usize = 1;

/// An address space.
pub(crate) struct Space {
    /// Its number in the driver's books.
    pub(crate) number: u64,
    /// Its page tables.
    pub(crate) tables: Frozen,
    /// Where it sends each probe, with what an edit unmaps or maps still or already there.
    pub(crate) maps: [Option<u64>; PROBES],
}

/// Where DMA ought to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Nowhere.
    Blocked,
    /// Untranslated.
    Identity,
    /// Where the space of this number says.
    Paging(u64),
}

/// Whose DMA is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    /// The name its DMA arrives under.
    pub(crate) requester: Requester,
    /// Where it ought to go before the transition.
    pub(crate) old: Side,
    /// And behind it.
    pub(crate) new: Side,
}

/// Somebody who changes a mapping of one space meanwhile, with a flush by the space's list.
pub(crate) struct Edit<'a> {
    /// Number of the space.
    pub(crate) space: u64,
    /// The mapping is new, and not one that goes.
    pub(crate) map: bool,
    /// Words of page tables that are written, in this order.
    pub(crate) changes: &'a [Change],
    /// Page tables that are memory for others when it returns.
    pub(crate) freed: &'a [u64],
    /// What it does to hardware when it finds the first watched requester on the list.
    pub(crate) listed: &'a [Step],
    /// What it does when it does not.
    pub(crate) unlisted: &'a [Step],
}

/// What must be in force behind the transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The new side of each watch: it succeeded.
    New,
    /// The old side: it failed.
    Old,
}

/// See the module.
pub(crate) struct Case<'a> {
    /// The hardware.
    pub(crate) model: &'a dyn Model,
    /// Its tables of entries at the start.
    pub(crate) entries: &'a EntryMemory,
    /// Where DMA is done to.
    pub(crate) probes: [u64; PROBES],
    /// All spaces.
    pub(crate) spaces: &'a [Space],
    /// Tags that spaces have at the start.
    pub(crate) owners: &'a [(Tag, u64)],
    /// Spaces that list the first watched requester at the start.
    pub(crate) listed: &'a [u64],
    /// Whose DMA is looked at.
    pub(crate) watches: &'a [Watch],
    /// What the driver did to hardware.
    pub(crate) transition: &'a [Step],
    /// Who changes a mapping meanwhile.
    pub(crate) edit: Option<Edit<'a>>,
    /// Who writes other fields of the entries meanwhile.
    pub(crate) writer: &'a [Step],
    /// What must be in force at the end.
    pub(crate) goal: Goal,
    /// Hardware takes an aborted access for an error of the device.
    pub(crate) abort_is_error: bool,
}
