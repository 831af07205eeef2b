// SPDX-License-Identifier: GPL-2.0

//! The same driver under the kernel's own core.

use super::{
    scene::Cells,
    script::Script, //
};
use crate::{
    iommu::EndpointId,
    mock::{
        fault::{
            Op,
            Rule, //
        },
        hw::Reach, //
    },
    rig::{
        Core,
        DomainNo,
        HandleNo,
        Rig,
        Setting, //
    },
};
use kernel::prelude::*;

const MEMBERS: u32 = 4;

/// Plays one sequence under each core.
pub(super) fn act(script: &mut Script) -> Result {
    script.act("The same driver under the kernel's own core, drivers/iommu/iommu.c");
    for (core, name) in [
        (Core::Ours, "our core"),
        (Core::Kernel, "the kernel's core"),
    ] {
        script.say(fmt!("   {:<34}{}", name, Cells(&[0, 1, 2, 3])));
        play(script, &mut *Setting::new(core, MEMBERS).build()?)?;
    }
    Ok(())
}

fn play(script: &mut Script, rig: &mut dyn Rig) -> Result {
    let (a, b) = (rig.domain()?, rig.domain()?);
    let names = [("A", a), ("B", b)];
    rig.attach(a, Some(HandleNo(1)))?;
    row(script, rig, &names, "attach A", "A")?;
    rig.fail(Rule::once(Op::Attach, ENOSPC).at(EndpointId(2)))?;
    let result = rig.replace(b, HandleNo(2));
    row(script, rig, &names, "replace by B: ENOSPC", "A")?;
    script.check(
        fmt!("the error and the old handle are what the caller gets"),
        result == Err(ENOSPC) && rig.handle() == Ok(HandleNo(1)),
    );
    rig.replace(b, HandleNo(2))?;
    row(script, rig, &names, "replace by B again", "B")?;
    rig.detach(b);
    row(script, rig, &names, "detach B", "identity")?;
    rig.claim()?;
    row(script, rig, &names, "claim", "blocked")?;
    rig.release();
    row(script, rig, &names, "release", "identity")
}

/// Prints what each device reaches, and expects all to reach `expected`.
fn row(
    script: &mut Script,
    rig: &dyn Rig,
    names: &[(&'static str, DomainNo)],
    label: &str,
    expected: &str,
) -> Result {
    let mut cells = KVec::new();
    for at in 0..MEMBERS {
        let truth = rig.truth(at);
        let name = match truth {
            Reach::Aborted => "blocked",
            _ if truth == rig.home() => "identity",
            _ => names
                .iter()
                .find(|(_, domain)| rig.reach(*domain) == truth)
                .map_or("elsewhere", |(name, _)| name),
        };
        cells.push(name, GFP_KERNEL)?;
    }
    let right = cells.iter().all(|cell| *cell == expected);
    script.check(fmt!("{label:<29}{}", Cells(&cells)), right);
    Ok(())
}
