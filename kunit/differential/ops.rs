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
    Unplug {
        at: u32,
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

impl Op {
    /// Does it, unless it is misuse.
    pub(super) fn perform(self, rig: &mut dyn Rig) -> Result {
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
            Op::Unplug { at } => rig.unplug(at),
            Op::SetType { wanted } => rig.set_type(wanted),
            Op::ResetPrepare { at } => rig.reset_prepare(at),
            Op::ResetDone { at } => {
                rig.reset_done(at);
                Ok(())
            }
            Op::UseDma { at } => rig.use_dma(at),
            Op::Misuse { .. } => Err(EINVAL),
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
            Op::Misuse { .. } => NAMES.len(),
        }
    }
}

/// What the operations are called.
pub(super) const NAMES: [&str; 17] = [
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
];
