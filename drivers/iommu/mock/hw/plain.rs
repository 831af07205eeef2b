// SPDX-License-Identifier: GPL-2.0

//! The simplest hardware: one table register per endpoint and PASID, written in one go.

use super::Reach;
use crate::kapi::{
    new_mutex,
    Mutex, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// One translation.
#[derive(Clone, Copy)]
struct Leaf {
    iova: u64,
    paddr: u64,
    size: u64,
}

/// A page table. The lock stands for the memory controller: each access is atomic.
#[pin_data]
pub(crate) struct Table {
    number: u64,
    /// Sorted by IOVA, without overlap.
    #[pin]
    leaves: Mutex<KVec<Leaf>>,
}

impl Table {
    /// Makes an empty table.
    pub(crate) fn new() -> impl PinInit<Self> {
        static NEXT: Atomic<u64> = Atomic::new(1);
        pin_init!(Self {
            number: NEXT.fetch_add(1, Relaxed),
            leaves <- new_mutex!(KVec::new(), "plain::Table::leaves"),
        })
    }

    /// A number that no other table has.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Enters one translation of `size` bytes.
    ///
    /// # Errors
    ///
    /// EEXIST where it overlaps another one, ENOMEM.
    pub(crate) fn insert(&self, iova: u64, paddr: u64, size: u64) -> Result {
        let mut leaves = self.leaves.lock();
        let at = leaves.partition_point(|leaf| leaf.iova < iova);
        let before = at.checked_sub(1).and_then(|i| leaves.get(i));
        let behind = leaves.get(at);
        if before.is_some_and(|leaf| iova - leaf.iova < leaf.size)
            || behind.is_some_and(|leaf| leaf.iova - iova < size)
        {
            return Err(EEXIST);
        }
        let leaf = Leaf { iova, paddr, size };
        // Grow at the end and rotate into place, as the vector has no fallible insert.
        leaves.push(leaf, GFP_KERNEL)?;
        if let Some(tail) = leaves.get_mut(at..) {
            tail.rotate_right(1);
        }
        Ok(())
    }

    /// Removes the translation that starts at `iova` and returns its size.
    pub(crate) fn remove(&self, iova: u64) -> Option<u64> {
        let mut leaves = self.leaves.lock();
        let at = leaves.binary_search_by_key(&iova, |leaf| leaf.iova).ok()?;
        let leaf = leaves.remove(at).ok()?;
        Some(leaf.size)
    }

    /// Looks an address up, as the hardware does.
    pub(crate) fn walk(&self, iova: u64) -> Option<u64> {
        let leaves = self.leaves.lock();
        let at = leaves.partition_point(|leaf| leaf.iova <= iova);
        let leaf = leaves.get(at.checked_sub(1)?)?;
        let offset = iova - leaf.iova;
        if offset >= leaf.size {
            return None;
        }
        leaf.paddr.checked_add(offset)
    }
}

/// Contents of a table register.
#[derive(Clone)]
pub(crate) enum Root {
    /// Abort everything.
    Blocked,
    /// Translate nothing.
    Identity,
    /// Translate by this table.
    Table(Arc<Table>),
}

/// The registers of one endpoint.
struct Registers {
    rid: Root,
    /// Those of PASIDs in use; all others abort.
    pasids: KVec<(u32, Root)>,
}

/// One hardware instance.
#[pin_data]
pub(crate) struct Hardware {
    #[pin]
    endpoints: Mutex<KVec<Registers>>,
}

impl Hardware {
    /// Makes an instance with one endpoint for each root that firmware left.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(firmware: KVec<Root>) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let mut endpoints = KVec::with_capacity(firmware.len(), GFP_KERNEL)?;
            for rid in firmware {
                let pasids = KVec::new();
                endpoints.push(Registers { rid, pasids }, GFP_KERNEL)?;
            }
            Ok(try_pin_init!(Self {
                endpoints <- new_mutex!(endpoints, "plain::Hardware::endpoints"),
            }))
        })
    }

    /// Writes the register of an endpoint's DMA without PASID.
    ///
    /// # Errors
    ///
    /// ENODEV where there is no such endpoint.
    pub(crate) fn set_root(&self, endpoint: u32, root: Root) -> Result {
        let mut endpoints = self.endpoints.lock();
        let registers = registers(&mut endpoints, endpoint)?;
        registers.rid = root;
        Ok(())
    }

    /// Writes the register of a PASID.
    ///
    /// # Errors
    ///
    /// ENODEV where there is no such endpoint, ENOMEM for a PASID that was not in use.
    pub(crate) fn set_pasid_root(&self, endpoint: u32, pasid: u32, root: Root) -> Result {
        let mut endpoints = self.endpoints.lock();
        let registers = registers(&mut endpoints, endpoint)?;
        let at = registers.pasids.iter().position(|(p, _)| *p == pasid);
        if let Some(at) = at {
            if let Root::Blocked = root {
                let _ = registers.pasids.remove(at);
            } else if let Some(slot) = registers.pasids.get_mut(at) {
                slot.1 = root;
            }
        } else if !matches!(root, Root::Blocked) {
            registers.pasids.push((pasid, root), GFP_KERNEL)?;
        }
        Ok(())
    }

    /// Reads the register of an endpoint's DMA without PASID; `None` where there is no such
    /// endpoint.
    pub(crate) fn root(&self, endpoint: u32) -> Option<Root> {
        let mut endpoints = self.endpoints.lock();
        Some(registers(&mut endpoints, endpoint).ok()?.rid.clone())
    }

    /// Ends the use of all PASIDs of an endpoint.
    pub(crate) fn clear_pasids(&self, endpoint: u32) {
        if let Ok(registers) = registers(&mut self.endpoints.lock(), endpoint) {
            registers.pasids.clear();
        }
    }

    /// Does one DMA access, tagged with a PASID or not.
    pub(crate) fn dma(&self, endpoint: u32, pasid: Option<u32>, iova: u64) -> Reach {
        let root = {
            let mut endpoints = self.endpoints.lock();
            let Ok(registers) = registers(&mut endpoints, endpoint) else {
                return Reach::Aborted;
            };
            match pasid {
                None => registers.rid.clone(),
                Some(pasid) => registers
                    .pasids
                    .iter()
                    .find(|(p, _)| *p == pasid)
                    .map_or(Root::Blocked, |(_, root)| root.clone()),
            }
        };
        match root {
            Root::Blocked => Reach::Aborted,
            Root::Identity => Reach::Memory(iova),
            Root::Table(table) => table.walk(iova).map_or(Reach::Aborted, Reach::Memory),
        }
    }
}

fn registers(endpoints: &mut KVec<Registers>, endpoint: u32) -> Result<&mut Registers> {
    usize::try_from(endpoint)
        .ok()
        .and_then(|at| endpoints.get_mut(at))
        .ok_or(ENODEV)
}
