// SPDX-License-Identifier: GPL-2.0

//! Resets of PCI functions with ATS.

use super::super::{
    endpoint::Endpoint,
    ffi,
    pci::PciAddress, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

impl PciAddress {
    /// Where the so many-th PCI function is that has ATS and no driver.
    pub(crate) fn with_ats(nth: u32) -> Option<Self> {
        let found = ffi::ats_function(nth);
        let [domain_high, domain, bus, devfn] = found.to_be_bytes();
        (found != u32::MAX).then_some(Self {
            domain: u16::from_be_bytes([domain_high, domain]),
            bus,
            devfn,
        })
    }
}

impl Endpoint {
    /// `pci_dev_reset_iommu_prepare()`. Nests.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP for a platform device; else those of the blocking domain and of the driver.
    pub(crate) fn reset_prepare(&self) -> Result {
        // SAFETY: The device of an endpoint is valid, and its group is not left meanwhile.
        to_result(unsafe { ffi::reset_prepare(self.device()) })
    }

    /// `pci_dev_reset_iommu_done()`.
    pub(crate) fn reset_done(&self) {
        // SAFETY: As above.
        unsafe { ffi::reset_done(self.device()) };
    }
}
