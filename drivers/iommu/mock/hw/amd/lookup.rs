// SPDX-License-Identifier: GPL-2.0

//! From a requester to what translates for it: device table, then GCR3 table.

use super::{
    super::model::{
        Fetch,
        Next,
        Requester,
        Stage,
        Translation,
        Words, //
    },
    dte::{
        self,
        Dte, //
    },
    tag,
    AmdVi,
    V1,
    V2,
    V2_SIGNED, //
};

/// Kind of a device table entry.
pub(super) const DEVICE_TABLE: u8 = 0;

/// Kind of an entry of a GCR3 table. As commands drop these by DomainID, which they do not hold,
/// its low bits are the rest of the kind.
pub(super) const GCR3: u8 = 0x80;

/// The kind of entries of a GCR3 table that were read for a domain.
pub(super) fn gcr3_kind(domain: u16) -> u8 {
    GCR3 | (domain & 0x7f) as u8
}

/// See [`Model::next`](super::super::model::Model::next).
pub(super) fn next(registers: &AmdVi, from: Requester, read: &[Words]) -> Next {
    let Some((first, read)) = read.split_first() else {
        if from.id >= registers.devices {
            return Next::Abort("DeviceID beyond the device table");
        }
        return Next::Fetch(Fetch {
            at: registers.device_table + u64::from(from.id) * dte::SIZE,
            words: dte::WORDS,
            unit: registers.fetch_unit,
            kind: DEVICE_TABLE,
            cached: true,
        });
    };
    let [w0, w1, w2, w3, ..] = *first;
    let entry = Dte([w0, w1, w2, w3]);
    if !entry.is(dte::V) {
        return Next::Bypass;
    }
    if !entry.is(dte::TV) {
        return Next::Abort("V=1 TV=0");
    }
    if !entry.is(dte::IR) && !entry.is(dte::IW) {
        return Next::Abort("IR=0 IW=0");
    }
    match from.pasid {
        Some(_) if !entry.is(dte::GV) => Next::Abort("PASID with GV=0"),
        Some(pasid) => guest(registers, &entry, pasid, V2_SIGNED, read),
        None if entry.is(dte::GV) && entry.is(dte::GIOV) => guest(registers, &entry, 0, V2, read),
        None => match host(&entry) {
            Ok(None) => Next::Bypass,
            Ok(Some(first)) => Next::Translate(Translation {
                tag: tag::host(domain(&entry)),
                first,
                second: None,
                marks: marks(&entry),
            }),
            Err(()) => Next::Abort("Mode is reserved"),
        },
    }
}

/// Whether a device table entry lets a device have translations of its own. That V=0 does not is a
/// choice.
pub(super) fn allows_ats(words: &Words) -> bool {
    let [w0, w1, w2, w3, ..] = *words;
    let entry = Dte([w0, w1, w2, w3]);
    let may = entry.is(dte::IR) || entry.is(dte::IW);
    entry.is(dte::V) && entry.is(dte::TV) && entry.is(dte::I) && may
}

fn domain(entry: &Dte) -> u16 {
    // CAST: The field has 16 bits.
    entry.get(dte::DOMAIN_ID) as u16
}

/// Whether what is written is marked in the host page table.
fn marks(entry: &Dte) -> bool {
    entry.get(dte::HAD) == dte::HAD_DIRTY
}

/// The host page table, if there is one.
fn host(entry: &Dte) -> Result<Option<Stage>, ()> {
    match entry.get(dte::MODE) {
        0 => Ok(None),
        7 => Err(()),
        mode => Ok(Some(Stage {
            root: entry.host_root(),
            levels: mode as u32,
            format: V1,
        })),
    }
}

fn guest(registers: &AmdVi, entry: &Dte, pasid: u32, format: u8, read: &[Words]) -> Next {
    let glx = entry.get(dte::GLX) as u32;
    let Ok(second) = host(entry) else {
        return Next::Abort("Mode is reserved");
    };
    if glx > registers.glx_max {
        return Next::Abort("GLX is not supported");
    }
    if pasid.checked_shr(9 * (glx + 1)).unwrap_or(0) != 0 {
        return Next::Abort("PASID beyond the GCR3 table");
    }
    let levels = match entry.get(dte::GUEST_PAGING_MODE) {
        mode @ 0..=1 => mode as u32 + 4,
        _ => return Next::Abort("guest paging mode is reserved"),
    };
    let mut table = entry.gcr3();
    let mut read = read.iter();
    for level in (0..=glx).rev() {
        let Some([entry_of_level, ..]) = read.next() else {
            return Next::Fetch(Fetch {
                at: table + dte::gcr3_index(pasid, level) * 8,
                words: 1,
                unit: 1,
                kind: gcr3_kind(domain(entry)),
                cached: true,
            });
        };
        if entry_of_level & dte::GCR3_VALID == 0 {
            return Next::Abort("GCR3 entry is not valid");
        }
        table = entry_of_level & dte::GCR3_ADDRESS;
    }
    Next::Translate(Translation {
        tag: tag::guest(domain(entry), pasid),
        first: Stage {
            root: table,
            levels,
            format,
        },
        second,
        marks: marks(entry),
    })
}
