// SPDX-License-Identifier: GPL-2.0

//! The range of IOVAs that a domain or a device can use.

/// A range of addresses, both ends inclusive, as `aperture_end` is in
/// [`struct iommu_domain_geometry`](srctree/include/linux/iommu.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aperture {
    /// First usable address.
    pub(crate) first: u64,
    /// Last usable address.
    pub(crate) last: u64,
}

impl Aperture {
    /// The aperture of `bits` address bits, starting at 0.
    pub(crate) const fn bits(bits: u32) -> Self {
        Self {
            first: 0,
            last: match 1u64.checked_shl(bits) {
                Some(size) => size - 1,
                None => u64::MAX,
            },
        }
    }

    /// Whether every address of `other` is in this aperture.
    pub(crate) fn contains(&self, other: &Aperture) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// Whether the `size` bytes from `start` are in this aperture. An empty range never is.
    pub(crate) fn contains_range(&self, start: u64, size: u64) -> bool {
        match size.checked_sub(1).and_then(|more| start.checked_add(more)) {
            Some(last) => self.contains(&Aperture { first: start, last }),
            None => false,
        }
    }
}
