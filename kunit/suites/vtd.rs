// SPDX-License-Identifier: GPL-2.0

//! Intel VT-d: words against numbers worked out by hand from the manual, what every descriptor
//! makes caches forget, and the driver on live hardware with each protocol.

mod device_tlb;
mod forget;
mod layout;
mod live;
mod protocol;

use crate::{
    kapi::kunit,
    mock::{
        hw::vtd::{
            Mode,
            Order,
            Registers, //
        },
        unit::Unit,
        vtd::VtdUnit, //
    },
};
use kernel::fmt;

/// Registers of hardware without tables.
const fn registers(mode: Mode, caching_mode: bool) -> Registers {
    Registers {
        mode,
        root: 0x10_0000,
        fetch_unit: 2,
        caching_mode,
        order: Order::Linux,
    }
}

/// A protocol on hardware.
pub(super) struct Setting {
    protocol: u32,
    fetch_unit: u32,
    caching_mode: bool,
    /// Endpoints have device-TLBs.
    ats: bool,
}

impl Setting {
    const fn new(protocol: u32, fetch_unit: u32, caching_mode: bool) -> Self {
        Self {
            protocol,
            fetch_unit,
            caching_mode,
            ats: false,
        }
    }

    /// Ordinary hardware with endpoints that have device-TLBs.
    const fn ats(protocol: u32) -> Self {
        Self {
            ats: true,
            ..Self::new(protocol, 2, false)
        }
    }

    fn is_legacy(&self) -> bool {
        self.protocol >= LEGACY
    }
}

impl kunit::Param for Setting {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = <VtdUnit as Unit>::PROTOCOLS;
        let name = names.get(self.protocol as usize).copied().unwrap_or("?");
        let (unit, cm) = (self.fetch_unit * 64, u32::from(self.caching_mode));
        let ats = if self.ats { ", ATS" } else { "" };
        write!(f, "{name}, {unit} bits, CM {cm}{ats}")
    }
}

/// The first protocol for legacy mode.
const LEGACY: u32 = 4;

/// Every protocol, on ordinary hardware, on such as caches what is not present, and with ATS.
pub(super) const SETTINGS: [Setting; 20] = [
    Setting::new(0, 2, false),
    Setting::new(1, 2, false),
    Setting::new(2, 2, false),
    Setting::new(3, 2, false),
    Setting::new(4, 2, false),
    Setting::new(5, 2, false),
    Setting::new(0, 2, true),
    Setting::new(1, 2, true),
    Setting::new(2, 2, true),
    Setting::new(3, 2, true),
    Setting::new(4, 2, true),
    Setting::new(5, 2, true),
    Setting::new(0, 1, false),
    Setting::new(0, 8, false),
    Setting::ats(0),
    Setting::ats(1),
    Setting::ats(2),
    Setting::ats(3),
    Setting::ats(4),
    Setting::ats(5),
];
