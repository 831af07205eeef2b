// SPDX-License-Identifier: GPL-2.0

//! Entries, commands and tags in the words of the manual.

use super::{
    super::model::{
        Command,
        Tag,
        Words, //
    },
    command::{
        covers,
        iotlb_pasid,
        ADDRESS,
        DEVICE_ID,
        DOMAIN_ID,
        GN,
        INVALIDATE_DEVTAB_ENTRY,
        INVALIDATE_IOMMU_ALL,
        INVALIDATE_IOMMU_PAGES,
        INVALIDATE_IOTLB_PAGES,
        OPCODE,
        PASID,
        PDE,
        S, //
    },
    dte::{
        self,
        Dte, //
    },
    lookup::DEVICE_TABLE,
    tag, //
};
use kernel::fmt;

/// See [`Model::show_command`](super::super::model::Model::show_command).
pub(super) fn command(command: Command, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Command(words) = command;
    match OPCODE.get(&words) {
        INVALIDATE_DEVTAB_ENTRY => {
            write!(
                f,
                "INVALIDATE_DEVTAB_ENTRY DeviceID {:#x}",
                DEVICE_ID.get(&words)
            )
        }
        INVALIDATE_IOMMU_PAGES => {
            let domain = DOMAIN_ID.get(&words);
            write!(f, "INVALIDATE_IOMMU_PAGES DomainID {domain}")?;
            if GN.get(&words) != 0 {
                write!(f, " PASID {}", PASID.get(&words))?;
            }
            show_range(command, f)?;
            match PDE.get(&words) {
                0 => Ok(()),
                _ => f.write_str(" PDE"),
            }
        }
        INVALIDATE_IOTLB_PAGES => {
            let device = DEVICE_ID.get(&words);
            write!(f, "INVALIDATE_IOTLB_PAGES DeviceID {device:#x}")?;
            if let Some(pasid) = iotlb_pasid(&words) {
                write!(f, " PASID {pasid}")?;
            }
            show_range(command, f)
        }
        INVALIDATE_IOMMU_ALL => f.write_str("INVALIDATE_IOMMU_ALL"),
        _ => write!(f, "unknown command {words:x?}"),
    }
}

fn show_range(command: Command, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let address = ADDRESS.get(&command.0) << 12;
    match (covers(command, None), S.get(&command.0)) {
        (true, _) => f.write_str(" all"),
        (false, 0) => write!(f, " {address:#x}"),
        (false, _) => write!(f, " {address:#x}/S"),
    }
}

/// See [`Model::show_tag`](super::super::model::Model::show_tag).
pub(super) fn tag(tag: Tag, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "DomainID {}", tag::domain(tag))?;
    match tag::pasid(tag) {
        None => Ok(()),
        Some(pasid) => write!(f, " PASID {pasid}"),
    }
}

/// See [`Model::show_entry`](super::super::model::Model::show_entry).
pub(super) fn entry(kind: u8, words: &Words, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let [w0, w1, w2, w3, ..] = *words;
    if kind != DEVICE_TABLE {
        return match w0 & dte::GCR3_VALID {
            0 => f.write_str("GCR3 entry: not valid"),
            _ => write!(f, "GCR3 entry: {:#x}", w0 & dte::GCR3_ADDRESS),
        };
    }
    let entry = Dte([w0, w1, w2, w3]);
    write!(f, "DTE: V={} TV={}", entry.get(dte::V), entry.get(dte::TV))?;
    if !entry.is(dte::V) || !entry.is(dte::TV) {
        return Ok(());
    }
    let (ir, iw) = (entry.get(dte::IR), entry.get(dte::IW));
    let (domain, mode) = (entry.get(dte::DOMAIN_ID), entry.get(dte::MODE));
    write!(f, " IR={ir} IW={iw} DomainID {domain} Mode={mode}")?;
    if mode != 0 {
        write!(f, " host root {:#x}", entry.host_root())?;
    }
    if entry.is(dte::GV) {
        let (giov, glx, gcr3) = (entry.get(dte::GIOV), entry.get(dte::GLX), entry.gcr3());
        let levels = entry.get(dte::GUEST_PAGING_MODE) + 4;
        write!(
            f,
            " GV=1 GIOV={giov} GLX={glx} GCR3 {gcr3:#x}, {levels} levels"
        )?;
    }
    Ok(())
}
