// SPDX-License-Identifier: GPL-2.0

//! What both cores can be asked for, so that the adaptor and the kernel's core are in the way of
//! one.

use super::{
    super::adaptor::ASKS,
    begin,
    each_nth,
    Tally, //
};
use crate::{
    families,
    iommu::Pasid,
    kapi::kunit::{
        check,
        check_eq,
        Outcome,
        WarnCounter, //
    },
    mock::hw::Reach,
    rig::{
        Core,
        Kernel,
        Rig, //
    },
};
use kernel::prelude::*;

pub(super) use crate::rig::Setting;

pub(super) const BOTH: [Setting; 2] = [Setting::new(Core::Ours, 2), Setting::new(Core::Kernel, 2)];

pub(super) fn any_allocation_of_a_rig_can_fail(setting: &Setting) -> Outcome {
    let faults = begin()?;
    let warnings = WarnCounter::start()?;
    let pasid = Pasid::new(1)?;
    let has_pasids = families::has_pasids()?;
    let mut tally = Tally::default();
    let asks = ASKS
        .into_iter()
        .filter(|ask| has_pasids || !ask.is_of_a_pasid());
    for ask in asks {
        each_nth(&mut tally, |nth| {
            let mut rig = setting.build()?;
            let (old, new) = (rig.domain()?, rig.domain()?);
            ask.before(&mut *rig, old, pasid)?;
            let warned = warnings.count();
            let (result, hit) = faults.run(nth, || ask.run(&mut *rig, new, pasid));
            check!(
                matches!((result, hit), (Ok(()), _) | (Err(ENOMEM), true)),
                "{ask:?}: {result:?}"
            );
            if result.is_err() {
                ask.check_unchanged(&*rig, setting.members, old, pasid)?;
                // Nobody is on the new domain.
                rig.free(new);
                let new = rig.domain()?;
                check_eq!(ask.run(&mut *rig, new, pasid), Ok(()));
            }
            check_eq!(warnings.count(), warned);
            Ok((result, hit))
        })?;
    }
    tally.tell()
}

/// What must succeed does, with any allocation failing on the way.
pub(super) fn no_way_back_needs_memory(setting: &Setting) -> Outcome {
    let faults = begin()?;
    let warnings = WarnCounter::start()?;
    let pasid = Pasid::new(1)?;
    let has_pasids = families::has_pasids()?;
    let mut tally = Tally::default();
    for way in WayBack::ALL {
        if matches!(way, WayBack::DetachPasid) && !has_pasids {
            continue;
        }
        each_nth(&mut tally, |nth| {
            let mut rig = setting.build()?;
            let domain = rig.domain()?;
            match way {
                WayBack::Detach => rig.attach(domain, None)?,
                WayBack::Release => rig.claim()?,
                WayBack::ReleaseDevice => rig.claim_device(0, 1)?,
                WayBack::DetachPasid => rig.attach_pasid(0, domain, pasid)?,
                WayBack::Unplug => (),
            }
            let warned = warnings.count();
            let ((), hit) = faults.run(nth, || match way {
                WayBack::Detach => rig.detach(domain),
                WayBack::Release => rig.release(),
                WayBack::ReleaseDevice => rig.release_device(0),
                WayBack::DetachPasid => rig.detach_pasid(0, domain, pasid),
                WayBack::Unplug => {
                    // There is such a device.
                    let _ = rig.unplug(1);
                }
            });
            check!(warnings.count() == warned, "{way:?} warns");
            let left = match way {
                WayBack::Unplug => 1,
                _ => setting.members,
            };
            rig.check_all(left, rig.home())?;
            for at in 0..left {
                check_eq!(rig.pasid_truth(at, pasid), Reach::Aborted);
            }
            // Nobody is on it.
            rig.free(domain);
            Ok((Ok(()), hit))
        })?;
    }
    Ok(())
}

/// What nobody can refuse.
#[derive(Clone, Copy, Debug)]
enum WayBack {
    Detach,
    Release,
    ReleaseDevice,
    DetachPasid,
    Unplug,
}

impl WayBack {
    const ALL: [Self; 5] = [
        Self::Detach,
        Self::Release,
        Self::ReleaseDevice,
        Self::DetachPasid,
        Self::Unplug,
    ];
}

pub(super) fn any_allocation_of_a_plug_can_fail() -> Outcome {
    let faults = begin()?;
    let mut tally = Tally::default();
    for members in [0, 1] {
        each_nth(&mut tally, |nth| {
            let warnings = WarnCounter::start()?;
            let mut kernel = Kernel::with(families::config(), members + 1, |_, _| ())?;
            for id in 0..members {
                kernel.plug(id)?;
            }
            let probed = kernel.recorder().probed();
            let (result, hit) = faults.run(nth, || kernel.plug(members));
            // The core keeps to itself why it does not take a device, and for a device without a
            // name the kernel has EINVAL, also where there was no memory for one.
            check!(
                matches!(
                    (result, hit),
                    (Ok(()), _) | (Err(ENOMEM | ENODEV | EINVAL), true)
                ),
                "{result:?}"
            );
            if result.is_err() {
                check_eq!(kernel.recorder().probed(), probed);
                kernel.plug(members)?;
            }
            check_eq!(kernel.differing()?, 0);
            check_eq!(kernel.group()?.members()?.len(), members as usize + 1);
            check_eq!(warnings.count(), 0);
            Ok((result, hit))
        })?;
    }
    tally.tell()
}

/// Registering an instance and a driver for devices behind it.
pub(super) fn any_allocation_of_an_instance_can_fail() -> Outcome {
    let faults = begin()?;
    let warnings = WarnCounter::start()?;
    let mut tally = Tally::default();
    each_nth(&mut tally, |nth| {
        let make = || Kernel::with(families::config(), 1, |_, _| ());
        let (made, hit) = faults.run(nth, make);
        let result = made.as_ref().map(|_| ()).map_err(|error| *error);
        check!(
            matches!((result, hit), (Ok(()), _) | (Err(ENOMEM), true)),
            "{result:?}"
        );
        let mut kernel = match made {
            Ok(kernel) => kernel,
            Err(_) => make()?,
        };
        kernel.plug(0)?;
        check_eq!(kernel.differing()?, 0);
        check_eq!(warnings.count(), 0);
        Ok((result, hit))
    })?;
    tally.tell()
}

/// A driver of the kernel's comes and goes.
pub(super) fn any_allocation_of_a_bind_can_fail() -> Outcome {
    let faults = begin()?;
    let warnings = WarnCounter::start()?;
    let mut tally = Tally::default();
    each_nth(&mut tally, |nth| {
        let mut kernel = Kernel::new(1)?;
        let (result, hit) = faults.run(nth, || kernel.bind(0));
        check!(hit || result.is_ok(), "{result:?}");
        if result.is_err() {
            check!(!kernel.group()?.is_claimed());
            kernel.bind(0)?;
        }
        check_eq!(kernel.claim(), Err(EPERM));
        check_eq!(kernel.differing()?, 0);
        Ok((result, hit))
    })?;
    each_nth(&mut tally, |nth| {
        let mut kernel = Kernel::new(1)?;
        kernel.bind(0)?;
        let ((), hit) = faults.run(nth, || kernel.unbind(0));
        check!(!kernel.group()?.is_claimed());
        check_eq!(kernel.differing()?, 0);
        Ok((Ok(()), hit))
    })?;
    check_eq!(warnings.count(), 0);
    tally.tell()
}
