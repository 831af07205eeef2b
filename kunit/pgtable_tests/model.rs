// SPDX-License-Identifier: GPL-2.0

//! A page table as it should be: a sorted list of leaves.

use crate::{
    iommu::Prot,
    pgtable::MapError, //
};
use kernel::prelude::*;

/// A mapped page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) iova: u64,
    pub(crate) size: u64,
    pub(crate) oa: u64,
    pub(crate) prot: Prot,
}

/// All leaves by IOVA. Knows nothing of tables, levels or words.
#[derive(Default)]
pub(crate) struct Model(KVec<Leaf>);

impl Model {
    /// The leaves.
    pub(crate) fn leaves(&self) -> &[Leaf] {
        &self.0
    }

    /// The leaf that maps an address.
    pub(crate) fn find(&self, iova: u64) -> Option<Leaf> {
        let before = self.0.partition_point(|leaf| leaf.iova <= iova);
        let leaf = self.0.get(before.checked_sub(1)?)?;
        (iova - leaf.iova < leaf.size).then_some(*leaf)
    }

    /// Where an address leads.
    pub(crate) fn iova_to_phys(&self, iova: u64) -> Option<u64> {
        self.find(iova).map(|leaf| leaf.oa + (iova - leaf.iova))
    }

    /// Maps page by page, up to the first that cannot be.
    pub(crate) fn map(
        &mut self,
        first: Leaf,
        count: u64,
    ) -> Result<(u64, Result<(), MapError>), Error> {
        for at in 0..count {
            let done = at * first.size;
            let leaf = Leaf {
                iova: first.iova + done,
                oa: first.oa + done,
                ..first
            };
            let index = self.0.partition_point(|other| other.iova < leaf.iova);
            let next = self.0.get(index);
            if self.find(leaf.iova).is_some()
                || next.is_some_and(|next| next.iova - leaf.iova < leaf.size)
            {
                return Ok((done, Err(MapError::Overlap)));
            }
            self.0.reserve(1, GFP_KERNEL)?;
            let _ = self.0.insert_within_capacity(index, leaf);
        }
        Ok((count * first.size, Ok(())))
    }

    /// Unmaps whole leaves as long as one starts where the last one ended.
    pub(crate) fn unmap(&mut self, iova: u64, len: u64) -> u64 {
        let index = self.0.partition_point(|leaf| leaf.iova < iova);
        let mut done = 0;
        while done < len {
            match self.0.get(index) {
                Some(leaf) if leaf.iova == iova + done => done += leaf.size,
                Some(_) | None => break,
            }
            let _ = self.0.remove(index);
        }
        done
    }
}
