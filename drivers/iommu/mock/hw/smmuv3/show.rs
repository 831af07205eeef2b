// SPDX-License-Identifier: GPL-2.0

//! Entries, commands and keys in words.

use super::{
    super::model::{
        Command,
        Tag,
        Words, //
    },
    cd,
    command::{
        self,
        op, //
    },
    ste::{
        self,
        config,
        s1dss, //
    },
    tag, //
};
use kernel::fmt;

/// The name of a command.
fn name(words: &[u64]) -> &'static str {
    match command::OP.get(words) {
        op::PREFETCH_CONFIG => "CMD_PREFETCH_CONFIG",
        op::CFGI_STE => "CMD_CFGI_STE",
        op::CFGI_STE_RANGE if command::RANGE.get(words) == command::RANGE_ALL => "CMD_CFGI_ALL",
        op::CFGI_STE_RANGE => "CMD_CFGI_STE_RANGE",
        op::CFGI_CD => "CMD_CFGI_CD",
        op::CFGI_CD_ALL => "CMD_CFGI_CD_ALL",
        op::TLBI_NH_ALL => "CMD_TLBI_NH_ALL",
        op::TLBI_NH_ASID => "CMD_TLBI_NH_ASID",
        op::TLBI_NH_VA => "CMD_TLBI_NH_VA",
        op::TLBI_S12_VMALL => "CMD_TLBI_S12_VMALL",
        op::TLBI_S2_IPA => "CMD_TLBI_S2_IPA",
        op::TLBI_NSNH_ALL => "CMD_TLBI_NSNH_ALL",
        op::ATC_INV => "CMD_ATC_INV",
        _ => "CMD_?",
    }
}

/// Writes a command.
pub(super) fn command(command: Command, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let words = &command.0;
    let opcode = command::OP.get(words);
    f.write_str(name(words))?;
    match opcode {
        // Those about the TLB know no streams.
        op::TLBI_NH_ALL..op::ATC_INV => (),
        op::CFGI_STE_RANGE if command::RANGE.get(words) == command::RANGE_ALL => (),
        _ => write!(f, " StreamID {}", command::SID.get(words))?,
    }
    match opcode {
        op::CFGI_CD => write!(f, " SubstreamID {}", command::SSID.get(words)),
        op::ATC_INV if command::SSV.is_set(words) => {
            write!(f, " SubstreamID {}", command::SSID.get(words))
        }
        op::TLBI_NH_ALL | op::TLBI_S12_VMALL => write!(f, " VMID {}", command::VMID.get(words)),
        op::TLBI_NH_ASID => show_key(words, f),
        op::TLBI_NH_VA => {
            show_key(words, f)?;
            show_range(words, f)
        }
        op::TLBI_S2_IPA => {
            write!(f, " VMID {}", command::VMID.get(words))?;
            show_range(words, f)
        }
        _ => Ok(()),
    }
}

fn show_key(words: &[u64], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (vmid, asid) = (command::VMID.get(words), command::ASID.get(words));
    write!(f, " VMID {vmid} ASID {asid}")
}

fn show_range(words: &[u64], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, " {:#x}", command::ADDRESS.address(words))?;
    if command::TG.get(words) != 0 {
        let (num, scale) = (command::NUM.get(words) + 1, command::SCALE.get(words));
        write!(f, " +{num}<<{scale} pages")?;
    }
    match command::LEAF.is_set(words) {
        true => f.write_str(" Leaf"),
        false => Ok(()),
    }
}

/// Writes a key of the TLB.
pub(super) fn tag(of: Tag, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "VMID {}", tag::vmid(of))?;
    match tag::asid(of) {
        Some(asid) => write!(f, " ASID {asid}"),
        None => Ok(()),
    }
}

/// Writes an STE, as far as hardware looks at it.
pub(super) fn ste(words: &Words, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !ste::V.is_set(words) {
        return f.write_str("STE V=0");
    }
    let config = ste::CONFIG.get(words);
    match config {
        config::BYPASS => return f.write_str("STE bypass"),
        config::S1_TRANS => f.write_str("STE S1")?,
        config::S2_TRANS => f.write_str("STE S2")?,
        config::NESTED => f.write_str("STE nested")?,
        _ => return f.write_str("STE abort"),
    }
    if config & config::STAGE1 != 0 {
        let dss = match ste::S1DSS.get(words) {
            s1dss::TERMINATE => "terminate",
            s1dss::BYPASS => "bypass",
            s1dss::SSID0 => "SSID0",
            _ => "reserved",
        };
        let table = ste::S1_CONTEXT_PTR.address(words);
        let most = ste::S1CDMAX.get(words);
        write!(f, " S1ContextPtr={table:#x} S1CDMax={most} S1DSS={dss}")?;
    }
    write!(f, " S2VMID={}", ste::S2VMID.get(words))?;
    if config & config::STAGE2 != 0 {
        let (root, size, start) = (
            ste::S2TTB.address(words),
            ste::S2T0SZ.get(words),
            ste::S2SL0.get(words),
        );
        write!(f, " S2TTB={root:#x} S2T0SZ={size} S2SL0={start}")?;
    }
    write!(f, " EATS={}", ste::EATS.get(words))
}

/// Writes a CD, as far as hardware looks at it.
pub(super) fn cd(words: &Words, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !cd::V.is_set(words) {
        return f.write_str("CD V=0");
    }
    write!(f, "CD ASID={}", cd::ASID.get(words))?;
    match cd::EPD0.is_set(words) {
        true => f.write_str(" EPD0"),
        false => {
            let (root, size) = (cd::TTB0.address(words), cd::T0SZ.get(words));
            write!(f, " TTB0={root:#x} T0SZ={size}")
        }
    }
}
