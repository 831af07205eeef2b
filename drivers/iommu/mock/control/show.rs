// SPDX-License-Identifier: GPL-2.0

//! What an instance shows in debugfs.

use super::instance::Instance;
use crate::{
    ccore::{
        Believed,
        Endpoint,
        Member, //
    },
    iommu::EndpointId,
    mock::{
        hw::machine::Inspect,
        shell::Mock, //
    },
};
use kernel::{
    fmt,
    prelude::fmt, //
};

/// Writes one line per member: endpoint, group, the domain that the kernel's core believes it is
/// on, where the hardware sends its DMA, and whether these agree.
pub(super) fn belief(instance: &Instance, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mock = instance.mock();
    for group in instance.groups().map(Endpoint::group) {
        let members = group.members().map_err(|_| fmt::Error)?;
        for Member { endpoint, believed } in &members {
            f.write_fmt(fmt!(
                "endpoint {} group {} believed {} hardware {} {}\n",
                endpoint.0,
                group.number(),
                ShownBelief(mock, believed),
                ShownTruth(mock, *endpoint),
                verdict(mock, *endpoint, believed),
            ))?;
        }
    }
    Ok(())
}

/// Writes one number per line.
pub(super) fn stats(instance: &Instance, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mock = instance.mock();
    let mut differing = 0;
    for group in instance.groups().map(Endpoint::group) {
        let members = group.members().map_err(|_| fmt::Error)?;
        let differs = |m: &&Member| verdict(mock, m.endpoint, &m.believed) == DIFFER;
        differing += members.iter().filter(differs).count();
    }
    f.write_fmt(fmt!("family {}\n", instance.family()))?;
    f.write_fmt(fmt!("endpoints {}\n", instance.endpoints().len()))?;
    f.write_fmt(fmt!("groups {}\n", instance.groups().count()))?;
    f.write_fmt(fmt!("differing {differing}\n"))?;
    f.write_fmt(fmt!("faults {}\n", mock.faults().hits()))?;
    let Some(counts) = hardware(instance).map(Inspect::counts) else {
        return Ok(());
    };
    f.write_fmt(fmt!("stores {}\n", counts.stores))?;
    f.write_fmt(fmt!("commands {}\n", counts.commands))?;
    f.write_fmt(fmt!("waits {}\n", counts.waits))?;
    f.write_fmt(fmt!("calls {}\n", counts.calls))?;
    f.write_fmt(fmt!("wild {}\n", counts.wild))
}

/// Writes the table entries of each member, outermost first, in the words of the manual.
pub(super) fn entries(instance: &Instance, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for id in (0..).map(EndpointId).take(instance.endpoints().len()) {
        match instance.mock().inspect(id) {
            None => {
                f.write_fmt(fmt!("endpoint {} ", id.0))?;
                instance.mock().show(id, f)?;
                f.write_str("\n")?;
            }
            Some((hardware, from)) => {
                f.write_fmt(fmt!("endpoint {} as {:#x}\n", id.0, from.id))?;
                hardware.show_entries(from, f)?;
            }
        }
    }
    Ok(())
}

/// Writes the lines of the IOTLB: tag, address, and where to.
pub(super) fn iotlb(instance: &Instance, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    hardware(instance).map_or(Ok(()), |hardware| hardware.show_iotlb(f))
}

/// Writes the latest commands and firmware calls, numbered as in `trace`.
pub(super) fn commands(instance: &Instance, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    hardware(instance).map_or(Ok(()), |hardware| hardware.show_commands(f))
}

/// Writes the latest steps of the driver, numbered.
pub(super) fn trace(instance: &Instance, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    hardware(instance).map_or(Ok(()), |hardware| hardware.show_trace(f))
}

/// The hardware of a family that has more than a register.
fn hardware(instance: &Instance) -> Option<&dyn Inspect> {
    let (hardware, _) = instance.mock().inspect(EndpointId(0))?;
    Some(hardware)
}

const AGREE: &str = "agree";
const DIFFER: &str = "differ";

fn verdict(mock: &dyn Mock, endpoint: EndpointId, believed: &Believed) -> &'static str {
    match believed {
        Believed::On(domain) if mock.is_on(endpoint, domain) => AGREE,
        Believed::On(_) | Believed::Foreign | Believed::Nothing => DIFFER,
    }
}

struct ShownBelief<'a>(&'a dyn Mock, &'a Believed);

impl fmt::Display for ShownBelief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Believed::Nothing => f.write_str("nothing"),
            Believed::Foreign => f.write_str("foreign"),
            Believed::On(domain) => self.0.show_domain(domain, f),
        }
    }
}

struct ShownTruth<'a>(&'a dyn Mock, EndpointId);

impl fmt::Display for ShownTruth<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show(self.1, f)
    }
}
