// SPDX-License-Identifier: GPL-2.0

//! In place, as Linux does it. A CD that changes both ASID and TTB0 is invalid meanwhile.

use super::{
    super::{
        super::hw::{
            machine::Machine,
            model::Words,
            smmuv3::Smmuv3, //
        },
        entry_writer,
        stream::Stream,
        used::Cd, //
    },
    Protocol,
};
use kernel::prelude::*;

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "linux",
    tables: 1,
    flush_first: false,
    write_cd,
};

pub(super) fn write_cd(
    machine: &Machine<Smmuv3>,
    stream: &mut Stream,
    ssid: u32,
    to: &Words,
) -> Result {
    entry_writer::write::<Cd>(&mut stream.cd(machine, ssid), to)
}
