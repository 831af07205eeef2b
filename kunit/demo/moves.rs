// SPDX-License-Identifier: GPL-2.0

//! From domain to domain, with and without luck.

use super::{
    scene::Scene,
    script::Script, //
};
use crate::{
    fixture::Fixture,
    group::Handle,
    iommu::{
        AttachError,
        EndpointId, //
    },
    mock::fault::{
        Op,
        Rule, //
    },
};
use kernel::prelude::*;

/// Attach, replace and detach.
pub(super) fn attach_replace_detach(script: &mut Script) -> Result {
    script.act("Attach, replace, detach: all devices of a group, or none");
    let mut scene = Scene::new(Fixture::new(3)?)?;
    let (a, b) = (scene.domain("A")?, scene.domain("B")?);
    scene.head(script);
    scene.row(script, "before", &["default"; 3])?;
    scene.group.attach(&a)?;
    scene.row(script, "attach A", &["A"; 3])?;
    let busy = scene.group.attach(&b) == Err(AttachError::Failed(EBUSY));
    scene.row(script, "attach B is refused: EBUSY", &["A"; 3])?;
    script.check(
        fmt!("only replace takes a group from one user's domain to another"),
        busy,
    );
    scene.fixture.recorder().clear();
    scene.group.replace(&b, Some(Handle::new(1)?))?;
    scene.row(script, "replace A by B", &["B"; 3])?;
    script.say(fmt!(
        "        What the driver was asked to do meanwhile, and nothing else:"
    ));
    scene.calls(script);
    scene.group.detach(&b);
    scene.row(script, "detach B", &["default"; 3])
}

/// A group of four in which the third device refuses.
pub(super) fn unwind(script: &mut Script) -> Result {
    script.act("A partial failure: the third of four devices refuses (ENOSPC)");
    let mut scene = Scene::new(Fixture::new(4)?)?;
    let (a, b) = (scene.domain("A")?, scene.domain("B")?);
    scene.head(script);
    scene.group.attach(&a)?;
    scene.row(script, "attach A", &["A"; 4])?;
    scene
        .fixture
        .fail(Rule::once(Op::Attach, ENOSPC).at(EndpointId(2)))?;
    scene.fixture.recorder().clear();
    let result = scene.group.replace(&b, None).map(|_| ());
    scene.row(script, "replace A by B fails", &["A"; 4])?;
    let right = result == Err(AttachError::Failed(ENOSPC));
    script.check(
        fmt!("with the device's own error; those that had moved were put back:"),
        right,
    );
    scene.calls(script);
    let silent = scene.group.lock().warnings() == 0;
    script.check(fmt!("a failure that can be undone raises no WARN"), silent);
    scene.group.replace(&b, None)?;
    scene.row(script, "replace A by B again", &["B"; 4])?;
    scene.group.detach(&b);
    Ok(())
}
