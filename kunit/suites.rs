// SPDX-License-Identifier: GPL-2.0

//! All suites, and what they are run with.

mod harness;

use crate::kapi::kunit;
use kernel::fmt;

/// What a case is run with.
pub(crate) struct Param {
    /// Members of the group under test.
    pub(crate) members: u32,
}

impl kunit::Param for Param {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} members", self.members)
    }
}

/// Group sizes that every group operation is tested with.
pub(crate) const SIZES: [Param; 3] = [
    Param { members: 1 },
    Param { members: 2 },
    Param { members: 5 },
];
