// SPDX-License-Identifier: GPL-2.0

//! What was found in the kernel's core, as `Documentation/findings.rst` reports it, and what ours
//! does instead.
//!
//! A case that fails here may be good news.

use super::{
    super::expect::{
        check_calls,
        default_of,
        release, //
    },
    KERNEL, //
};
use crate::{
    ccore,
    fixture::Setup,
    group,
    iommu::{
        EndpointId,
        Pasid, //
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        skip,
        Outcome,
        WarnCounter, //
    },
    mark,
    mock::{
        endpoint::InstanceConfig,
        fault::{
            Leave,
            Op,
            Rule, //
        },
        hw::Reach,
        unit::FORMER_KERNEL, //
    },
    oracle,
    recorder::{
        Call,
        Event, //
    },
    rig::{
        Core,
        HandleNo,
        Kernel,
        Rig,
        Scene,
        Setting,
        SETTINGS, //
    },
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_kernel_finding:
    blocked_device_is_not_mended_by_going_back: each Setting in SETTINGS;
    refused_attach_ends_the_deferral: each Setting in KERNEL;
    refused_attach_leaves_our_device_deferred: each Setting in KERNEL;
    pasid_moves_for_the_core_only: each Setting in KERNEL;
    pasid_of_our_core_moves_for_real: each Setting in KERNEL;
    driver_binds_to_a_device_on_a_users_domain: each Setting in SETTINGS;
    group_stays_busy_when_a_member_leaves_in_a_reset;
}

/// Fails the case unless the kernel's core still does what was found.
#[track_caller]
fn found(still: bool, what: &str) -> Outcome {
    check!(still, "not so: {what}; fixed upstream? see findings.rst");
    Ok(())
}

/// A driver that blocks a device before it can fail breaks the contract of `attach_dev`, but many
/// do. Both cores believe it, and neither asks it again; ours has an oracle that notices.
fn blocked_device_is_not_mended_by_going_back(setting: &Setting) -> Outcome {
    let mut rig = setting.build()?;
    let (old, new) = (rig.domain()?, rig.domain()?);
    let last = setting.members - 1;
    rig.attach(old, Some(HandleNo(1)))?;
    let blocks = Rule::once(Op::Attach, EIO).leaving(Leave::Blocked);
    rig.fail(blocks.at(EndpointId(last)))?;
    check_eq!(rig.replace(new, HandleNo(2)), Err(EIO));
    rig.check_all(last, rig.reach(old))?;
    let blocked = rig.truth(last) == Reach::Aborted;
    found(blocked, "nobody repairs the device that failed")?;
    check_eq!(rig.handle(), Ok(HandleNo(1)));

    rig.recorder().clear();
    check_eq!(rig.replace(old, HandleNo(3)), Ok(()));
    let silent = rig.recorder().clear() == 0;
    found(silent, "going back to the old domain calls no driver")?;
    check_eq!(rig.truth(last), Reach::Aborted);

    rig.detach(old);
    rig.check_all(setting.members, rig.home())
}

/// Unplugs the first device and returns whether its driver was asked to attach it before.
fn attached_when_unplugged(kernel: &mut Kernel) -> Outcome<bool> {
    kernel.recorder().clear();
    kernel.unplug(0)?;
    let events = kernel.recorder().take();
    let attach = |event: &Event| matches!(event.call, Call::Attach { .. });
    Ok(events.iter().any(attach))
}

fn deferred(members: u32) -> Result<Kernel> {
    let config = InstanceConfig::default();
    let mut kernel = Kernel::with(config, members, |_, endpoint| endpoint.deferred = true)?;
    for id in 0..members {
        kernel.plug(id)?;
    }
    Ok(kernel)
}

/// The mark itself cannot be seen from here. But a device that has it is left alone when it goes.
fn refused_attach_ends_the_deferral(setting: &Setting) -> Outcome {
    let former = Reach::Memory(FORMER_KERNEL + mark::IOVA);
    let mut untouched = deferred(setting.members)?;
    check!(!attached_when_unplugged(&mut untouched)?);

    let mut kernel = deferred(setting.members)?;
    let rig: &mut dyn Rig = &mut kernel;
    let domain = rig.domain()?;
    rig.fail(Rule::once(Op::Attach, EIO).at(EndpointId(0)))?;
    check_eq!(rig.attach(domain, None), Err(EIO));
    check_eq!(rig.truth(0), former);
    let ended = attached_when_unplugged(&mut kernel)?;
    found(ended, "the device is not deferred any more")
}

fn refused_attach_leaves_our_device_deferred(setting: &Setting) -> Outcome {
    let mut setup = Setup::ordinary(setting.members)?;
    for at in 0..setup.endpoints.len() {
        setup = setup.endpoint(at, |endpoint| endpoint.deferred = true);
    }
    let mut fixture = setup.probe()?;
    let (default, domain) = (default_of(&fixture)?, fixture.domain()?);
    fixture.fail(Rule::once(Op::Attach, EIO).at(EndpointId(0)))?;
    check!(fixture.group()?.attach(&domain).is_err());
    let former = Reach::Memory(FORMER_KERNEL + mark::IOVA);
    check_eq!(fixture.truth(0), former);
    oracle::check(&fixture)?;
    match setting.members {
        // What the DMA layer does before the first mapping.
        1 => {
            check_eq!(fixture.endpoint(0)?.attach_deferred(), Ok(()));
            check_eq!(fixture.truth(0), oracle::reach(&default));
        }
        _ => {
            fixture.recorder().clear();
            fixture.unplug(0)?;
            check_calls(&fixture, &[release(0)])?;
        }
    }
    Ok(())
}

/// The handle that is attached cannot replace itself, but by then the new domain is written in it,
/// which is where the core looks for the current one.
fn pasid_moves_for_the_core_only(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let mut kernel = Kernel::new(setting.members)?;
    let (old, new) = (kernel.domain()?, kernel.domain()?);
    let (attached, other) = (ccore::Handle::new(1)?, ccore::Handle::new(2)?);
    let (endpoint, pasid) = (kernel.endpoint(0)?, Pasid::new(1)?);
    let domain = kernel.get(new)?;
    endpoint.attach_pasid(kernel.get(old)?, pasid, Some(&attached))?;
    let refused = endpoint.replace_pasid(domain, pasid, &attached);
    check_eq!(refused, Err(EINVAL));
    check_eq!(warnings.count(), 1);

    kernel.recorder().clear();
    check_eq!(endpoint.replace_pasid(domain, pasid, &other), Ok(()));
    let silent = kernel.recorder().clear() == 0;
    found(silent, "the PASID moves without a call of its driver")?;
    let rig: &dyn Rig = &kernel;
    for at in 0..setting.members {
        let stayed = rig.pasid_truth(at, pasid) == rig.reach(old);
        found(stayed, "the PASID still reaches the domain it has left")?;
    }
    endpoint.detach_pasid(domain, pasid);
    check_eq!(warnings.count(), 1);
    Ok(())
}

fn pasid_of_our_core_moves_for_real(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let fixture = Setup::ordinary(setting.members)?.probe()?;
    let (old, new) = (fixture.domain()?, fixture.domain()?);
    let (attached, other) = (group::Handle::new(1)?, group::Handle::new(2)?);
    let (endpoint, pasid) = (fixture.endpoint(0)?, Pasid::new(1)?);
    check_eq!(
        endpoint.attach_pasid(&old, pasid, Some(attached.clone())),
        Ok(())
    );
    check!(endpoint.replace_pasid(&new, pasid, attached).is_err());
    check_eq!(warnings.count(), 1);
    check!(endpoint.replace_pasid(&new, pasid, other).is_ok());
    for id in 0..setting.members {
        let truth = fixture.mock().dma(EndpointId(id), Some(pasid), mark::IOVA);
        check_eq!(truth, oracle::reach(&new));
    }
    oracle::check(&fixture)?;
    endpoint.detach_pasid(&new, pasid);
    check_eq!(warnings.count(), 1);
    Ok(())
}

/// A group that nobody has claimed yet has no blocking domain to fall back to.
fn driver_binds_to_a_device_on_a_users_domain(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let mut rig = setting.build()?;
    let domain = rig.domain()?;
    rig.attach(domain, None)?;
    rig.fail(Rule::once(Op::Attach, EIO).at(EndpointId(0)))?;
    rig.detach(domain);
    check_eq!(warnings.count(), 1);
    match setting.core {
        Core::Kernel => {
            let left = rig.truth(0) == rig.reach(domain);
            found(left, "the device stays on the domain it was detached from")?;
            found(rig.bind(0) == Ok(()), "a driver may bind to it")?;
            check_eq!(rig.truth(0), rig.reach(domain));
            rig.unbind(0);
        }
        Core::Ours => {
            check_eq!(rig.truth(0), Reach::Aborted);
            check_eq!(rig.bind(0), Err(EBUSY));
        }
    }
    // The next move mends it.
    rig.attach(domain, None)?;
    rig.detach(domain);
    check_eq!(warnings.count(), 1);
    rig.check_all(setting.members, rig.home())
}

/// Only the VM has PCI functions with ATS.
fn group_stays_busy_when_a_member_leaves_in_a_reset() -> Outcome {
    if ccore::PciAddress::with_ats(1).is_none() {
        return Err(skip(c"no PCI functions with ATS"));
    }
    let warnings = WarnCounter::start()?;
    for core in [Core::Kernel, Core::Ours] {
        let mut rig = Setting::new(core, 2).scene(Scene::Resettable).build()?;
        let domain = rig.domain()?;
        rig.reset_prepare(0)?;
        check_eq!(rig.attach(domain, None), Err(EBUSY));
        rig.unplug(0)?;
        // Nobody is left who could end it.
        match core {
            Core::Kernel => {
                let busy = rig.attach(domain, None) == Err(EBUSY);
                found(busy, "the group is busy for good")?;
                check_eq!(rig.replace(domain, HandleNo(1)), Err(EBUSY));
                check_eq!(rig.claim(), Err(EBUSY));
                check_eq!(rig.attach_pasid(0, domain, Pasid::new(1)?), Err(EBUSY));
            }
            Core::Ours => {
                check_eq!(rig.attach(domain, None), Ok(()));
                check_eq!(rig.truth(1), rig.reach(domain));
                rig.detach(domain);
            }
        }
    }
    check_eq!(warnings.count(), 0);
    Ok(())
}
