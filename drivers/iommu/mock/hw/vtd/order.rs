// SPDX-License-Identifier: GPL-2.0

//! The order in which descriptors of the invalidation queue are carried out.
//!
//! Source: VT-d specification 5.10, 6.5.2.12, "Queued Invalidation Ordering Considerations".

use super::Descriptor;

/// What hardware guarantees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Nothing, but by waits.
    Nothing,
    /// What the manual says, word for word. It wants an invalidation of a device-TLB with a PASID
    /// to be behind all of the IOTLB, but one without PASID not behind those of the IOTLB for a
    /// PASID.
    Manual,
    /// What Linux takes for granted: the same, and no invalidation of a device-TLB overtakes one of
    /// the IOTLB.
    Linux,
}

/// What a descriptor is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cache {
    Context,
    Pasid,
    Iotlb,
    PasidIotlb,
    Device,
    PasidDevice,
}

fn cache(descriptor: Descriptor) -> Option<Cache> {
    use Descriptor::*;
    Some(match descriptor {
        ContextGlobal | ContextDomain { .. } | ContextDevice { .. } => Cache::Context,
        PasidCacheGlobal | PasidCacheDomain { .. } | PasidCache { .. } => Cache::Pasid,
        IotlbGlobal | IotlbDomain { .. } | IotlbPage { .. } => Cache::Iotlb,
        PasidIotlb { .. } | PasidIotlbPage { .. } => Cache::PasidIotlb,
        DeviceTlb { .. } => Cache::Device,
        PasidDeviceTlb { .. } => Cache::PasidDevice,
        Wait => return None,
    })
}

impl Order {
    /// Whether a descriptor may be carried out before an earlier one.
    pub(super) fn allows(self, later: Descriptor, earlier: Descriptor) -> bool {
        use Cache::*;
        let (Some(later), Some(earlier)) = (cache(later), cache(earlier)) else {
            return true;
        };
        let waits = match (later, earlier) {
            (Iotlb | PasidIotlb, Context | Pasid) | (Pasid, Context) => true,
            (Device | PasidDevice, Iotlb) | (PasidDevice, PasidIotlb) => true,
            (Device, PasidIotlb) => self == Self::Linux,
            _ => false,
        };
        self == Self::Nothing || !waits
    }
}
