// SPDX-License-Identifier: GPL-2.0

//! Why an exploration ends before its time.

use kernel::{
    alloc::AllocError,
    prelude::*, //
};

/// See the module.
#[derive(Debug)]
pub(super) enum Stop {
    /// There is no memory.
    Error(Error),
    /// The case does not fit; what of it does not.
    Full(&'static str),
}

/// What may end an exploration.
pub(super) type Go<T = ()> = core::result::Result<T, Stop>;

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<AllocError> for Stop {
    fn from(error: AllocError) -> Self {
        Self::Error(error.into())
    }
}
