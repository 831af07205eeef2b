// SPDX-License-Identifier: GPL-2.0

//! The I/O translation anchor.
//!
//! Source: [`arch/s390/include/asm/pci_dma.h`](srctree/arch/s390/include/asm/pci_dma.h).

/// `ZPCI_IOTA_IOT_ENABLED`: DMA is translated.
const IOT_ENABLED: u64 = 0x800;

/// Where the designation type starts; it has 3 bits.
const DT_SHIFT: u32 = 2;

/// Where the table is.
const ORIGIN: u64 = !0xfff;

/// Which table the anchor points to (`enum zpci_ioat_dtype`). The forms without a table are not
/// known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Designation {
    /// A segment table.
    Segment = 0,
    /// A region-third table.
    RegionThird = 1,
    /// A region-second table.
    RegionSecond = 2,
    /// A region-first table.
    RegionFirst = 3,
}

impl Designation {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [
        Self::Segment,
        Self::RegionThird,
        Self::RegionSecond,
        Self::RegionFirst,
    ];

    /// By number.
    pub(crate) fn new(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|dt| *dt as u32 == number)
    }

    /// Bits of an address that the table covers.
    pub(crate) fn address_bits(self) -> u32 {
        match self {
            Self::Segment => 31,
            Self::RegionThird => 42,
            Self::RegionSecond => 53,
            Self::RegionFirst => 64,
        }
    }

    /// Its bit in the mask of supported types.
    pub(crate) fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Iota(pub(crate) u64);

impl Iota {
    /// No translation.
    pub(crate) const DIRECT: Self = Self(0);

    /// Translation by the table at `origin`, with storage key 0.
    pub(crate) fn table(origin: u64, designation: Designation) -> Self {
        Self((origin & ORIGIN) | IOT_ENABLED | (designation as u64) << DT_SHIFT)
    }

    /// Whether DMA is translated.
    pub(crate) fn is_translating(self) -> bool {
        self.0 & IOT_ENABLED != 0
    }

    /// Which table it points to; `None` for the other forms.
    pub(crate) fn designation(self) -> Option<Designation> {
        Designation::new((self.0 >> DT_SHIFT) as u32 & 7)
    }

    /// Where the table is.
    pub(crate) fn origin(self) -> u64 {
        self.0 & ORIGIN
    }
}
