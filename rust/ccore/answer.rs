// SPDX-License-Identifier: GPL-2.0

//! The answers of a driver in the words of the kernel's core.

use crate::iommu::{
    AttachError,
    Attached, //
};
use kernel::prelude::*;

/// What `attach_dev` and `set_dev_pasid` return.
///
/// EINVAL is how the kernel says that a domain does not fit a device, so the soft error becomes
/// EINVAL, and a hard EINVAL becomes ENODEV, lest it be taken for soft. A fenced device is no
/// failure: its DMA is blocked and the core has nothing left to do.
pub(super) fn attached(answer: Result<Attached, AttachError>) -> c_int {
    match answer {
        Ok(Attached::Translating | Attached::Fenced) => 0,
        Err(error) => errno(error).to_errno(),
    }
}

/// The error that the kernel's core takes for `error`.
pub(super) fn errno(error: AttachError) -> Error {
    match error {
        AttachError::Incompatible => EINVAL,
        AttachError::Failed(error) if error == EINVAL => ENODEV,
        AttachError::Failed(error) => error,
    }
}
