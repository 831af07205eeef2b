// SPDX-License-Identifier: GPL-2.0

//! What both cores can be asked for through a rig, so that the adaptor is in the way of one.

use super::{
    ENOUGH,
    ERROR, //
};
use crate::{
    ccore::UserDomain,
    iommu::{
        PagingFlags,
        Pasid,
        Prot, //
    },
    kapi::kunit::{
        check,
        check_eq,
        note,
        Outcome,
        WarnCounter, //
    },
    mock::{
        endpoint::InstanceConfig,
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
        Kernel,
        Rig,
        Setting, //
    },
};
use kernel::{
    prelude::*, //
};

/// A call of a rig with the domains that are there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    Attach,
    AttachWithHandle,
    Replace,
    Claim,
    ClaimDevice,
    AttachPasid,
    ReplacePasid,
}

pub(super) const ASKS: [Ask; 7] = [
    Ask::Attach,
    Ask::AttachWithHandle,
    Ask::Replace,
    Ask::Claim,
    Ask::ClaimDevice,
    Ask::AttachPasid,
    Ask::ReplacePasid,
];

impl Ask {
    pub(super) fn is_of_a_pasid(self) -> bool {
        matches!(self, Self::AttachPasid | Self::ReplacePasid)
    }

    fn call(self) -> Op {
        match self.is_of_a_pasid() {
            true => Op::SetPasid,
            false => Op::Attach,
        }
    }

    pub(super) fn before(self, rig: &mut dyn Rig, old: DomainNo, pasid: Pasid) -> Result {
        match self {
            Self::Replace => rig.attach(old, Some(HandleNo(1))),
            Self::ReplacePasid => rig.attach_pasid(0, old, pasid),
            _ => Ok(()),
        }
    }

    pub(super) fn run(self, rig: &mut dyn Rig, new: DomainNo, pasid: Pasid) -> Result {
        match self {
            Self::Attach => rig.attach(new, None),
            Self::AttachWithHandle => rig.attach(new, Some(HandleNo(2))),
            Self::Replace => rig.replace(new, HandleNo(2)),
            Self::Claim => rig.claim(),
            Self::ClaimDevice => rig.claim_device(0, 1),
            Self::AttachPasid => rig.attach_pasid(0, new, pasid),
            Self::ReplacePasid => rig.replace_pasid(0, new, pasid, HandleNo(2)),
        }
    }

    /// Checks that the devices are where they were.
    pub(super) fn check_unchanged(
        self,
        rig: &dyn Rig,
        members: u32,
        old: DomainNo,
        pasid: Pasid,
    ) -> Outcome {
        let (expected, handle) = match self {
            Self::Replace => (rig.reach(old), Ok(HandleNo(1))),
            _ => (rig.home(), Err(ENOENT)),
        };
        rig.check_all(members, expected)?;
        check_eq!(rig.handle(), handle);
        let expected = match self {
            Self::ReplacePasid => rig.reach(old),
            _ => Reach::Aborted,
        };
        for at in 0..members {
            check_eq!(rig.pasid_truth(at, pasid), expected);
        }
        Ok(())
    }
}

pub(super) fn any_call_of_a_rig_can_fail(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let pasid = Pasid::new(1)?;
    for ask in ASKS {
        let mut nth = 0;
        loop {
            let mut rig = setting.build()?;
            let (old, new) = (rig.domain()?, rig.domain()?);
            ask.before(&mut *rig, old, pasid)?;
            rig.fail(Rule::once(ask.call(), ERROR).after(nth))?;
            let warned = warnings.count();
            let result = ask.run(&mut *rig, new, pasid);
            let hit = rig.mock().faults().hits() != 0;
            rig.mock().faults().clear();
            if !hit {
                check_eq!(result, Ok(()));
                break;
            }
            check!(result == Err(ERROR), "{ask:?}, call {nth}: {result:?}");
            ask.check_unchanged(&*rig, setting.members, old, pasid)?;
            // Nobody is on the new domain.
            rig.free(new);
            let new = rig.domain()?;
            check_eq!(ask.run(&mut *rig, new, pasid), Ok(()));
            check_eq!(warnings.count(), warned);
            nth += 1;
            check!(nth < ENOUGH, "{ask:?} never ends");
        }
        check_eq!(nth, setting.members);
    }
    Ok(())
}

/// The kernel's core with every group size.
pub(super) const KERNEL: [Setting; 3] = [
    Setting::new(Core::Kernel, 1),
    Setting::new(Core::Kernel, 2),
    Setting::new(Core::Kernel, 5),
];

/// The kernel's core keeps to itself why it does not take a device.
pub(super) fn any_call_of_a_probe_can_fail(setting: &Setting) -> Outcome {
    let warnings = WarnCounter::start()?;
    let members = setting.members;
    let mut failures = 0;
    for call in [Op::Probe, Op::Group, Op::Attach] {
        let mut nth = 0;
        loop {
            let mut kernel = Kernel::with(InstanceConfig::default(), members + 1, |_, _| ())?;
            for id in 0..members {
                kernel.plug(id)?;
            }
            kernel
                .mock()
                .faults()
                .add(Rule::once(call, ERROR).after(nth))?;
            let result = kernel.plug(members);
            let hit = kernel.mock().faults().hits() != 0;
            kernel.mock().faults().clear();
            check_eq!(kernel.differing()?, 0);
            if !hit {
                check_eq!(result, Ok(()));
                break;
            }
            check_eq!(result, Err(ENODEV));
            check_eq!(kernel.group()?.members()?.len(), members as usize);
            kernel.plug(members)?;
            check_eq!(kernel.differing()?, 0);
            nth += 1;
            check!(nth < ENOUGH, "{call:?} never ends");
        }
        failures += nth;
    }
    note(fmt!("{failures} failures"));
    check_eq!(failures, 3);
    check_eq!(warnings.count(), 0);
    Ok(())
}

const PAGE: usize = 0x1000;
const BIG: usize = 0x20_0000;

/// Where a range begins that takes pages of both sizes: several calls of the driver.
const IOVA: usize = 0x4000_0000 - PAGE;

/// Through the kernel's core, as the adaptor reports progress.
pub(super) fn any_call_of_a_map_can_fail() -> Outcome {
    let warnings = WarnCounter::start()?;
    let kernel = Kernel::new(1)?;
    let alloc = || UserDomain::alloc(kernel.endpoint(0)?, PagingFlags::default());
    let faults = kernel.mock().faults();
    faults.add(Rule::once(Op::Alloc, ERROR))?;
    check_eq!(alloc().err(), Some(ERROR));
    let domain = alloc()?;
    let (paddr, size) = ((1 << 40) - PAGE as u64, BIG + 2 * PAGE);
    let ends = [IOVA, IOVA + PAGE, IOVA + BIG + PAGE];
    let mut failures = 0;
    for call in [Op::Map, Op::SyncMap] {
        let mut nth = 0;
        loop {
            let rule = faults.arm(Rule::once(call, ERROR).after(nth))?;
            let result = domain.map(IOVA, paddr, size, Prot::RW);
            let hit = faults.progress(rule).is_some_and(|p| p.spent);
            faults.clear();
            if !hit {
                check_eq!(result, Ok(()));
                check_eq!(domain.unmap(IOVA, size), size);
                break;
            }
            check_eq!(result, Err(ERROR));
            for at in ends {
                check_eq!(domain.iova_to_phys(at as u64), 0);
            }
            domain.map(IOVA, paddr, size, Prot::RW)?;
            check_eq!(domain.unmap(IOVA, size), size);
            nth += 1;
            check!(nth < ENOUGH, "{call:?} never ends");
        }
        failures += nth;
    }
    note(fmt!("{failures} failures"));
    check!(failures > 3);
    check_eq!(warnings.count(), 0);
    Ok(())
}
