// SPDX-License-Identifier: GPL-2.0

//! What a family has to bring: one instance of its hardware, and how it is programmed.
//!
//! [`Shell`](super::shell::Shell) makes a driver of the contract of it, the same for every family:
//! endpoints, fixed domains, faults.

use super::{
    endpoint::{
        EndpointConfig,
        InstanceConfig, //
    },
    hw::{
        frozen::Frozen,
        machine::{
            Inspect,
            Machine, //
        },
        model::{
            Model,
            Requester, //
        },
        Access,
        Memory,
        Reach, //
    },
};
use crate::{
    iommu::{
        Aperture,
        AttachError,
        Attached,
        Gather,
        PagingFlags,
        Progress,
        Prot, //
    },
    kapi::errno,
    pgtable::{
        Format,
        PageTable, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Where the first GiB of DMA of a deferred endpoint goes by the table of the former kernel.
pub(crate) const FORMER_KERNEL: u64 = 1 << 46;

/// Hardware walks the very words that a page table has.
impl<F: Format> Memory for PageTable<F> {
    fn word(&self, table: u64, index: u32) -> Option<u64> {
        Some(self.store().at(table)?.load(index))
    }

    fn replace(&self, table: u64, index: u32, old: u64, new: u64) -> bool {
        let table = self.store().at(table);
        table.is_some_and(|table| table.replace(index, old, new).is_ok())
    }
}

/// The page table of a paging domain, with the tag under which hardware caches what is in it, and
/// the list of whom to flush. Methods as in [`Paging`](crate::iommu::Paging).
pub(crate) trait Space: Send + Sync + 'static {
    /// A number that no other space of the family has.
    fn number(&self) -> u64;

    /// Supported page sizes in bytes, one bit each.
    fn page_sizes(&self) -> u64;

    /// The most that can be mapped.
    fn aperture(&self) -> Aperture;

    /// Maps `count` pages of `page` bytes.
    fn map(&self, iova: u64, paddr: u64, page: u64, count: u64, prot: Prot) -> Progress;

    /// Unmaps up to `count` pages of `page` bytes and returns the bytes unmapped.
    fn unmap(&self, iova: u64, page: u64, count: u64, gather: &mut Gather) -> u64;

    /// The physical address behind `iova`.
    fn iova_to_phys(&self, iova: u64) -> Option<u64>;

    /// Makes the hardware forget what `gather` collected, tables included.
    fn sync(&self, gather: &Gather);

    /// Makes the hardware forget all translations of the space, and maybe those of others, before
    /// its next access. Any context.
    fn forget_all(&self);

    /// Takes back the tables that `gather` collected, which another flush has covered by now.
    fn give_back(&self, gather: &Gather);

    /// Tells the hardware of new mappings, where it has to be told.
    ///
    /// # Errors
    ///
    /// ENOMEM, EIO.
    fn sync_map(&self, _iova: u64, _size: u64) -> Result {
        Ok(())
    }

    /// Lets hardware mark what is written, or no longer.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP.
    fn set_dirty_tracking(&self, _enable: bool) -> Result {
        Err(errno::eopnotsupp())
    }

    /// Passes the leaves that are marked to `found`, and takes the mark off them unless `keep` is
    /// set.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP.
    fn read_and_clear_dirty(
        &self,
        _range: (u64, u64),
        _keep: bool,
        _found: &mut dyn FnMut(u64, u64),
    ) -> Result {
        Err(errno::eopnotsupp())
    }

    /// Adds a copy of the page tables, for the judge.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    fn freeze(&self, into: &mut Frozen) -> Result;
}

/// Where DMA is to go.
pub(crate) enum Target<S> {
    /// Nowhere.
    Blocked,
    /// Untranslated.
    Identity,
    /// Where a page table says.
    Paging(Arc<S>),
}

impl<S> Clone for Target<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Blocked => Self::Blocked,
            Self::Identity => Self::Identity,
            Self::Paging(space) => Self::Paging(space.clone()),
        }
    }
}

/// What entries in memory say of a requester, whatever caches hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// DMA is aborted.
    Blocked,
    /// DMA is not translated.
    Identity,
    /// DMA is translated by the space of this number, or by none that is known: 0.
    Paging(u64),
}

/// See the module. All methods may sleep; those that change an endpoint are called under the mutex
/// of its group, those for endpoints of different groups at the same time.
pub(crate) trait Unit: Send + Sync + Sized + 'static {
    /// Name of the family.
    const NAME: &'static str;

    /// Names of the ways to update entries; the first is what Linux does.
    const PROTOCOLS: &'static [&'static str];

    /// For each of them, whether an attach that fails leaves DMA blocked. The others leave it where
    /// it went, as the contract wants.
    const FAILS_BLOCKED: &'static [bool] = &[false; 8];

    /// Each PASID can have a domain of its own, unless [`Self::has_pasids`] says otherwise.
    const PASID: bool;

    /// Page tables of the family.
    type Space: Space;

    /// Makes an instance as firmware leaves it: endpoints numbered from 0 have their DMA passed
    /// through, except deferred ones, whose first GiB goes to [`FORMER_KERNEL`].
    ///
    /// # Errors
    ///
    /// EINVAL for a configuration that cannot be, ENOMEM.
    fn new(config: &InstanceConfig, endpoints: &[EndpointConfig]) -> Result<Arc<Self>>;

    /// Whether PASIDs of this instance can have domains of their own.
    fn has_pasids(&self) -> bool {
        Self::PASID
    }

    /// Makes an empty page table that fits an endpoint.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP where `flags` ask for what there is not, ENOSPC without a tag, ENOMEM.
    fn new_space(self: &Arc<Self>, endpoint: u32, flags: PagingFlags) -> Result<Arc<Self::Space>>;

    /// Says whether the endpoint, or a PASID of it, can go there at all. Silent, without side
    /// effect.
    ///
    /// # Errors
    ///
    /// [`AttachError::Incompatible`], or what the family says to a request that is wrong.
    fn check(
        &self,
        endpoint: u32,
        pasid: Option<u32>,
        to: &Target<Self::Space>,
    ) -> Result<(), AttachError>;

    /// Sends the DMA of an endpoint, or of a PASID of it, there. [`Self::check`] has said that it
    /// can. Blocked ends the use of a PASID.
    ///
    /// # Errors
    ///
    /// Those of the family. Where DMA then goes is the family's to say.
    fn attach(
        &self,
        endpoint: u32,
        pasid: Option<u32>,
        to: &Target<Self::Space>,
    ) -> Result<Attached, AttachError>;

    /// Blocks all DMA of an endpoint, PASIDs included, unless `keep` says to leave what is without
    /// PASID alone. Drops every reference to a space that is no longer used.
    fn release(&self, endpoint: u32, keep: bool);

    /// Whether hardware can mark in page tables what is written.
    fn marks_dirty(&self) -> bool {
        false
    }

    /// Does one DMA access; aborted where there is no such endpoint.
    fn access(&self, endpoint: u32, pasid: Option<u32>, iova: u64, access: Access) -> Reach;

    /// Does one DMA read.
    fn dma(&self, endpoint: u32, pasid: Option<u32>, iova: u64) -> Reach {
        self.access(endpoint, pasid, iova, Access::Read)
    }

    /// What entries say of the endpoint's DMA without PASID; `None` where there is no such one.
    fn seen(&self, endpoint: u32) -> Option<Seen>;

    /// The hardware with all it remembers, and under which name the endpoint's DMA without PASID
    /// arrives there; `None` for a family that is too simple for that.
    fn inspect(&self, _endpoint: u32) -> Option<(&dyn Inspect, Requester)> {
        None
    }
}

/// A unit whose hardware is a [`Machine`], so that the judge can explore what its driver does.
pub(crate) trait Modelled: Unit {
    /// The hardware of the family.
    type Model: Model;

    /// The hardware.
    fn machine(&self) -> &Machine<Self::Model>;

    /// Under which names the DMA of an endpoint, or of a PASID of it, arrives: its own first, then
    /// its aliases.
    ///
    /// # Errors
    ///
    /// ENODEV where there is no such endpoint, ENOMEM.
    fn requesters(&self, endpoint: u32, pasid: Option<u32>) -> Result<KVec<Requester>>;
}
