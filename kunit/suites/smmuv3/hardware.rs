// SPDX-License-Identifier: GPL-2.0

//! The hardware: what it makes of entries, what commands make it forget, and how it walks tables.

mod decide;
mod drops;
mod layout;
mod walk;

use crate::mock::{
    hw::smmuv3::Smmuv3,
    smmuv3::entries::{
        Abilities,
        CdTable,
        Stage2,
        Tcr, //
    },
};

const MODEL: Smmuv3 = Smmuv3::new(0x100_0000_0000, 3);

const TABLE: CdTable = CdTable {
    at: 0x100_0001_0000,
    s1cdmax: 2,
    s1fmt: 0,
};

const STAGE2: Stage2 = Stage2 {
    vmid: 3,
    ttb: 0x2000_0000_1000,
    sl0: 2,
    tcr: Tcr::for_input_bits(48),
};

/// ATS is on.
const ATS: Abilities = Abilities {
    ats: true,
    stall: false,
};

/// ATS is off.
const NO_ATS: Abilities = Abilities {
    ats: false,
    stall: false,
};
