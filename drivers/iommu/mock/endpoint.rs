// SPDX-License-Identifier: GPL-2.0

//! What an instance of any family can be told to be.

use crate::iommu::{
    DefaultType,
    Region,
    RegionKind, //
};

/// How one endpoint is wired and what firmware says of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndpointConfig {
    /// Endpoints with equal numbers share a group.
    pub(crate) group: u64,
    /// Address bits the endpoint can issue.
    pub(crate) bits: u32,
    /// One more than its largest PASID; 0 for none.
    pub(crate) max_pasids: u32,
    /// A range that firmware needs mapped 1:1.
    pub(crate) region: Option<Region>,
    /// The default domain it insists on.
    pub(crate) default_type: Option<DefaultType>,
    /// A former kernel left it translating by a table of its own.
    pub(crate) deferred: bool,
    /// See [`Device::untrusted`](crate::iommu::Device::untrusted).
    pub(crate) untrusted: bool,
    /// See [`Device::resettable`](crate::iommu::Device::resettable). It has ATS as well, which is
    /// what a reset has to be kept from, in families that have such a thing.
    pub(crate) resettable: bool,
    /// See [`Device::deferred_flush`](crate::iommu::Device::deferred_flush); not the ISM functions
    /// of s390, for one.
    pub(crate) deferred_flush: bool,
}

impl EndpointConfig {
    /// An ordinary endpoint with 48 address bits in group `group`.
    pub(crate) fn ordinary(group: u64) -> Self {
        Self {
            group,
            bits: 48,
            max_pasids: 0,
            region: None,
            default_type: None,
            deferred: false,
            untrusted: false,
            resettable: false,
            deferred_flush: true,
        }
    }

    /// A real PCI function whose DMA passes by the mock: its own driver only works untranslated,
    /// and its MSIs go where those of x86 go.
    pub(crate) fn claimed(group: u64) -> Self {
        Self {
            region: Some(Region {
                start: 0xfee0_0000,
                size: 0x10_0000,
                kind: RegionKind::Msi,
            }),
            default_type: Some(DefaultType::Identity),
            ..Self::ordinary(group)
        }
    }
}

/// What an instance can do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InstanceConfig {
    /// Endpoints that may be lazy are. See [`EndpointConfig::deferred_flush`].
    pub(crate) deferred_flush: bool,
    /// It can block without a page table.
    pub(crate) has_blocked: bool,
    /// It can pass DMA through untranslated.
    pub(crate) has_identity: bool,
    /// Devices that go away are left on the blocked domain.
    pub(crate) release_to_blocked: bool,
    /// Paging domains that can be attached to PASIDs are to be had.
    pub(crate) pasid_domains: bool,
    /// See [`Features::pasid`](crate::iommu::Features::pasid).
    pub(crate) pasid: bool,
    /// See [`Features::dirty_tracking`](crate::iommu::Features::dirty_tracking).
    pub(crate) dirty_tracking: bool,
    /// How it updates entries, by number in the family's list; 0 is what Linux does.
    pub(crate) protocol: u32,
}

impl Default for InstanceConfig {
    fn default() -> Self {
        Self {
            deferred_flush: true,
            has_blocked: true,
            has_identity: true,
            release_to_blocked: true,
            pasid_domains: true,
            pasid: true,
            dirty_tracking: true,
            protocol: 0,
        }
    }
}
