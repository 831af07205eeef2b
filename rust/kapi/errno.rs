// SPDX-License-Identifier: GPL-2.0

//! Error numbers that the `kernel` crate of Linux 7.2 does not name.
//!
//! C header: [`include/uapi/asm-generic/errno.h`](srctree/include/uapi/asm-generic/errno.h)

use kernel::{
    bindings,
    error::Error,
    prelude::*, //
};

/// "Wrong medium type": the domain does not fit the device, another one may.
///
/// Proposed for this purpose on the mailing list in 2022; see `Documentation/divergences.rst`.
pub(crate) fn emediumtype() -> Error {
    named(bindings::EMEDIUMTYPE)
}

/// "Operation not supported": the driver has no such callback.
pub(crate) fn eopnotsupp() -> Error {
    named(bindings::EOPNOTSUPP)
}

/// "Address already in use": the IOVA is mapped.
pub(crate) fn eaddrinuse() -> Error {
    named(bindings::EADDRINUSE)
}

fn named(errno: u32) -> Error {
    // CAST: Every errno is below 4096.
    Error::from_errno(-(errno as c_int))
}
