// SPDX-License-Identifier: GPL-2.0

//! The default domain: its type as in sysfs, and its use by a driver.

use super::{
    super::{
        endpoint::Endpoint,
        ffi, //
    },
    attach::LiveGroup, //
};
use crate::iommu::DefaultType;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// Room for the longest name of a type.
const NAME: usize = 16;

/// What the attribute calls the types.
const NAMES: [(&CStr, DefaultType); 3] = [
    (c"identity", DefaultType::Identity),
    (c"DMA", DefaultType::Dma),
    (c"DMA-FQ", DefaultType::DmaLazy),
];

/// Whether the core defers the attach of devices that ask for it until they are used.
pub(crate) fn is_kdump() -> bool {
    #[cfg(CONFIG_CRASH_DUMP)]
    return ffi::elfcorehdr_addr != u64::MAX;
    #[cfg(not(CONFIG_CRASH_DUMP))]
    false
}

impl LiveGroup<'_> {
    /// Writes `/sys/kernel/iommu_groups/ID/type`; `None` is "auto".
    ///
    /// # Errors
    ///
    /// EPERM while the devices are used; EBUSY while one is being reset; EINVAL where one needs
    /// another type; else the driver's. All of them are errors of the core's own function.
    pub(crate) fn set_default_type(&self, wanted: Option<DefaultType>) -> Result {
        let name = NAMES.into_iter().find(|(_, what)| Some(*what) == wanted);
        let name = name.map_or(c"auto", |(name, _)| name);
        // SAFETY: The device of an endpoint is valid and a member of a group.
        let answer = unsafe { ffi::group_type_store(self.member(), name.as_char_ptr()) };
        match answer < 0 {
            // CAST: An errno is small.
            true => to_result(answer as c_int),
            false => Ok(()),
        }
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// EINVAL where the group has no default domain, ENOMEM.
    pub(crate) fn default_type(&self) -> Result<DefaultType> {
        let mut name = [0; NAME];
        // SAFETY: As above, and `name` has that much room.
        let length = unsafe { ffi::group_type_show(self.member(), name.as_mut_ptr().cast(), NAME) };
        if length < 0 {
            // CAST: An errno is small.
            to_result(length as c_int)?;
        }
        let name = CStr::from_bytes_until_nul(&name).map_err(|_| EINVAL)?;
        let known = NAMES.into_iter().find(|(known, _)| *known == name);
        known.map(|(_, what)| what).ok_or(EINVAL)
    }
}

impl Endpoint {
    /// Tries to map a page for the device's DMA, as its driver does, which attaches a device whose
    /// attach was deferred. Whether that worked is not said.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn use_dma(&self) -> Result {
        // SAFETY: The device of an endpoint is valid.
        to_result(unsafe { ffi::use_dma(self.device()) })
    }
}
