// SPDX-License-Identifier: GPL-2.0

//! Entries of the remapping tables. The names are the manual's.
//!
//! Source: VT-d specification, "Translation Structure Formats"; `drivers/iommu/intel/iommu.h` and
//! `pasid.h`. Fields of addresses hold frame numbers of 4 KiB.

use super::{
    super::model::Words,
    field::Field,
    Mode,
    CONTEXT,
    PASID, //
};
use kernel::fmt;

/// Root entry: two words for each bus.
pub(crate) mod root {
    use super::Field;

    /// Legacy mode: there is a context table.
    pub(crate) const P: Field = Field::bit(0);
    /// Legacy mode: where it is.
    pub(crate) const CTP: Field = Field::bits(63, 12);
    /// Scalable mode: there is a context table for the lower 128 functions of the bus.
    pub(crate) const LP: Field = Field::bit(0);
    /// Scalable mode: where it is.
    pub(crate) const LCTP: Field = Field::bits(63, 12);
    /// Scalable mode: there is a context table for the upper 128 functions of the bus.
    pub(crate) const UP: Field = Field::bit(64);
    /// Scalable mode: where it is.
    pub(crate) const UCTP: Field = Field::bits(127, 76);
    /// Words of an entry.
    pub(crate) const WORDS: u32 = 2;
}

/// Context entry of legacy mode.
pub(crate) mod context {
    use super::Field;

    /// Present.
    pub(crate) const P: Field = Field::bit(0);
    /// Fault Processing Disable.
    pub(crate) const FPD: Field = Field::bit(1);
    /// Translation Type, one of `TT_*`.
    pub(crate) const TT: Field = Field::bits(3, 2);
    /// Second Stage Page Translation Pointer.
    pub(crate) const SSPTPTR: Field = Field::bits(63, 12);
    /// Address Width: two less than the levels.
    pub(crate) const AW: Field = Field::bits(66, 64);
    /// Domain Identifier.
    pub(crate) const DID: Field = Field::bits(87, 72);
    /// Untranslated requests are translated by the second stage, others refused.
    pub(crate) const TT_MULTI_LEVEL: u64 = 0;
    /// The same, and devices may translate by themselves.
    pub(crate) const TT_DEV_IOTLB: u64 = 1;
    /// Requests are passed through.
    pub(crate) const TT_PASS_THROUGH: u64 = 2;
    /// Words of an entry.
    pub(crate) const WORDS: u32 = 2;
}

/// Context entry of scalable mode.
pub(crate) mod scalable {
    use super::Field;

    /// Present.
    pub(crate) const P: Field = Field::bit(0);
    /// Fault Processing Disable.
    pub(crate) const FPD: Field = Field::bit(1);
    /// Device-TLB Enable: the device may ask for translations, and do accesses that are translated.
    pub(crate) const DTE: Field = Field::bit(2);
    /// PASID Enable: requests with a PASID are served.
    pub(crate) const PASIDE: Field = Field::bit(3);
    /// PASID Directory Size: `1 << (PDTS + 7)` entries.
    pub(crate) const PDTS: Field = Field::bits(11, 9);
    /// PASID Directory Pointer.
    pub(crate) const PASIDDIRPTR: Field = Field::bits(63, 12);
    /// The PASID of requests without one.
    pub(crate) const RID_PASID: Field = Field::bits(83, 64);
    /// Words of an entry.
    pub(crate) const WORDS: u32 = 4;
}

/// Entry of a PASID directory.
pub(crate) mod directory {
    use super::Field;

    /// Present.
    pub(crate) const P: Field = Field::bit(0);
    /// Pointer to a table of [`PASIDS`](super::PASIDS) PASID entries.
    pub(crate) const SMPTBLPTR: Field = Field::bits(63, 12);
    /// Words of an entry.
    pub(crate) const WORDS: u32 = 1;
}

/// PASID entries in a PASID table.
pub(crate) const PASIDS: u32 = 64;

/// Entry of a PASID table.
pub(crate) mod pasid {
    use super::Field;

    /// Present.
    pub(crate) const P: Field = Field::bit(0);
    /// Fault Processing Disable.
    pub(crate) const FPD: Field = Field::bit(1);
    /// Address Width of the second stage: two less than its levels.
    pub(crate) const AW: Field = Field::bits(4, 2);
    /// PASID Granular Translation Type, one of `PGTT_*`.
    pub(crate) const PGTT: Field = Field::bits(8, 6);
    /// Second Stage Access/Dirty Enable.
    pub(crate) const SSADE: Field = Field::bit(9);
    /// Second Stage Page Translation Pointer.
    pub(crate) const SSPTPTR: Field = Field::bits(63, 12);
    /// Domain Identifier.
    pub(crate) const DID: Field = Field::bits(79, 64);
    /// Page Walk Snoop.
    pub(crate) const PWSNP: Field = Field::bit(87);
    /// First Stage Paging Mode: 0 for 4 levels, 1 for 5.
    pub(crate) const FSPM: Field = Field::bits(131, 130);
    /// First Stage Page Translation Pointer.
    pub(crate) const FSPTPTR: Field = Field::bits(191, 140);
    /// By the first stage only.
    pub(crate) const PGTT_FIRST: u64 = 1;
    /// By the second stage only.
    pub(crate) const PGTT_SECOND: u64 = 2;
    /// By the first stage, whose addresses the second translates.
    pub(crate) const PGTT_NESTED: u64 = 3;
    /// Not at all.
    pub(crate) const PGTT_PASS_THROUGH: u64 = 4;
    /// Words of an entry.
    pub(crate) const WORDS: u32 = 8;
}

/// Writes an entry of a [`Fetch::kind`](super::super::model::Fetch::kind).
pub(super) fn show(mode: Mode, kind: u8, words: &Words, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match (kind, mode) {
        (CONTEXT, Mode::Legacy) => show_context(words, f),
        (CONTEXT, Mode::Scalable) => write!(
            f,
            "P {} DTE {} PASIDDIRPTR {:#x}",
            scalable::P.get(words),
            scalable::DTE.get(words),
            scalable::PASIDDIRPTR.address(words)
        ),
        (PASID, _) => show_pasid(words, f),
        _ => write!(f, "{:x} {:x}", words[0], words[1]),
    }
}

fn show_context(words: &Words, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use context::*;
    let (p, tt, aw) = (P.get(words), TT.get(words), AW.get(words));
    let (did, root) = (DID.get(words), SSPTPTR.address(words));
    write!(f, "P {p} TT {tt} AW {aw} DID {did} SSPTPTR {root:#x}")
}

fn show_pasid(words: &Words, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use pasid::*;
    let (p, pgtt, did) = (P.get(words), PGTT.get(words), DID.get(words));
    write!(f, "P {p} PGTT {pgtt} DID {did}")?;
    if pgtt == PGTT_SECOND || pgtt == PGTT_NESTED {
        let (aw, root) = (AW.get(words), SSPTPTR.address(words));
        write!(f, " AW {aw} SSPTPTR {root:#x} SSADE {}", SSADE.get(words))?;
    }
    if pgtt == PGTT_FIRST || pgtt == PGTT_NESTED {
        let (fspm, root) = (FSPM.get(words), FSPTPTR.address(words));
        write!(f, " FSPM {fspm} FSPTPTR {root:#x}")?;
    }
    Ok(())
}
