// SPDX-License-Identifier: GPL-2.0

//! The hardware of AMD-Vi: a device table of 256-bit entries, GCR3 tables, host (v1) and guest (v2)
//! page tables, and a command buffer.
//!
//! Source: AMD I/O Virtualization Technology (IOMMU) Specification, 48882; names of fields as there
//! and in [`amd_iommu_types.h`](srctree/drivers/iommu/amd/amd_iommu_types.h). Nothing is encrypted
//! (SME, SNP).

pub(crate) mod command;
pub(crate) mod dte;
pub(crate) mod field;
mod lookup;
mod show;
pub(crate) mod tag;
mod walk;

use super::{
    model::{
        Command,
        Fetch,
        Model,
        Next,
        Requester,
        Tag,
        Translation,
        Words, //
    },
    Memory, //
};
use kernel::fmt;

/// Format of a stage: host page tables, as deep as Mode says.
pub(crate) const V1: u8 = 1;

/// Format of a stage: guest page tables below GCR3\[0\] for requests without PASID, whose addresses
/// have no sign.
pub(crate) const V2: u8 = 2;

/// Format of a stage: guest page tables of a PASID.
pub(crate) const V2_SIGNED: u8 = 3;

/// The registers of one instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AmdVi {
    /// Device Table Base Address.
    pub(crate) device_table: u64,
    /// Entries in the device table.
    pub(crate) devices: u32,
    /// Words of a device table entry that are read in one go. Linux relies on 4; with 2, its order
    /// of stores can be seen.
    pub(crate) fetch_unit: u32,
    /// GLXSup: the largest GLX.
    pub(crate) glx_max: u32,
    /// Whether INVALIDATE_IOMMU_PAGES for a range of host addresses (GN=0) also drops guest
    /// translations of the domain, of which hardware cannot tell the host addresses. It does in any
    /// case if the range is all there is.
    pub(crate) host_range_drops_guest: bool,
    /// Commands are carried out in the order in which they are in the buffer. Linux relies on it:
    /// it waits once behind INVALIDATE_IOMMU_PAGES or INVALIDATE_DEVTAB_ENTRY and
    /// INVALIDATE_IOTLB_PAGES. The specification was not at hand.
    pub(crate) in_order: bool,
    /// In which bits the names of one endpoint differ: it has one IOTLB for all of them, which goes
    /// by the name in which these are 0.
    pub(crate) alias_bits: u32,
}

impl AmdVi {
    /// The registers with one thing that is not certain chosen otherwise: the words of a device
    /// table entry that are read in one go.
    pub(crate) fn with_fetch_unit(self, fetch_unit: u32) -> Self {
        Self { fetch_unit, ..self }
    }
}

impl Model for AmdVi {
    fn next(&self, from: Requester, read: &[Words]) -> Next {
        lookup::next(self, from, read)
    }

    fn walk(
        &self,
        memory: &dyn Memory,
        by: &Translation,
        iova: u64,
        visit: &mut dyn FnMut(u64),
    ) -> Option<u64> {
        match by.first.format {
            V1 => walk::host(memory, &by.first, iova, visit),
            _ => walk::guest(memory, &by.first, by.second.as_ref(), iova, visit),
        }
    }

    fn written(&self, by: &Translation, word: u64) -> Option<u64> {
        walk::written(by, word)
    }

    fn drops_entry(&self, command: Command, from: Requester, of: &Fetch, _words: &Words) -> bool {
        command::drops_entry(command, from, of)
    }

    fn drops_translation(&self, command: Command, tag: Tag, iova: u64) -> bool {
        command::drops_translation(command, tag, iova, self.host_range_drops_guest)
    }

    fn drops_tables(&self, command: Command, tag: Tag, iova: u64) -> bool {
        command::has_pde(command) && self.drops_translation(command, tag, iova)
    }

    fn ats(&self, _from: Requester, read: &[Words]) -> bool {
        // What is translated already is not looked up in the GCR3 table.
        read.first().is_some_and(lookup::allows_ats)
    }

    fn drops_kept(&self, command: Command, from: Requester, iova: u64) -> bool {
        let id = from.id & !self.alias_bits;
        command::drops_kept(command, Requester { id, ..from }, iova)
    }

    fn overtakes(&self, _later: Command, _earlier: Command) -> bool {
        !self.in_order
    }

    fn show_command(&self, command: Command, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show::command(command, f)
    }

    fn show_tag(&self, tag: Tag, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show::tag(tag, f)
    }

    fn show_entry(&self, kind: u8, words: &Words, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show::entry(kind, words, f)
    }
}
