// SPDX-License-Identifier: GPL-2.0

//! Domains of the plain driver.

use super::super::{
    fault::{
        FaultPlan,
        Leave,
        Op, //
    },
    hw::{
        plain::{
            Hardware,
            Table, //
        },
        Memory, //
    },
};
use crate::{
    iommu::{
        Aperture,
        DomainData,
        Gather,
        Kind,
        Paging,
        Progress,
        Prot, //
    },
    kapi::{
        new_mutex,
        table_memory as memory,
        Mutex, //
    },
    pgtable::{
        Fixed,
        PageTable,
        X86FirstStage, //
    },
};
use core::any::Any;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The domains that need no table.
pub(super) enum Static {
    Blocked,
    Identity,
}

impl DomainData for Static {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The page tables of this family.
type Words = PageTable<X86FirstStage>;

/// Levels of them, of which endpoints reach 48 bits or fewer.
const LEVELS: u32 = 5;

impl Memory for Words {
    fn table(&self, address: u64) -> Option<memory::Table<'_>> {
        self.store().at(address)
    }
}

/// Makes an empty table, and tells the hardware of it.
///
/// # Errors
///
/// ENOMEM.
fn new_table() -> Result<(Arc<Words>, Arc<Table>)> {
    let words = Arc::pin_init(Words::new(LEVELS), GFP_KERNEL)?;
    let table = Table::new(words.clone(), words.top().root, LEVELS);
    Ok((words, Arc::new(table, GFP_KERNEL)?))
}

/// The table of a former kernel, which maps the first GiB to `to`.
///
/// # Errors
///
/// ENOMEM.
pub(super) fn former_kernel(to: u64) -> Result<Arc<Table>> {
    let (words, table) = new_table()?;
    let (_, result) = words.map(&Fixed, 0, to, 1 << 30, 1, Prot::RW);
    result?;
    Ok(table)
}

/// A paging domain: a table that the hardware walks.
pub(super) struct PlainDomain {
    hw: Arc<Hardware>,
    words: Arc<Words>,
    table: Arc<Table>,
    aperture: Pin<KBox<Mutex<Aperture>>>,
    faults: Arc<FaultPlan>,
}

impl PlainDomain {
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new(
        hw: Arc<Hardware>,
        aperture: Aperture,
        faults: Arc<FaultPlan>,
    ) -> Result<Self> {
        let (words, table) = new_table()?;
        Ok(Self {
            hw,
            words,
            table,
            aperture: KBox::pin_init(new_mutex!(aperture, "PlainDomain::aperture"), GFP_KERNEL)?,
            faults,
        })
    }

    pub(super) fn hardware(&self) -> &Arc<Hardware> {
        &self.hw
    }

    pub(super) fn table(&self) -> &Arc<Table> {
        &self.table
    }
}

impl DomainData for PlainDomain {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn paging(&self) -> Option<&dyn Paging> {
        Some(self)
    }
}

impl Paging for PlainDomain {
    fn page_sizes(&self) -> u64 {
        self.words.page_sizes()
    }

    fn aperture(&self) -> Aperture {
        *self.aperture.lock()
    }

    fn widen(&self, to: Aperture) -> Result {
        let mut aperture = self.aperture.lock();
        if !to.contains(&aperture) || !self.words.aperture().contains(&to) {
            return Err(EINVAL);
        }
        *aperture = to;
        Ok(())
    }

    fn map(&self, iova: u64, paddr: u64, page: u64, count: u64, prot: Prot) -> Progress {
        if let Some(fault) = self.faults.hit(Op::Map, None, Some(Kind::Paging)) {
            // A lie reports success without progress, which the caller must not believe.
            return Progress {
                mapped: 0,
                result: match fault.leave {
                    Leave::Lie => Ok(()),
                    _ => Err(fault.error),
                },
            };
        }
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

    fn sync_map(&self, _iova: u64, _size: u64) -> Result {
        match self.faults.hit(Op::SyncMap, None, Some(Kind::Paging)) {
            Some(fault) => Err(fault.error),
            None => Ok(()),
        }
    }
}
