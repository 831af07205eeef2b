// SPDX-License-Identifier: GPL-2.0

//! The operations of a group.

use super::{
    super::expect::OWNER,
    Scene, //
};
use crate::{
    fixture::Setup,
    group::Handle,
    iommu::DefaultType,
    mock::fault::Op, //
};
use kernel::prelude::*;

type Step = fn(&mut Scene) -> Result;

/// An operation, and what it needs.
pub(super) struct Operation {
    pub(super) name: &'static str,
    /// Changes what the scene is made of.
    pub(super) setup: fn(Setup) -> Setup,
    /// Brings the scene to where the operation begins.
    pub(super) before: Step,
    pub(super) run: Step,
    /// Calls whose failure it cannot report.
    pub(super) forced: &'static [Op],
    /// Calls whose failure raises a WARN.
    pub(super) warns: &'static [Op],
    /// What undoes the operation, if it is more than to bring the group home.
    pub(super) again: Option<Step>,
    /// Whether it is about PASIDs.
    pub(super) pasids: bool,
}

const PLAIN: Operation = Operation {
    name: "",
    setup: |setup| setup,
    before: |_| Ok(()),
    run: |_| Ok(()),
    forced: &[],
    warns: &[],
    again: None,
    pasids: false,
};

fn attach_old(scene: &mut Scene) -> Result {
    Ok(scene.group()?.attach(&scene.old)?)
}

fn attach_old_pasid(scene: &mut Scene) -> Result {
    let endpoint = scene.fixture.endpoint(0)?;
    Ok(endpoint.attach_pasid(&scene.old, scene.pasid, None)?)
}

fn attach_old_with_pasid(scene: &mut Scene) -> Result {
    attach_old(scene)?;
    attach_old_pasid(scene)
}

fn claim(scene: &mut Scene) -> Result {
    Ok(scene.group()?.claim(OWNER)?)
}

fn reset(scene: &mut Scene) -> Result {
    Ok(scene.fixture.endpoint(0)?.reset_prepare()?)
}

fn without_blocked(setup: Setup) -> Setup {
    setup.config(|config| config.has_blocked = false)
}

/// All of them.
pub(super) const OPERATIONS: [Operation; 29] = [
    Operation {
        name: "probe into a new group",
        run: |scene| scene.fixture.plug(scene.members + 1),
        // As the kernel: a first default domain must attach.
        warns: &[Op::Attach],
        ..PLAIN
    },
    Operation {
        name: "probe into a group at home",
        run: |scene| scene.fixture.plug(scene.members),
        ..PLAIN
    },
    Operation {
        name: "probe into a group in use",
        before: attach_old_with_pasid,
        run: |scene| scene.fixture.plug(scene.members),
        pasids: true,
        ..PLAIN
    },
    Operation {
        name: "attach",
        run: |scene| Ok(scene.group()?.attach(scene.new_domain()?)?),
        ..PLAIN
    },
    Operation {
        name: "attach with a handle",
        run: |scene| {
            let group = scene.group()?;
            Ok(group.attach_with(scene.new_domain()?, scene.new_handle()?)?)
        },
        ..PLAIN
    },
    Operation {
        name: "attach of a lone device",
        run: |scene| match scene.members {
            1 => Ok(scene.fixture.endpoint(0)?.attach(scene.new_domain()?)?),
            _ => Ok(scene.group()?.attach(scene.new_domain()?)?),
        },
        ..PLAIN
    },
    Operation {
        name: "attach of an owned group",
        before: claim,
        run: |scene| Ok(scene.group()?.attach(scene.new_domain()?)?),
        ..PLAIN
    },
    Operation {
        name: "replace",
        before: attach_old,
        run: |scene| {
            scene.group()?.replace(scene.new_domain()?, None)?;
            Ok(())
        },
        ..PLAIN
    },
    Operation {
        name: "replace with handles",
        before: |scene| Ok(scene.group()?.attach_with(&scene.old, Handle::new(1)?)?),
        run: |scene| {
            let handle = Some(scene.new_handle()?);
            scene.group()?.replace(scene.new_domain()?, handle)?;
            Ok(())
        },
        ..PLAIN
    },
    Operation {
        name: "detach",
        before: attach_old,
        run: |scene| {
            scene.group()?.detach(&scene.old);
            Ok(())
        },
        forced: &[Op::Attach],
        warns: &[Op::Attach],
        ..PLAIN
    },
    Operation {
        name: "detach of an owned group",
        before: |scene| {
            claim(scene)?;
            attach_old(scene)
        },
        run: |scene| {
            scene.group()?.detach(&scene.old);
            Ok(())
        },
        forced: &[Op::Attach],
        warns: &[Op::Attach],
        again: Some(|scene| {
            scene.group()?.release_claims();
            Ok(())
        }),
        ..PLAIN
    },
    Operation {
        name: "detach of a lone device",
        before: attach_old,
        run: |scene| {
            match scene.members {
                1 => scene.fixture.endpoint(0)?.detach(&scene.old),
                _ => drop(scene.group()?.detach(&scene.old)),
            }
            Ok(())
        },
        forced: &[Op::Attach],
        warns: &[Op::Attach],
        ..PLAIN
    },
    Operation {
        name: "claim",
        run: claim,
        ..PLAIN
    },
    Operation {
        name: "claim without a blocked domain",
        setup: without_blocked,
        run: claim,
        ..PLAIN
    },
    Operation {
        name: "claim of a device",
        run: |scene| Ok(scene.fixture.endpoint(0)?.claim(OWNER)?),
        ..PLAIN
    },
    Operation {
        name: "release of ownership",
        before: claim,
        run: |scene| {
            scene.group()?.release_claims();
            Ok(())
        },
        forced: &[Op::Attach],
        warns: &[Op::Attach],
        ..PLAIN
    },
    Operation {
        name: "release of a device's claim",
        before: |scene| Ok(scene.fixture.endpoint(0)?.claim(OWNER)?),
        run: |scene| {
            scene.fixture.endpoint(0)?.release_claim();
            Ok(())
        },
        forced: &[Op::Attach],
        warns: &[Op::Attach],
        ..PLAIN
    },
    Operation {
        name: "default domain to identity",
        run: |scene| scene.group()?.set_default_type(Some(DefaultType::Identity)),
        ..PLAIN
    },
    Operation {
        name: "default domain to translated",
        before: |scene| scene.group()?.set_default_type(Some(DefaultType::Identity)),
        run: |scene| scene.group()?.set_default_type(Some(DefaultType::Dma)),
        ..PLAIN
    },
    Operation {
        name: "deferred attach",
        setup: |setup| setup.endpoint(0, |endpoint| endpoint.deferred = true),
        run: |scene| Ok(scene.fixture.endpoint(0)?.attach_deferred()?),
        ..PLAIN
    },
    Operation {
        name: "attach of a PASID",
        run: |scene| {
            let (domain, handle) = (scene.new_domain()?, scene.new_handle()?);
            let endpoint = scene.fixture.endpoint(0)?;
            Ok(endpoint.attach_pasid(domain, scene.pasid, Some(handle))?)
        },
        pasids: true,
        ..PLAIN
    },
    Operation {
        name: "replace of a PASID",
        before: attach_old_pasid,
        run: |scene| {
            let (domain, handle) = (scene.new_domain()?, scene.new_handle()?);
            let endpoint = scene.fixture.endpoint(0)?;
            endpoint.replace_pasid(domain, scene.pasid, handle)?;
            Ok(())
        },
        pasids: true,
        ..PLAIN
    },
    Operation {
        name: "detach of a PASID",
        before: attach_old_pasid,
        run: |scene| {
            let endpoint = scene.fixture.endpoint(0)?;
            endpoint.detach_pasid(&scene.old, scene.pasid);
            Ok(())
        },
        forced: &[Op::SetPasid],
        warns: &[Op::SetPasid],
        pasids: true,
        ..PLAIN
    },
    Operation {
        name: "begin of a reset",
        before: attach_old_pasid,
        run: reset,
        forced: &[Op::SetPasid],
        warns: &[Op::SetPasid],
        again: Some(|scene| {
            scene.fixture.endpoint(0)?.reset_done();
            Ok(())
        }),
        pasids: true,
        ..PLAIN
    },
    Operation {
        name: "end of a reset",
        before: |scene| {
            attach_old_pasid(scene)?;
            reset(scene)
        },
        run: |scene| {
            scene.fixture.endpoint(0)?.reset_done();
            Ok(())
        },
        forced: &[Op::Attach, Op::SetPasid],
        warns: &[Op::Attach, Op::SetPasid],
        pasids: true,
        ..PLAIN
    },
    Operation {
        name: "unplug",
        before: |scene| scene.fixture.plug(scene.members),
        run: |scene| scene.fixture.unplug(scene.members as usize).map(|_| ()),
        forced: &[Op::Attach],
        again: Some(|scene| scene.fixture.plug(scene.members)),
        ..PLAIN
    },
    Operation {
        name: "unplug of the last member",
        before: |scene| scene.fixture.plug(scene.members + 1),
        run: |scene| scene.fixture.unplug(scene.members as usize).map(|_| ()),
        forced: &[Op::Attach],
        ..PLAIN
    },
    Operation {
        name: "first domain of an address space",
        run: |scene| {
            let group = scene.group()?.clone();
            scene.space.attach(&group)?;
            Ok(())
        },
        ..PLAIN
    },
    Operation {
        name: "search of a domain that fits",
        before: attach_old,
        run: |scene| {
            let group = scene.group()?.clone();
            scene.space.replace(&group)?;
            Ok(())
        },
        ..PLAIN
    },
];

/// Those that call no driver.
pub(super) const OTHERS: [Operation; 4] = [
    Operation {
        name: "start of a driver's use",
        run: |scene| scene.fixture.endpoint(0)?.use_default(),
        ..PLAIN
    },
    Operation {
        name: "end of a driver's use",
        before: |scene| scene.fixture.endpoint(0)?.use_default(),
        run: |scene| {
            scene.fixture.endpoint(0)?.unuse_default();
            Ok(())
        },
        ..PLAIN
    },
    Operation {
        name: "default domain to lazy",
        run: |scene| scene.group()?.set_default_type(Some(DefaultType::DmaLazy)),
        ..PLAIN
    },
    Operation {
        name: "a handle",
        run: |scene| {
            scene.handle = Some(Handle::new(8)?);
            Ok(())
        },
        ..PLAIN
    },
];
