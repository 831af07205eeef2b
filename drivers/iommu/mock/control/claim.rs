// SPDX-License-Identifier: GPL-2.0

//! Which PCI functions an instance is to claim, as a user writes them.

use super::{
    refuse,
    text::Written, //
};
use crate::ccore::PciAddress;
use kernel::{
    fmt,
    prelude::{
        fmt,
        *, //
    },
};

/// What says that the user knows of the risk.
pub(super) const RISK: &str = "claim_pci_without_dma_isolation=1";

/// The most functions of an instance; they fit into one attribute.
const MAX_CLAIMS: usize = 64;

/// Reads a list like `0000:00:03.0 0000:00:04.0`. It may be empty.
///
/// # Errors
///
/// EINVAL for what is none, or names a function twice; ENOSPC for too many; ENOMEM.
pub(super) fn read(written: Written<'_>) -> Result<KVec<PciAddress>> {
    let mut functions = KVec::new();
    for word in written.word().split_ascii_whitespace() {
        let function =
            address(word).ok_or_else(|| written.refuse(fmt!("must be like 0000:00:03.0")))?;
        if functions.contains(&function) {
            return Err(written.refuse(fmt!("{function} is there twice")));
        }
        if functions.len() == MAX_CLAIMS {
            let why = fmt!("claim: an instance has up to {MAX_CLAIMS} functions");
            return Err(refuse(ENOSPC, why));
        }
        functions.push(function, GFP_KERNEL)?;
    }
    Ok(functions)
}

/// Reads `DOMAIN:BUS:DEVICE.FUNCTION`, each in hexadecimal with all its digits.
fn address(word: &str) -> Option<PciAddress> {
    let (domain, rest) = word.split_once(':')?;
    let (bus, rest) = rest.split_once(':')?;
    let (device, function) = rest.split_once('.')?;
    let device = field(device, 2).filter(|device| *device < 32)?;
    let function = field(function, 1).filter(|function| *function < 8)?;
    Some(PciAddress {
        domain: field(domain, 4)?,
        bus: field(bus, 2)?.try_into().ok()?,
        devfn: (device << 3 | function).try_into().ok()?,
    })
}

fn field(text: &str, digits: usize) -> Option<u16> {
    let plain = text.len() == digits && text.bytes().all(|c| c.is_ascii_hexdigit());
    plain.then(|| u16::from_str_radix(text, 16).ok())?
}

/// The list as it is read, with a newline.
pub(super) struct Shown<'a>(pub(super) &'a [PciAddress]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, function) in self.0.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            f.write_fmt(fmt!("{space}{function}"))?;
        }
        f.write_str("\n")
    }
}
