// SPDX-License-Identifier: GPL-2.0

//! The ways to move a function from one address space to another.

mod book;
mod linux;
mod reregister;
mod retry;

use super::{
    super::unit::Target,
    function::Change,
    space::S390Space, //
};
use crate::iommu::{
    AttachError,
    Attached, //
};
use kernel::prelude::*;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// See [`linux`].
    Linux,
    /// See [`reregister`].
    Reregister,
    /// See [`retry`].
    Retry,
    /// See [`book`].
    Book,
}

impl Protocol {
    /// Their names, by number.
    pub(super) const NAMES: &'static [&'static str] = &["linux", "reregister", "retry", "book"];

    /// Which of them deregister before they know that firmware takes the new table.
    pub(super) const FAIL_BLOCKED: &'static [bool] = &[true, false, true, false];

    /// By number.
    ///
    /// # Errors
    ///
    /// EINVAL.
    pub(super) fn new(number: u32) -> Result<Self> {
        Ok(match number {
            0 => Self::Linux,
            1 => Self::Reregister,
            2 => Self::Retry,
            3 => Self::Book,
            _ => return Err(EINVAL),
        })
    }

    /// Moves a function.
    ///
    /// # Errors
    ///
    /// EIO where firmware refuses; what the function is on then, the protocol says. ENOMEM where a
    /// hypervisor cannot shadow the new space; the function is blocked then.
    pub(super) fn attach(
        self,
        change: &mut Change<'_>,
        to: &Target<S390Space>,
    ) -> Result<Attached, AttachError> {
        match self {
            Self::Linux => linux::attach(change, to),
            Self::Reregister => reregister::attach(change, to),
            Self::Retry => retry::attach(change, to),
            Self::Book => book::attach(change, to),
        }
    }
}

/// Ends a move that firmware has accepted, by telling a hypervisor what is mapped; or blocks.
fn finish(
    change: &mut Change<'_>,
    to: &Target<S390Space>,
    attached: Attached,
) -> Result<Attached, AttachError> {
    if attached == Attached::Fenced {
        return Ok(attached);
    }
    change.refresh(to).map_err(|error| {
        change.clear();
        change.unlist(to);
        change.set(&Target::Blocked);
        AttachError::Failed(error)
    })?;
    Ok(attached)
}
