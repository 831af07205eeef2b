// SPDX-License-Identifier: GPL-2.0

//! A CD that could only be changed disruptively is written into a second table of CDs, to which
//! the STE is then switched: S1ContextPtr is in one word.

use super::{
    super::{
        super::hw::{
            machine::Machine,
            model::Words,
            smmuv3::{
                cd,
                command,
                ste,
                Smmuv3, //
            },
        },
        entry_writer::{
            Place,
            Plan, //
        },
        stream::Stream,
        used::Cd, //
    },
    linux,
    Protocol, //
};
use kernel::prelude::*;

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "pointer-swap",
    tables: 2,
    flush_first: true,
    write_cd,
};

fn write_cd(machine: &Machine<Smmuv3>, stream: &mut Stream, ssid: u32, to: &Words) -> Result {
    let now = stream.cd(machine, ssid).load()?;
    let valid = cd::V.is_set(&now) && cd::V.is_set(to);
    let in_place = Plan::new::<Cd>(&now, to).critical.count_ones() < 2;
    if !valid || in_place || !stream.cds_in_ste(machine)? {
        return linux::write_cd(machine, stream, ssid, to);
    }

    // Nobody looks at the other table, in which no CD is valid.
    let mut changed = false;
    for (other, words) in stream.valid_cds(machine)? {
        let words = match other == ssid {
            true => to,
            false => &words,
        };
        changed |= other == ssid;
        fill(&mut stream.spare_cd(machine, other), words)?;
    }
    if !changed {
        return Err(EFAULT);
    }

    stream.swap_tables();
    let mut target = stream.ste(machine).load()?;
    ste::S1_CONTEXT_PTR.set_address(&mut target, stream.table().at);
    stream.write_ste(machine, &target)?;
    // Only now can no CD of the old table be read any more.
    machine.submit(command::cfgi_cd_all(stream.sid()));
    machine.wait();
    for (other, _) in stream.valid_cds(machine)? {
        stream.spare_cd(machine, other).store(0, 0)?;
    }
    Ok(())
}

/// Writes a CD that nobody looks at.
fn fill(place: &mut impl Place, to: &Words) -> Result {
    for (index, (now, to)) in place.load()?.into_iter().zip(to).enumerate() {
        if now != *to {
            place.store(index, *to)?;
        }
    }
    Ok(())
}
