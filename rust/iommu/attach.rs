// SPDX-License-Identifier: GPL-2.0

//! The answers of a driver that is asked to attach a domain.

use crate::kapi::errno;
use kernel::{
    alloc::AllocError,
    prelude::*, //
};

/// An attach that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attached {
    /// The device's DMA goes where the domain says.
    Translating,
    /// The environment has fenced the device: it is gone, or firmware is recovering it.
    ///
    /// Its DMA is blocked, nothing refers to the former domain, and no kernel bug is involved, so
    /// no WARN may follow (requirement R0.5 of the 2022 s390 thread).
    Fenced,
}

/// An attach that failed. The device keeps the domain it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttachError {
    /// Soft: this domain does not fit this device, but one allocated for the device will.
    ///
    /// Silent and without side effect. EMEDIUMTYPE on our surface, EINVAL at the kernel's core
    /// since Linux 6.2.
    Incompatible,
    /// Hard: no other domain would fare better; a search stops.
    Failed(Error),
}

impl From<Error> for AttachError {
    /// Takes an error of some helper. A helper knows nothing of domains, so none of its errors is
    /// soft: EMEDIUMTYPE becomes ENODEV.
    fn from(error: Error) -> Self {
        if error == errno::emediumtype() {
            return Self::Failed(ENODEV);
        }
        Self::Failed(error)
    }
}

impl From<AllocError> for AttachError {
    fn from(_: AllocError) -> Self {
        Self::Failed(ENOMEM)
    }
}

impl From<AttachError> for Error {
    fn from(error: AttachError) -> Self {
        match error {
            AttachError::Incompatible => errno::emediumtype(),
            AttachError::Failed(error) => error,
        }
    }
}
