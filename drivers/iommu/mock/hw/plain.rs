// SPDX-License-Identifier: GPL-2.0

//! The simplest hardware: one table register per endpoint and PASID, written in one go.

use super::{
    walk,
    Memory,
    Reach, //
};
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

/// A page table as the hardware is told of it: x86-64 words.
pub(crate) struct Table {
    number: u64,
    memory: Arc<dyn Memory>,
    root: u64,
    levels: u32,
}

impl Table {
    /// A table in `memory` with its root at `root`.
    pub(crate) fn new(memory: Arc<dyn Memory>, root: u64, levels: u32) -> Self {
        static NEXT: Atomic<u64> = Atomic::new(1);
        Self {
            number: NEXT.fetch_add(1, Relaxed),
            memory,
            root,
            levels,
        }
    }

    /// A number that no other table has.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Looks an address up, word by word.
    fn walk(&self, iova: u64) -> Option<u64> {
        walk::x86_64(&*self.memory, self.root, self.levels, iova)
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
