// SPDX-License-Identifier: GPL-2.0

//! What Linux does: off the list, DEREG_IOAT, blocked; then REG_IOAT, on the list.
//!
//! From when it is off the list to when it is deregistered, a function can translate by a space
//! that does not flush for it, and so it can from when it is registered to when it is on the list.
//! The answer to DEREG_IOAT is ignored, so where firmware refuses that, books say blocked and
//! hardware goes on. Where it refuses REG_IOAT, the function stays blocked.
//!
//! Source: `blocking_domain_attach_device()` and `s390_iommu_attach_device()` of
//! [`drivers/iommu/s390-iommu.c`](srctree/drivers/iommu/s390-iommu.c).

use super::super::{
    super::{
        hw::s390::instruction::op,
        unit::Target, //
    },
    function::{
        Change,
        Outcome, //
    },
    space::S390Space, //
};
use crate::iommu::{
    AttachError,
    Attached, //
};
use kernel::prelude::*;

pub(super) fn attach(
    change: &mut Change<'_>,
    to: &Target<S390Space>,
) -> Result<Attached, AttachError> {
    let mut outcome = Outcome::Done;
    if !matches!(change.on(), Target::Blocked) {
        change.unlist(change.on());
        outcome = change.deregister();
        change.set(&Target::Blocked);
    }
    if !matches!(to, Target::Blocked) {
        outcome = change.register(op::REG_IOAT, to).into();
        if outcome == Outcome::Refused {
            return Err(AttachError::Failed(EIO));
        }
        change.set(to);
        change.list(to);
    }
    Ok(outcome.attached())
}
