// SPDX-License-Identifier: GPL-2.0

//! What keys a line of the TLB (IHI 0070, 3.17).
//!
//! Stage 1 lines have VMID and ASID, whether or not stage 2 comes behind; lines of stage 2 alone
//! only have a VMID. All are of Non-secure EL1.

use super::super::model::Tag;

const ASID_SHIFT: u32 = 16;
const STAGE1: u64 = 1 << 32;

/// Key of stage 1.
pub(crate) fn stage1(vmid: u16, asid: u16) -> Tag {
    Tag(STAGE1 | u64::from(asid) << ASID_SHIFT | u64::from(vmid))
}

/// Key of stage 2 alone.
pub(crate) fn stage2(vmid: u16) -> Tag {
    Tag(vmid.into())
}

/// The VMID of a key.
pub(crate) fn vmid(tag: Tag) -> u16 {
    tag.0 as u16
}

/// The ASID of a key, where there is one.
pub(crate) fn asid(tag: Tag) -> Option<u16> {
    (tag.0 & STAGE1 != 0).then_some((tag.0 >> ASID_SHIFT) as u16)
}
