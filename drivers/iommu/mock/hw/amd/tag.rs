// SPDX-License-Identifier: GPL-2.0

//! What keys the IOTLB: DomainID, and for guest translations (GN) the PASID.

use super::super::model::Tag;

const GN: u64 = 1 << 16;
const PASID_SHIFT: u32 = 20;

/// The tag of host translations.
pub(crate) fn host(domain: u16) -> Tag {
    Tag(domain.into())
}

/// The tag of guest translations. Requests without PASID that are translated as guest's have PASID
/// 0.
pub(crate) fn guest(domain: u16, pasid: u32) -> Tag {
    Tag(u64::from(domain) | GN | (u64::from(pasid) << PASID_SHIFT))
}

/// The DomainID in a tag.
pub(crate) fn domain(tag: Tag) -> u16 {
    // CAST: It is in the low bits.
    tag.0 as u16
}

/// The PASID in the tag of a guest translation.
pub(crate) fn pasid(tag: Tag) -> Option<u32> {
    match tag.0 & GN {
        0 => None,
        // CAST: A PASID has 20 bits.
        _ => Some((tag.0 >> PASID_SHIFT) as u32),
    }
}
