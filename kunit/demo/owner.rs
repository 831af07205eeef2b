// SPDX-License-Identifier: GPL-2.0

//! Who may use the devices, and what if they cannot be given back.

use super::{
    scene::Scene,
    script::Script, //
};
use crate::{
    fixture::Fixture,
    group::{
        Owner,
        Warning, //
    },
    iommu::{
        AttachError,
        EndpointId, //
    },
    mock::fault::{
        Op,
        Rule, //
    },
};
use core::num::NonZeroU64;
use kernel::prelude::*;

const VMM: Owner = Owner(NonZeroU64::MIN);

/// Claim and release of DMA ownership.
pub(super) fn claim_and_release(script: &mut Script) -> Result {
    script.act("Ownership: either kernel drivers use the devices, or one user does");
    let mut scene = Scene::new(Fixture::new(2)?)?;
    let a = scene.domain("A")?;
    let refused = Err(AttachError::Failed(EPERM));

    scene.fixture.endpoint(0)?.use_default()?;
    let claim = scene.group.claim(VMM);
    script.check(
        fmt!("a kernel driver is bound to device 0: claim is refused, EPERM"),
        claim == refused,
    );
    scene.fixture.endpoint(0)?.unuse_default();

    scene.head(script);
    scene.row(script, "driver unbound", &["default"; 2])?;
    scene.group.claim(VMM)?;
    scene.row(script, "claim", &["blocked"; 2])?;
    let bind = scene.fixture.endpoint(1)?.use_default();
    script.check(
        fmt!("no kernel driver may bind now: EBUSY"),
        bind == Err(EBUSY),
    );
    scene.group.attach(&a)?;
    scene.row(script, "attach A", &["A"; 2])?;
    scene.group.detach(&a);
    scene.row(script, "detach A (still owned)", &["blocked"; 2])?;
    scene.group.release_claims();
    scene.row(script, "release", &["default"; 2])
}

/// A device that cannot be returned to the default domain.
pub(super) fn failed_return(script: &mut Script) -> Result {
    script.act("A failed return to the default domain: one WARN, and a state that is known");
    let mut scene = Scene::new(Fixture::new(2)?)?;
    let a = scene.domain("A")?;
    scene.head(script);
    scene.group.claim(VMM)?;
    scene.group.attach(&a)?;
    scene.row(script, "claim, attach A", &["A"; 2])?;
    scene.group.detach(&a);
    scene
        .fixture
        .fail(Rule::once(Op::Attach, EIO).at(EndpointId(1)))?;
    scene.group.release_claims();
    scene.row(
        script,
        "release; device 1 fails: EIO",
        &["default", "blocked"],
    )?;
    let warned = scene.group.lock().warned(Warning::FailedReturn);
    script.check(
        fmt!("{warned} WARN in the kernel log; the device is blocked, not astray"),
        warned == 1,
    );
    script.say(fmt!("        \"{}\"", Warning::FailedReturn.text()));
    let bind = scene.fixture.endpoint(0)?.use_default();
    script.check(
        fmt!("no kernel driver may bind in this group now: EBUSY"),
        bind == Err(EBUSY),
    );

    scene.group.attach(&a)?;
    scene.row(script, "attach A works all the same", &["A"; 2])?;
    scene.group.detach(&a);
    scene.row(script, "detach A mends it", &["default"; 2])?;
    let bind = scene.fixture.endpoint(0)?.use_default();
    script.check(fmt!("a kernel driver may bind again"), bind.is_ok());
    scene.fixture.endpoint(0)?.unuse_default();
    let total = scene.group.lock().warnings();
    script.check(fmt!("and no further WARN was raised"), total == 1);
    Ok(())
}
