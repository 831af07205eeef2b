// SPDX-License-Identifier: GPL-2.0

//! What can be asked of either core.

use super::misuse::{
    How,
    Misuse, //
};
use crate::{
    iommu::{
        DefaultType,
        Pasid, //
    },
    mark,
    rig::{
        DomainNo,
        HandleNo,
        Rig, //
    },
};
use kernel::prelude::*;

/// An operation. Devices are named by their place among those present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Attach {
        domain: DomainNo,
        handle: Option<HandleNo>,
    },
    Replace {
        domain: DomainNo,
        handle: HandleNo,
    },
    Detach {
        domain: DomainNo,
    },
    Claim,
    Release,
    ClaimDevice {
        at: u32,
        owner: u64,
    },
    ReleaseDevice {
        at: u32,
    },
    Bind {
        at: u32,
    },
    Unbind {
        at: u32,
    },
    AttachPasid {
        at: u32,
        domain: DomainNo,
        pasid: Pasid,
    },
    ReplacePasid {
        at: u32,
        domain: DomainNo,
        pasid: Pasid,
        handle: HandleNo,
    },
    DetachPasid {
        at: u32,
        domain: DomainNo,
        pasid: Pasid,
    },
    Plug {
        id: u32,
    },
    Unplug {
        at: u32,
    },
    Map {
        domain: DomainNo,
        pages: Pages,
    },
    Unmap {
        domain: DomainNo,
        pages: Pages,
    },
    SetType {
        wanted: Option<DefaultType>,
    },
    ResetPrepare {
        at: u32,
    },
    ResetDone {
        at: u32,
    },
    UseDma {
        at: u32,
    },
    /// On the kernel's core alone.
    Misuse {
        misuse: Misuse,
        how: How,
    },
}

/// A range of pages in the window of a domain that is neither marked nor left empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pages {
    pub(super) first: u64,
    pub(super) count: u64,
}

impl Pages {
    /// Pages of the window.
    pub(super) const WINDOW: u32 = 6;

    /// Where a page of the window is.
    pub(super) fn iova(page: u64) -> u64 {
        mark::IOVA + 0x10_0000 + page * mark::SIZE
    }

    /// Where it leads to, which depends on the domain.
    fn paddr(self, domain: DomainNo) -> u64 {
        (1 << 40) + ((domain.0 as u64) << 30) + self.first * mark::SIZE
    }

    fn size(self) -> u64 {
        self.count * mark::SIZE
    }
}

impl Op {
    /// Does it, unless it is misuse. Returns the bytes unmapped.
    pub(super) fn perform(self, rig: &mut dyn Rig) -> Result<u64> {
        if let Op::Unmap { domain, pages } = self {
            return Ok(rig.unmap(domain, Pages::iova(pages.first), pages.size()));
        }
        self.perform_on(rig).map(|()| 0)
    }

    fn perform_on(self, rig: &mut dyn Rig) -> Result {
        match self {
            Op::Attach { domain, handle } => rig.attach(domain, handle),
            Op::Replace { domain, handle } => rig.replace(domain, handle),
            Op::Detach { domain } => {
                rig.detach(domain);
                Ok(())
            }
            Op::Claim => rig.claim(),
            Op::Release => {
                rig.release();
                Ok(())
            }
            Op::ClaimDevice { at, owner } => rig.claim_device(at, owner),
            Op::ReleaseDevice { at } => {
                rig.release_device(at);
                Ok(())
            }
            Op::Bind { at } => rig.bind(at),
            Op::Unbind { at } => {
                rig.unbind(at);
                Ok(())
            }
            Op::AttachPasid { at, domain, pasid } => rig.attach_pasid(at, domain, pasid),
            Op::ReplacePasid {
                at,
                domain,
                pasid,
                handle,
            } => rig.replace_pasid(at, domain, pasid, handle),
            Op::DetachPasid { at, domain, pasid } => {
                rig.detach_pasid(at, domain, pasid);
                Ok(())
            }
            // The bus keeps the errno for itself.
            Op::Plug { id } => rig.plug(id).map_err(|_| ENODEV),
            Op::Unplug { at } => rig.unplug(at),
            Op::Map { domain, pages } => {
                let (iova, paddr) = (Pages::iova(pages.first), pages.paddr(domain));
                rig.map(domain, iova, paddr, pages.size())
            }
            Op::SetType { wanted } => rig.set_type(wanted),
            Op::ResetPrepare { at } => rig.reset_prepare(at),
            Op::ResetDone { at } => {
                rig.reset_done(at);
                Ok(())
            }
            Op::UseDma { at } => rig.use_dma(at),
            Op::Unmap { .. } | Op::Misuse { .. } => Err(EINVAL),
        }
    }

    /// Its row in [`NAMES`]; misuse has none.
    pub(super) fn row(self) -> usize {
        match self {
            Op::Attach { .. } => 0,
            Op::Replace { .. } => 1,
            Op::Detach { .. } => 2,
            Op::Claim => 3,
            Op::Release => 4,
            Op::ClaimDevice { .. } => 5,
            Op::ReleaseDevice { .. } => 6,
            Op::Bind { .. } => 7,
            Op::Unbind { .. } => 8,
            Op::AttachPasid { .. } => 9,
            Op::ReplacePasid { .. } => 10,
            Op::DetachPasid { .. } => 11,
            Op::Unplug { .. } => 12,
            Op::SetType { .. } => 13,
            Op::ResetPrepare { .. } => 14,
            Op::ResetDone { .. } => 15,
            Op::UseDma { .. } => 16,
            Op::Plug { .. } => 17,
            Op::Map { .. } => 18,
            Op::Unmap { .. } => 19,
            Op::Misuse { .. } => NAMES.len(),
        }
    }
}

/// What the operations are called.
pub(super) const NAMES: [&str; 20] = [
    "attach",
    "replace",
    "detach",
    "claim",
    "release",
    "claim by a device",
    "release by a device",
    "bind",
    "unbind",
    "attach a PASID",
    "replace a PASID",
    "detach a PASID",
    "unplug",
    "set the type",
    "begin a reset",
    "end a reset",
    "use DMA",
    "plug",
    "map",
    "unmap",
];
