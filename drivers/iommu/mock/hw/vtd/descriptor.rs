// SPDX-License-Identifier: GPL-2.0

//! Descriptors of the invalidation queue.
//!
//! Source: VT-d specification, "Queued Invalidation Interface"; `drivers/iommu/intel/iommu.h`.

use super::{
    super::model::Command,
    field::Field, //
};
use kernel::fmt;

const TYPE: Field = Field::bits(3, 0);
const G: Field = Field::bits(5, 4);
const DID: Field = Field::bits(31, 16);
const PASID: Field = Field::bits(51, 32);
const CC_SID: Field = Field::bits(47, 32);
const CC_FM: Field = Field::bits(49, 48);
const DEV_SID: Field = Field::bits(47, 32);
const PDEV_SID: Field = Field::bits(31, 16);
const WAIT_SW: Field = Field::bit(5);
const DW: Field = Field::bit(6);
const DR: Field = Field::bit(7);
const AM: Field = Field::bits(69, 64);
const IH: Field = Field::bit(70);
const ADDR: Field = Field::bits(127, 76);
const DEV_S: Field = Field::bit(64);
const PDEV_S: Field = Field::bit(75);

const CONTEXT_CACHE: u64 = 1;
const IOTLB: u64 = 2;
const DEVICE_TLB: u64 = 3;
const WAIT: u64 = 5;
const PASID_IOTLB: u64 = 6;
const PASID_CACHE: u64 = 7;
const PASID_DEVICE_TLB: u64 = 8;

/// A naturally aligned range of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pages {
    /// Address of the first.
    pub(crate) address: u64,
    /// Address mask: base-2 logarithm of how many pages of 4 KiB.
    pub(crate) am: u32,
    /// Invalidation hint: only leaves have changed, caches of tables may stay.
    pub(crate) ih: bool,
}

impl Pages {
    /// All there are, as a device-TLB is told.
    pub(crate) const ALL: Self = Self {
        address: 0,
        am: 52,
        ih: false,
    };

    /// Whether `iova` is in one of them.
    pub(crate) fn cover(self, iova: u64) -> bool {
        let shift = self.am.saturating_add(12);
        (self.address ^ iova).checked_shr(shift).unwrap_or(0) == 0
    }

    fn place(self) -> u64 {
        ADDR.place(self.address >> 12) | AM.place(self.am.into()) | IH.place(self.ih.into())
    }

    fn of(words: &[u64]) -> Self {
        Self {
            address: ADDR.address(words),
            am: AM.get(words) as u32,
            ih: IH.get(words) != 0,
        }
    }

    /// As device-TLBs are told: with S, the lowest bit of the page number that is 0 is the highest
    /// that does not matter. The largest range has bit 63 of the address for that.
    fn place_with(self, s: Field) -> u64 {
        let page = self.address >> 12;
        match self.am {
            0 => ADDR.place(page),
            am => ADDR.place(page | ((1u64 << am.saturating_sub(1).min(51)) - 1)) | s.place(1),
        }
    }

    fn of_device(words: &[u64], s: Field) -> Self {
        let page = ADDR.get(words);
        let am = match s.get(words) {
            0 => 0,
            _ => page.trailing_ones().saturating_add(1).min(Self::ALL.am),
        };
        Self {
            address: page >> am << am << 12,
            am,
            ih: false,
        }
    }
}

/// What is to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Descriptor {
    /// Context cache: all.
    ContextGlobal,
    /// Context cache: entries of a domain.
    ContextDomain { did: u16 },
    /// Context cache: the entry of a device, or those of its function numbers that are equal but
    /// for the `fm` bits from bit 2 downwards.
    ContextDevice { did: u16, sid: u16, fm: u32 },
    /// IOTLB: all.
    IotlbGlobal,
    /// IOTLB: what the second stage of a domain had a part in.
    IotlbDomain { did: u16 },
    /// IOTLB: these pages of the second stage of a domain.
    IotlbPage { did: u16, pages: Pages },
    /// A device's own TLB: these pages without PASID. There is no hint.
    DeviceTlb { sid: u16, pages: Pages },
    /// Nothing; says when the descriptors before are done.
    Wait,
    /// IOTLB: what the first stage of a domain had a part in, for a PASID.
    PasidIotlb { did: u16, pasid: u32 },
    /// IOTLB: these pages of that.
    PasidIotlbPage { did: u16, pasid: u32, pages: Pages },
    /// PASID cache: entries of a domain.
    PasidCacheDomain { did: u16 },
    /// PASID cache: entries of a domain for a PASID.
    PasidCache { did: u16, pasid: u32 },
    /// PASID cache: all.
    PasidCacheGlobal,
    /// A device's own TLB: these pages of a PASID. There is no hint.
    PasidDeviceTlb { sid: u16, pasid: u32, pages: Pages },
}

impl Descriptor {
    /// The two words of 64 bits that say something.
    pub(crate) fn encode(self) -> Command {
        let words = |ty: u64, g: u64, low: u64, high: u64| {
            Command([TYPE.place(ty) | G.place(g) | low, high]) //
        };
        let did_of = |did: u16| DID.place(did.into());
        let both = |did: u16, pasid: u32| did_of(did) | PASID.place(pasid.into());
        // Reads and writes that are on their way are waited for, which all hardware can.
        let drain = DW.place(1) | DR.place(1);
        match self {
            Self::ContextGlobal => words(CONTEXT_CACHE, 1, 0, 0),
            Self::ContextDomain { did } => words(CONTEXT_CACHE, 2, did_of(did), 0),
            Self::ContextDevice { did, sid, fm } => {
                let device = CC_SID.place(sid.into()) | CC_FM.place(fm.into());
                words(CONTEXT_CACHE, 3, did_of(did) | device, 0)
            }
            Self::IotlbGlobal => words(IOTLB, 1, drain, 0),
            Self::IotlbDomain { did } => words(IOTLB, 2, did_of(did) | drain, 0),
            Self::IotlbPage { did, pages } => {
                words(IOTLB, 3, did_of(did) | drain, pages.place()) //
            }
            Self::DeviceTlb { sid, pages } => {
                let range = pages.place_with(DEV_S);
                words(DEVICE_TLB, 0, DEV_SID.place(sid.into()), range)
            }
            Self::Wait => words(WAIT, 0, WAIT_SW.place(1), 0),
            Self::PasidIotlb { did, pasid } => words(PASID_IOTLB, 2, both(did, pasid), 0),
            Self::PasidIotlbPage { did, pasid, pages } => {
                words(PASID_IOTLB, 3, both(did, pasid), pages.place())
            }
            Self::PasidCacheDomain { did } => words(PASID_CACHE, 0, did_of(did), 0),
            Self::PasidCache { did, pasid } => words(PASID_CACHE, 1, both(did, pasid), 0),
            Self::PasidCacheGlobal => words(PASID_CACHE, 3, 0, 0),
            Self::PasidDeviceTlb { sid, pasid, pages } => {
                let whose = PDEV_SID.place(sid.into()) | PASID.place(pasid.into());
                words(PASID_DEVICE_TLB, 0, whose, pages.place_with(PDEV_S))
            }
        }
    }

    /// What hardware understands; `None` where it would stop with an error.
    pub(crate) fn decode(command: Command) -> Option<Self> {
        let words = &command.0[..];
        // CAST: The fields are that narrow.
        let (did, pasid) = (DID.get(words) as u16, PASID.get(words) as u32);
        let pages = Pages::of(words);
        Some(match (TYPE.get(words), G.get(words)) {
            (CONTEXT_CACHE, 1) => Self::ContextGlobal,
            (CONTEXT_CACHE, 2) => Self::ContextDomain { did },
            (CONTEXT_CACHE, 3) => Self::ContextDevice {
                did,
                sid: CC_SID.get(words) as u16,
                fm: CC_FM.get(words) as u32,
            },
            (IOTLB, 1) => Self::IotlbGlobal,
            (IOTLB, 2) => Self::IotlbDomain { did },
            (IOTLB, 3) => Self::IotlbPage { did, pages },
            (DEVICE_TLB, _) => Self::DeviceTlb {
                sid: DEV_SID.get(words) as u16,
                pages: Pages::of_device(words, DEV_S),
            },
            (WAIT, _) => Self::Wait,
            (PASID_IOTLB, 2) => Self::PasidIotlb { did, pasid },
            (PASID_IOTLB, 3) => Self::PasidIotlbPage { did, pasid, pages },
            (PASID_CACHE, 0) => Self::PasidCacheDomain { did },
            (PASID_CACHE, 1) => Self::PasidCache { did, pasid },
            (PASID_CACHE, 3) => Self::PasidCacheGlobal,
            (PASID_DEVICE_TLB, _) => Self::PasidDeviceTlb {
                sid: PDEV_SID.get(words) as u16,
                pasid,
                pages: Pages::of_device(words, PDEV_S),
            },
            _ => return None,
        })
    }
}

impl Pages {
    fn show(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ih = u32::from(self.ih);
        write!(f, " ADDR {:#x} AM {} IH {ih}", self.address, self.am)
    }

    fn show_range(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.am {
            52 => Ok(()),
            am => write!(f, " ADDR {:#x} AM {am}", self.address),
        }
    }
}

impl Descriptor {
    /// Writes it in the words of the manual.
    pub(crate) fn show(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ContextGlobal => f.write_str("context-cache global"),
            Self::ContextDomain { did } => write!(f, "context-cache DID {did}"),
            Self::ContextDevice { did, sid, .. } => {
                write!(f, "context-cache DID {did} SID {sid:#x}")
            }
            Self::IotlbGlobal => f.write_str("IOTLB global"),
            Self::IotlbDomain { did } => write!(f, "IOTLB DSI DID {did}"),
            Self::IotlbPage { did, pages } => {
                write!(f, "IOTLB PSI DID {did}")?;
                pages.show(f)
            }
            Self::DeviceTlb { sid, pages } => {
                write!(f, "device-TLB SID {sid:#x}")?;
                pages.show_range(f)
            }
            Self::Wait => f.write_str("wait"),
            Self::PasidIotlb { did, pasid } => write!(f, "PIOTLB DID {did} PASID {pasid}"),
            Self::PasidIotlbPage { did, pasid, pages } => {
                write!(f, "PIOTLB DID {did} PASID {pasid}")?;
                pages.show(f)
            }
            Self::PasidCacheDomain { did } => write!(f, "PASID-cache DID {did}"),
            Self::PasidCache { did, pasid } => write!(f, "PASID-cache DID {did} PASID {pasid}"),
            Self::PasidCacheGlobal => f.write_str("PASID-cache global"),
            Self::PasidDeviceTlb { sid, pasid, pages } => {
                write!(f, "device-TLB SID {sid:#x} PASID {pasid}")?;
                pages.show_range(f)
            }
        }
    }
}
