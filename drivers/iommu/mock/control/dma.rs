// SPDX-License-Identifier: GPL-2.0

//! One DMA access of an endpoint, as a user asks for it.

use super::{
    text::Written,
    MAX_ENDPOINTS, //
};
use crate::{
    iommu::EndpointId,
    mock::hw::{
        Access,
        Reach, //
    },
};
use kernel::{
    fmt,
    prelude::{
        fmt,
        *, //
    },
};

/// Who does what, and where.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) endpoint: EndpointId,
    pub(super) access: Access,
    pub(super) iova: u64,
}

/// Reads `ENDPOINT read|write IOVA`, with the last in hexadecimal.
///
/// # Errors
///
/// EINVAL for what is none.
pub(super) fn read(written: Written<'_>) -> Result<Asked> {
    parse(written.word()).ok_or_else(|| written.refuse(fmt!("must be like 0 write 0x1000")))
}

fn parse(text: &str) -> Option<Asked> {
    let mut words = text.split_ascii_whitespace();
    let endpoint = words
        .next()?
        .parse()
        .ok()
        .filter(|id| *id < MAX_ENDPOINTS)?;
    let access = match words.next()? {
        "read" => Access::Read,
        "write" => Access::Write,
        _ => return None,
    };
    let iova = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
    words.next().is_none().then_some(Asked {
        endpoint: EndpointId(endpoint),
        access,
        iova,
    })
}

/// Where it went, with a newline; nothing where none was asked for.
pub(super) struct Shown(pub(super) Option<Reach>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("\n"),
            Some(Reach::Aborted) => f.write_str("aborted\n"),
            Some(Reach::Memory(at)) => f.write_fmt(fmt!("{at:#x}\n")),
        }
    }
}
