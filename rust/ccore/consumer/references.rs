// SPDX-License-Identifier: GPL-2.0

//! How many references there are on what the core counts, for tests of what it leaves behind.

use super::{
    super::{
        endpoint::Endpoint,
        ffi, //
    },
    attach::LiveGroup, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

impl LiveGroup<'_> {
    /// References on the group.
    ///
    /// # Errors
    ///
    /// ENODEV, ENOENT where sysfs does not know it.
    pub(crate) fn references(&self) -> Result<u32> {
        // SAFETY: The device of an endpoint is valid and a member of a group.
        let count = unsafe { ffi::group_references(self.member()) };
        match count < 0 {
            true => to_result(count).map(|()| 0),
            // CAST: It is not negative.
            false => Ok(count as u32),
        }
    }
}

impl Endpoint {
    /// References on the device.
    pub(crate) fn references(&self) -> u32 {
        // SAFETY: The device of an endpoint is valid.
        unsafe { ffi::device_references(self.device()) }
    }
}
