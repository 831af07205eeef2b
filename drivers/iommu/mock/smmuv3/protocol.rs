// SPDX-License-Identifier: GPL-2.0

//! Ways to change the CDs that hardware uses, and to leave a domain.

mod linux;
mod pointer_swap;

use super::{
    super::hw::{
        machine::Machine,
        model::Words,
        smmuv3::Smmuv3, //
    },
    stream::Stream,
};
use kernel::prelude::*;

/// A way to do it.
pub(super) struct Protocol {
    /// Its name.
    pub(super) name: &'static str,
    /// Tables of CDs that a stream needs.
    pub(super) tables: usize,
    /// A tag is flushed before its last user leaves the list of its domain. Else whoever unmaps in
    /// between finds nobody to flush for, and returns while the TLB still has what is unmapped.
    /// Nobody can use that, as no entry has the tag.
    pub(super) flush_first: bool,
    /// Makes a CD of a stream what is given, and returns when hardware knows of it.
    ///
    /// # Errors
    ///
    /// EFAULT where there is no such CD.
    pub(super) write_cd: fn(&Machine<Smmuv3>, &mut Stream, u32, &Words) -> Result,
}

/// All of them; the first is what Linux does.
pub(super) const PROTOCOLS: &[Protocol] = &[linux::PROTOCOL, pointer_swap::PROTOCOL];
