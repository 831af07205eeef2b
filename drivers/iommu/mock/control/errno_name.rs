// SPDX-License-Identifier: GPL-2.0

//! Error numbers by name.

use super::text::Written;
use kernel::{
    bindings,
    fmt,
    prelude::*, //
};

/// Those an IOMMU driver might return. Others have to be given as numbers.
const NAMES: &[(&str, u32)] = &[
    ("EPERM", bindings::EPERM),
    ("ENOENT", bindings::ENOENT),
    ("EINTR", bindings::EINTR),
    ("EIO", bindings::EIO),
    ("ENXIO", bindings::ENXIO),
    ("E2BIG", bindings::E2BIG),
    ("EAGAIN", bindings::EAGAIN),
    ("ENOMEM", bindings::ENOMEM),
    ("EACCES", bindings::EACCES),
    ("EFAULT", bindings::EFAULT),
    ("EBUSY", bindings::EBUSY),
    ("EEXIST", bindings::EEXIST),
    ("ENODEV", bindings::ENODEV),
    ("EINVAL", bindings::EINVAL),
    ("ENOSPC", bindings::ENOSPC),
    ("ERANGE", bindings::ERANGE),
    ("ENODATA", bindings::ENODATA),
    ("EOVERFLOW", bindings::EOVERFLOW),
    ("EOPNOTSUPP", bindings::EOPNOTSUPP),
    ("EADDRINUSE", bindings::EADDRINUSE),
    ("ETIMEDOUT", bindings::ETIMEDOUT),
    ("EMEDIUMTYPE", bindings::EMEDIUMTYPE),
];

/// The largest that means something outside of the kernel.
const LAST: u32 = bindings::EHWPOISON;

/// An error number.
#[derive(Clone, Copy)]
pub(super) struct Errno(u32);

impl Errno {
    /// What a rule has in the beginning.
    pub(super) const DEFAULT: Self = Self(bindings::ENOSPC);

    /// Understands a name or a number.
    ///
    /// # Errors
    ///
    /// EINVAL where it is neither.
    pub(super) fn parse(written: Written<'_>) -> Result<Self> {
        let word = written.word();
        if let Some((_, number)) = NAMES.iter().find(|(name, _)| *name == word) {
            return Ok(Self(*number));
        }
        let number = word.parse().ok().filter(|n| (1..=LAST).contains(n));
        match number {
            Some(number) => Ok(Self(number)),
            None => Err(written.refuse(fmt!("no errno of that name; or write 1 to {LAST}"))),
        }
    }

    /// As a result carries it.
    pub(super) fn error(self) -> Error {
        // CAST: It is at most `LAST`.
        Error::from_errno(-(self.0 as c_int))
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => f.write_str(name),
            None => fmt::Display::fmt(&self.0, f),
        }
    }
}
