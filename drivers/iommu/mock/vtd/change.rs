// SPDX-License-Identifier: GPL-2.0

//! One change of an entry, and the pieces that protocols are made of.

use super::{
    super::{
        hw::{
            model::{
                Requester,
                Words, //
            },
            step::Note,
            vtd::{
                entry::pasid,
                Descriptor,
                Pages,
                RID_PASID, //
            },
        },
        unit::{
            Space as _,
            Target, //
        },
    },
    dmar::Dmar,
    goal::Goal,
    space::{
        Cached,
        VtdSpace, //
    },
};

/// See the module. `to` is held, so that nothing can fail.
pub(super) struct Change<'a> {
    pub(super) dmar: &'a Dmar,
    /// Whose DMA it is.
    pub(super) who: Requester,
    /// The endpoint has a device-TLB.
    pub(super) ats: bool,
    /// Address of the entry.
    pub(super) at: u64,
    /// What the entry says.
    pub(super) from: &'a Target<VtdSpace>,
    /// What it is to say.
    pub(super) to: &'a Target<VtdSpace>,
    /// The same, as hardware understands it.
    pub(super) goal: Goal,
}

/// How to make an endpoint forget pages of a PASID. Requests without PASID have none of their own
/// there, unlike in the IOTLB.
pub(super) fn device_tlb(sid: u16, pasid: u32, pages: Pages) -> Descriptor {
    match pasid {
        RID_PASID => Descriptor::DeviceTlb { sid, pages },
        _ => Descriptor::PasidDeviceTlb { sid, pasid, pages },
    }
}

/// The space behind a target.
pub(super) fn space(of: &Target<VtdSpace>) -> Option<&VtdSpace> {
    match of {
        Target::Paging(space) => Some(space),
        Target::Blocked | Target::Identity => None,
    }
}

impl Change<'_> {
    /// The PASID that the entry is for.
    pub(super) fn pasid(&self) -> u32 {
        self.who.pasid.unwrap_or(RID_PASID)
    }

    /// What the endpoint's translations are cached under with an identifier.
    pub(super) fn cached(&self, did: u16) -> Cached {
        Cached {
            did,
            pasid: self.pasid(),
            // CAST: A source id has 16 bits.
            device: self.ats.then_some(self.who.id as u16),
        }
    }

    /// Puts the endpoint on the list of the space it comes to.
    pub(super) fn list(&self) {
        let Some(space) = space(self.to) else {
            return;
        };
        space.assign(self.cached(self.goal.did()));
        for space in space.concerned() {
            self.dmar.note(Note::Listed(space.number(), self.who));
        }
    }

    /// Takes the endpoint off the list of the space it comes from.
    pub(super) fn unlist(&self) {
        let Some(space) = space(self.from) else {
            return;
        };
        if let Some(did) = space.did() {
            space.unassign(self.cached(did));
        }
        for space in space.concerned() {
            self.dmar.note(Note::Unlisted(space.number(), self.who));
        }
    }

    /// Ends the attachment to the space it comes from; its identifier may go to another one.
    pub(super) fn put(&self) {
        if let Some(space) = space(self.from) {
            space.put(self.pasid());
        }
    }

    /// The entry as it is now.
    pub(super) fn entry(&self) -> Words {
        self.dmar.entry(self.at)
    }

    /// Makes hardware forget the PASID entry as far as it has it under an identifier.
    pub(super) fn forget_entry(&self, did: u16) {
        let pasid = self.pasid();
        self.dmar
            .invalidate([Descriptor::PasidCache { did, pasid }]);
    }

    /// Makes the endpoint forget what it keeps itself (`devtlb_invalidation_with_pasid()`,
    /// `__context_flush_dev_iotlb()`).
    pub(super) fn forget_kept(&self) {
        if self.ats {
            // CAST: A source id has 16 bits.
            let device = device_tlb(self.who.id as u16, self.pasid(), Pages::ALL);
            self.dmar.invalidate([device]);
        }
    }

    /// How to make hardware forget what it found by a PASID entry.
    pub(super) fn translations(&self, entry: &Words) -> Descriptor {
        use pasid::*;
        let (did, pasid) = (DID.get(entry) as u16, self.pasid());
        match PGTT.get(entry) {
            PGTT_PASS_THROUGH | PGTT_FIRST => Descriptor::PasidIotlb { did, pasid },
            _ => Descriptor::IotlbDomain { did },
        }
    }
}
