// SPDX-License-Identifier: GPL-2.0

//! Page tables of the plain family: 5 levels of x86-64 words.

use super::super::{
    hw::{
        frozen::Frozen,
        plain::Table, //
    },
    unit::Space,
};
use crate::{
    iommu::{
        Aperture,
        Gather,
        Progress,
        Prot, //
    },
    pgtable::{
        Fixed,
        PageTable,
        X86FirstStage, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The page tables of this family.
type Words = PageTable<X86FirstStage>;

/// Levels of them, of which endpoints reach 48 bits or fewer.
const LEVELS: u32 = 5;

/// The table of a former kernel, which maps the first GiB to `to`.
///
/// # Errors
///
/// ENOMEM.
pub(super) fn former_kernel(to: u64) -> Result<Arc<Table>> {
    let space = PlainSpace::new()?;
    space.map(0, to, 1 << 30, 1, Prot::RW).result?;
    Ok(space.table)
}

/// A table that the hardware walks.
pub(crate) struct PlainSpace {
    words: Arc<Words>,
    table: Arc<Table>,
}

impl PlainSpace {
    /// Makes an empty table, and tells the hardware of it.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new() -> Result<Self> {
        let words = Arc::pin_init(Words::new(LEVELS), GFP_KERNEL)?;
        let table = Table::new(words.clone(), words.top().root, LEVELS);
        let table = Arc::new(table, GFP_KERNEL)?;
        Ok(Self { words, table })
    }

    pub(super) fn table(&self) -> &Arc<Table> {
        &self.table
    }
}

impl Space for PlainSpace {
    fn number(&self) -> u64 {
        self.table.number()
    }

    fn page_sizes(&self) -> u64 {
        self.words.page_sizes()
    }

    fn aperture(&self) -> Aperture {
        self.words.aperture()
    }

    fn map(&self, iova: u64, paddr: u64, page: u64, count: u64, prot: Prot) -> Progress {
        let (mapped, result) = self.words.map(&Fixed, iova, paddr, page, count, prot);
        let result = result.map_err(Error::from);
        Progress { mapped, result }
    }

    fn unmap(&self, iova: u64, page: u64, count: u64, gather: &mut Gather) -> u64 {
        self.words.unmap(iova, page.saturating_mul(count), gather)
    }

    fn iova_to_phys(&self, iova: u64) -> Option<u64> {
        self.words.iova_to_phys(iova)
    }

    fn sync(&self, gather: &Gather) {
        // This hardware caches nothing.
        self.words.give_back(gather);
    }

    fn forget_all(&self) {}

    fn give_back(&self, gather: &Gather) {
        self.words.give_back(gather);
    }

    fn freeze(&self, into: &mut Frozen) -> Result {
        self.words
            .for_each_table(&mut |at, count, read| into.add(at, count, read))
    }
}
