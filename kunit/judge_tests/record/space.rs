// SPDX-License-Identifier: GPL-2.0

//! Spaces of a driver with what is true of them.

use crate::{
    iommu::{
        Gather,
        Prot, //
    },
    judge::{
        Space as Truth,
        PROBES, //
    },
    mark,
    mock::{
        hw::frozen::Frozen,
        unit::Space, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A space with its truth.
pub(super) struct Marked<S> {
    pub(super) space: Arc<S>,
    pub(super) pages: [u64; PROBES],
}

/// Bytes of a page.
pub(super) const PAGE: u64 = mark::SIZE;

/// Where pages of tests start, of which there are no more than 8 GiB.
pub(crate) const PAGES: u64 = 1 << 44;

/// Maps a page as the contract does.
pub(super) fn map<S: Space>(space: &S, iova: u64, to: u64) -> Result {
    space.map(iova, to, PAGE, 1, Prot::RW).result?;
    space.sync_map(iova, PAGE)
}

/// Unmaps a page as the contract does.
pub(super) fn unmap<S: Space>(space: &S, iova: u64) {
    let mut gather = Gather::default();
    let size = space.unmap(iova, PAGE, 1, &mut gather);
    // As the contract's unmapping does where the page table itself has not.
    if gather.range().is_none() {
        gather.add_range(iova, size);
    }
    space.sync(&gather);
}

/// The page tables as they are now.
pub(super) fn frozen<S: Space>(space: &S) -> Result<Frozen> {
    let mut frozen = Frozen::new();
    space.freeze(&mut frozen)?;
    Ok(frozen)
}

/// What the judge is to hold for true of a space.
pub(super) fn truth<S: Space>(marked: &Marked<S>, tables: Frozen) -> Truth {
    Truth {
        number: marked.space.number(),
        tables,
        maps: marked.pages.map(Some),
    }
}
