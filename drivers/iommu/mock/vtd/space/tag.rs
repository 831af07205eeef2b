// SPDX-License-Identifier: GPL-2.0

//! Where the mappings of a space may be cached, and how what is cached there is flushed.

use super::super::{
    super::hw::vtd::{
        Descriptor,
        Pages, //
    },
    change::device_tlb,
};

/// The largest AM that an IOTLB of the second stage understands (MAMV): 1 GiB.
const MAMV: u32 = 18;

/// AM of the whole address space.
const ALL: u32 = 52;

/// Tags of an attachment: its own, and as many that a protocol may need in between, in the IOTLB
/// and in a device-TLB.
pub(super) const TAGS: usize = 4;

/// Under what an endpoint's translations are cached.
#[derive(Clone, Copy)]
pub(crate) struct Cached {
    pub(crate) did: u16,
    pub(crate) pasid: u32,
    /// Source id of the endpoint, if it has a device-TLB.
    pub(crate) device: Option<u16>,
}

/// Where (`enum cache_tag_type`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Iotlb,
    /// In the device-TLB of an endpoint.
    Device(u16),
    /// The same, where the addresses there are a guest's: those of a space on top of this one.
    NestedDevice(u16),
}

/// A place where the space's mappings may be cached (`struct cache_tag`).
#[derive(Clone, Copy)]
pub(super) struct CacheTag {
    place: Place,
    did: u16,
    pasid: u32,
    /// Attachments that have it.
    pub(super) users: u32,
}

impl Cached {
    /// The tags of an attachment, in the space that it is to or in one below that. The IOTLB comes
    /// first: an endpoint that was told before could ask it again.
    pub(super) fn tags(self, is_top: bool) -> impl Iterator<Item = CacheTag> {
        let Self { did, pasid, device } = self;
        let device = device.map(|sid| match is_top {
            true => Place::Device(sid),
            false => Place::NestedDevice(sid),
        });
        let places = [Some(Place::Iotlb), device];
        places.into_iter().flatten().map(move |place| CacheTag {
            place,
            did,
            pasid,
            users: 1,
        })
    }
}

impl CacheTag {
    pub(super) fn is(&self, other: &Self) -> bool {
        (self.place, self.did, self.pasid) == (other.place, other.did, other.pasid)
    }

    pub(super) fn is_in_iotlb(&self) -> bool {
        self.place == Place::Iotlb
    }

    /// What flushes pages there. `first_stage` says of which stage the entries of the IOTLB are.
    pub(super) fn flush(&self, first_stage: bool, pages: Pages) -> Descriptor {
        let (did, pasid) = (self.did, self.pasid);
        match (self.place, first_stage, pages.am) {
            (Place::Device(sid), _, _) => {
                let pages = Pages { ih: false, ..pages };
                device_tlb(sid, pasid, pages)
            }
            // Which addresses of the guest lead through the pages is not known.
            (Place::NestedDevice(sid), _, _) => device_tlb(sid, pasid, Pages::ALL),
            (Place::Iotlb, true, ALL..) => Descriptor::PasidIotlb { did, pasid },
            (Place::Iotlb, true, _) => Descriptor::PasidIotlbPage { did, pasid, pages },
            (Place::Iotlb, false, ..=MAMV) => Descriptor::IotlbPage { did, pages },
            (Place::Iotlb, false, _) => Descriptor::IotlbDomain { did },
        }
    }
}

/// The smallest naturally aligned range with all of a range, which has both ends
/// (`calculate_psi_aligned_address()`).
pub(super) fn pages(range: Option<(u64, u64)>, ih: bool) -> Pages {
    let (start, last) = range.unwrap_or((0, u64::MAX));
    let bits = u64::BITS - (start ^ last).leading_zeros();
    let (shift, am) = match bits {
        0..=12 => (12, 0),
        64.. => (63, ALL),
        bits => (bits, bits - 12),
    };
    let address = match am {
        ALL => 0,
        _ => start >> shift << shift,
    };
    Pages { address, am, ih }
}
