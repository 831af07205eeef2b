// SPDX-License-Identifier: GPL-2.0

//! What the driver does to the hardware, in single steps.

use super::{
    super::hw::{
        amd::{
            command,
            dte::{
                self,
                Dte, //
            },
            AmdVi, //
        },
        machine::Machine,
        step::Note, //
    },
    device::Wiring,
    ids::Ids,
    protocol::Protocol, //
};
use crate::kapi::{
    new_mutex,
    Mutex, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// All addresses.
pub(super) const ALL: (u64, u64) = (0, u64::MAX);

/// One instance, as its endpoints and spaces share it.
#[pin_data]
pub(super) struct Iommu {
    pub(super) machine: Arc<Machine<AmdVi>>,
    pub(super) protocol: &'static Protocol,
    #[pin]
    ids: Mutex<Ids>,
}

impl Iommu {
    pub(super) fn new(
        machine: Arc<Machine<AmdVi>>,
        protocol: &'static Protocol,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            machine,
            protocol,
            ids <- new_mutex!(Ids::new(), "amd::Iommu::ids"),
        })
    }

    /// Takes a DomainID.
    ///
    /// # Errors
    ///
    /// ENOSPC without any left, ENOMEM.
    pub(super) fn take_id(&self) -> Result<u16> {
        self.ids.lock().take()
    }

    /// Gives a DomainID back.
    pub(super) fn give_id(&self, id: u16) {
        self.ids.lock().give(id);
    }

    fn at(&self, device: u32) -> u64 {
        self.machine.model().device_table + u64::from(device) * dte::SIZE
    }

    /// The entry of a DeviceID, as it is in memory.
    pub(super) fn load(&self, device: u32) -> Dte {
        let at = self.at(device);
        // There is one for each DeviceID that is used.
        Dte([0, 8, 16, 24].map(|offset| self.machine.load(at + offset).unwrap_or(0)))
    }

    /// A store. Only x86 has this hardware, whose stores become visible in the order in which they
    /// are done, so that Linux needs no barriers.
    fn store(&self, at: u64, words: &[u64], keep: &[u64]) {
        // There is memory at all addresses that are used.
        let _ = self.machine.update(at, words, keep);
        self.machine.barrier();
    }

    /// Writes words 0 and 1 of an entry, by CMPXCHG16B.
    pub(super) fn store_low(&self, device: u32, new: &Dte) {
        self.store(self.at(device), &new.low(), &[]);
    }

    /// Writes HAD, and leaves the rest of word 0: a store of 64 bits.
    pub(super) fn store_dirty(&self, device: u32, new: &Dte) {
        let [first, _] = new.low();
        self.store(self.at(device), &[first], &[!dte::HAD.mask()]);
    }

    /// Writes words 2 and 3 of an entry, but leaves what is about interrupts, which others may be
    /// writing.
    pub(super) fn store_high(&self, device: u32, new: &Dte) {
        let at = self.at(device) + 16;
        self.store(at, &new.high(), &[dte::INTERRUPTS, 0]);
    }

    /// Writes what is about interrupts, as the code for these does: word 2 on its own.
    pub(super) fn store_interrupts(&self, device: u32, word: u64) {
        let at = self.at(device) + 16;
        self.store(at, &[word], &[!dte::INTERRUPTS]);
    }

    /// Writes an entry of a GCR3 table.
    pub(super) fn store_gcr3(&self, slot: u64, root: Option<u64>) {
        let word = root.map_or(0, |root| root | dte::GCR3_VALID);
        self.store(slot, &[word], &[]);
    }

    /// Has the entry of a DeviceID forgotten.
    pub(super) fn flush_entry(&self, device: u32) {
        let command = command::invalidate_devtab_entry(device);
        self.machine.submit(command);
    }

    /// Has the entries of an endpoint and of its alias forgotten, and behind them all that it keeps
    /// itself. `device_flush_dte()`.
    pub(super) fn flush_entries(&self, wiring: &Wiring) {
        for device in wiring.names {
            self.flush_entry(device);
        }
        self.flush_kept(wiring, None, ALL);
    }

    /// Has what an endpoint keeps itself forgotten, for all its names. `device_flush_iotlb()`.
    pub(super) fn flush_kept(&self, wiring: &Wiring, pasid: Option<u32>, range: (u64, u64)) {
        if wiring.ats {
            let [device, _] = wiring.names;
            let command = command::invalidate_iotlb_pages(device, pasid, range);
            self.machine.submit(command);
        }
    }

    /// Has translations forgotten: host ones, or those of a PASID.
    pub(super) fn flush_pages(
        &self,
        domain: u16,
        pasid: Option<u32>,
        range: (u64, u64),
        pde: bool,
    ) {
        let command = command::invalidate_iommu_pages(domain, pasid, range, pde);
        self.machine.submit(command);
    }

    /// Waits until all that was to be forgotten is.
    pub(super) fn wait(&self) {
        self.machine.wait();
    }

    /// Notes who is on the list of a space.
    pub(super) fn note_listed(
        &self,
        space: u64,
        wiring: &Wiring,
        pasid: Option<u32>,
        listed: bool,
    ) {
        for from in wiring.requesters(pasid) {
            self.machine.note(match listed {
                true => Note::Listed(space, from),
                false => Note::Unlisted(space, from),
            });
        }
    }

    /// The address of the entry of a GCR3 table for a PASID. Makes tables that are missing.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn gcr3_slot(&self, gcr3: u64, glx: u32, pasid: u32) -> Result<u64> {
        let mut table = gcr3;
        for level in (1..=glx).rev() {
            let slot = table + dte::gcr3_index(pasid, level) * 8;
            let entry = self.machine.load(slot)?;
            table = match entry & dte::GCR3_VALID {
                0 => {
                    let below = self.machine.alloc(dte::GCR3_ENTRIES, 0)?;
                    self.store_gcr3(slot, Some(below));
                    below
                }
                _ => entry & dte::GCR3_ADDRESS,
            };
        }
        Ok(table + dte::gcr3_index(pasid, 0) * 8)
    }
}
