// SPDX-License-Identifier: GPL-2.0

//! What the 2022 thread proposes where firmware cannot be fixed: sleep and retry while it recovers
//! the function.
//!
//! Otherwise as Linux, but with the function on a list as long as hardware can translate by the
//! space, and with a registration that is gone when it has to be. Where firmware refuses the new
//! one, the function is blocked.

use super::{
    super::{
        super::{
            hw::s390::instruction::op,
            unit::Target, //
        },
        function::{
            Change,
            Outcome, //
        },
        space::S390Space, //
    },
    finish, //
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
    let cleared = change.patiently(|change| change.clear());
    if cleared == Outcome::Refused {
        // Nothing has changed.
        return Err(AttachError::Failed(EIO));
    }
    change.unlist(change.on());
    change.set(&Target::Blocked);
    if matches!(to, Target::Blocked) {
        return Ok(cleared.attached());
    }
    change.list(to);
    let outcome = change.patiently(|change| change.register(op::REG_IOAT, to).into());
    if outcome == Outcome::Refused {
        change.unlist(to);
        return Err(AttachError::Failed(EIO));
    }
    change.set(to);
    finish(change, to, outcome.attached())
}
