// SPDX-License-Identifier: GPL-2.0

//! A remapping unit as its driver gets at it.

use super::{
    super::hw::{
        machine::Machine,
        model::Words,
        step::Note,
        vtd::{
            Descriptor,
            Field,
            Pages,
            Registers, //
        }, //
    },
    change::device_tlb,
    dids::Dids,
    space::Entry,
};
use crate::kapi::{
    new_mutex,
    Mutex, //
};
use kernel::prelude::*;

/// Most descriptors that Linux waits for at once (`QI_MAX_BATCHED_DESC_COUNT`).
const BATCH: usize = 16;

/// Words of a root table: two for each bus.
const ROOT_TABLE: usize = 512;

/// See the module.
#[pin_data]
pub(super) struct Dmar {
    #[pin]
    machine: Machine<Registers>,
    #[pin]
    pub(super) dids: Mutex<Dids>,
    /// Held while entries are changed, so that none is left out when what is written is to be
    /// marked. Inside it are, in this order, the locks of lists of tags, of identifiers and of the
    /// machine.
    #[pin]
    pub(super) changing: Mutex<()>,
}

impl Dmar {
    /// Makes one with an empty root table; `registers` need not know where it is.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new(registers: Registers) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            machine <- Machine::new(move |entries| {
                let root = entries.alloc(ROOT_TABLE, 0)?;
                Ok(Registers { root, ..registers })
            }),
            dids <- new_mutex!(Dids::new(), "Dmar::dids"),
            changing <- new_mutex!((), "Dmar::changing"),
        })
    }

    pub(super) fn machine(&self) -> &Machine<Registers> {
        &self.machine
    }

    pub(super) fn registers(&self) -> &Registers {
        self.machine.model()
    }

    /// Reads an entry, or as many words of it as there are.
    pub(super) fn entry(&self, at: u64) -> Words {
        let mut words = Words::default();
        for (address, word) in (at..).step_by(8).zip(&mut words) {
            *word = self.machine.load(address).unwrap_or(0);
        }
        words
    }

    /// Writes words of an entry in one go. Tables of entries live as long as the unit, so that this
    /// cannot fail.
    pub(super) fn store(&self, at: u64, words: &[u64]) {
        let _ = self.machine.store(at, words);
    }

    /// Sets one field of an entry, as Linux does: by reading and writing its word.
    pub(super) fn set(&self, at: u64, field: Field, value: u64) {
        let at = at.saturating_add(field.word() as u64 * 8);
        let old = self.machine.load(at).unwrap_or(0);
        self.store(at, &[(old & !field.mask()) | field.place(value)]);
    }

    /// Has what is written through a PASID entry marked, or no longer
    /// (`intel_pasid_setup_dirty_tracking()`): one word, which hardware reads as it was or as it
    /// is.
    pub(super) fn set_marks(&self, entry: &Entry, enable: bool) {
        use super::super::hw::vtd::entry::pasid::*;
        let Entry { at, pasid, device } = *entry;
        let entry = self.entry(at);
        if SSADE.get(&entry) == u64::from(enable) {
            return;
        }
        self.set(at, SSADE, enable.into());
        let did = DID.get(&entry) as u16;
        self.invalidate([Descriptor::PasidCache { did, pasid }]);
        self.invalidate([Descriptor::IotlbDomain { did }]);
        if let Some(sid) = device {
            self.invalidate([device_tlb(sid, pasid, Pages::ALL)]);
        }
    }

    /// What was stored so far is seen before what follows (`dma_wmb()`).
    pub(super) fn barrier(&self) {
        self.machine.barrier();
    }

    /// Has descriptors carried out, in such order as the queue has.
    pub(super) fn invalidate(&self, descriptors: impl IntoIterator<Item = Descriptor>) {
        let mut pending = 0;
        for descriptor in descriptors {
            self.machine.submit(descriptor.encode());
            pending += 1;
            if pending == BATCH {
                self.machine.wait();
                pending = 0;
            }
        }
        if pending != 0 {
            self.machine.wait();
        }
    }

    pub(super) fn note(&self, note: Note) {
        self.machine.note(note);
    }
}
