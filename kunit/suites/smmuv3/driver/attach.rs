// SPDX-License-Identifier: GPL-2.0

//! From anywhere to anywhere.

use super::{
    lines,
    marked,
    reach,
    stage1,
    unit,
    unit_with,
    Of,
    MARK, //
};
use crate::{
    iommu::{
        AttachError,
        PagingFlags, //
    },
    kapi::kunit::{
        self,
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mock::{
        hw::{
            machine::Inspect as _,
            model::{
                Model as _,
                Next,
                Requester, //
            },
            step::Step,
            Reach, //
        },
        smmuv3::{
            Smmuv3Space,
            Smmuv3Unit, //
        },
        unit::{
            Modelled as _,
            Seen,
            Space as _,
            Target,
            Unit as _,
            FORMER_KERNEL, //
        },
    },
};
use kernel::{
    fmt,
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_smmuv3_domains:
    firmware_leaves_endpoints_passed_through;
    a_former_kernel_leaves_its_table;
    any_domain_follows_any_other: each Way in WAYS;
    what_hardware_reads_is_old_or_new: each Way in WAYS;
    ids_run_out_and_come_back;
}

/// How entries are updated, and whether there is ATS.
struct Way {
    protocol: u32,
    ats: bool,
}

impl kunit::Param for Way {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Smmuv3Unit::PROTOCOLS.get(self.protocol as usize);
        write!(f, "{}, ATS {}", name.unwrap_or(&"?"), self.ats)
    }
}

const WAYS: [Way; 4] = [
    Way {
        protocol: 0,
        ats: false,
    },
    Way {
        protocol: 0,
        ats: true,
    },
    Way {
        protocol: 1,
        ats: false,
    },
    Way {
        protocol: 1,
        ats: true,
    },
];

fn firmware_leaves_endpoints_passed_through() -> Outcome {
    let unit = unit(0, 3, false)?;
    for endpoint in 0..3 {
        check_eq!(unit.dma(endpoint, None, 0x1234), Reach::Memory(0x1234));
        check_eq!(unit.seen(endpoint), Some(Seen::Identity));
    }
    for nobody in [3, 4, u32::MAX] {
        check_eq!(unit.dma(nobody, None, 0x1234), Reach::Aborted);
        check_eq!(unit.seen(nobody), None);
    }
    Ok(())
}

fn a_former_kernel_leaves_its_table() -> Outcome {
    let unit = unit_with(0, 2, |endpoint| endpoint.deferred = true)?;
    let expected = Reach::Memory(FORMER_KERNEL + 0x1234);
    check_eq!(unit.dma(1, None, 0x1234), expected);
    check_eq!(unit.dma(1, None, 1 << 30), Reach::Aborted);
    check!(matches!(unit.seen(1), Some(Seen::Paging(number)) if number != 0));
    unit.release(1, true);
    check_eq!(unit.dma(1, None, 0x1234), expected);
    unit.release(1, false);
    check_eq!(unit.dma(1, None, 0x1234), Reach::Aborted);
    check_eq!(unit.dma(0, None, 0x1234), expected);
    Ok(())
}

/// A target of each kind, and where the mark is by it.
fn targets(unit: &Arc<Smmuv3Unit>) -> Result<KVec<(Target<Smmuv3Space>, Reach)>> {
    let mut targets = KVec::new();
    targets.push((Target::Blocked, Reach::Aborted), GFP_KERNEL)?;
    targets.push((Target::Identity, Reach::Memory(MARK)), GFP_KERNEL)?;
    let stages = [
        Of::Stage1,
        Of::Stage1,
        Of::Stage2(39),
        Of::Stage2(48),
        Of::Stage2(48),
    ];
    for (of, page) in stages.into_iter().zip((0x10_0000..).step_by(0x1000)) {
        let space = Target::Paging(marked(unit, of, page)?);
        targets.push((space, Reach::Memory(page)), GFP_KERNEL)?;
    }
    Ok(targets)
}

fn seen(of: &Target<Smmuv3Space>) -> Option<Seen> {
    Some(match of {
        Target::Blocked => Seen::Blocked,
        Target::Identity => Seen::Identity,
        Target::Paging(space) => Seen::Paging(space.number()),
    })
}

fn any_domain_follows_any_other(way: &Way) -> Outcome {
    let unit = unit(way.protocol, 2, way.ats)?;
    let targets = targets(&unit)?;
    for (from, before) in &targets {
        for (to, after) in &targets {
            unit.attach(1, None, from).map_err(Error::from)?;
            check_eq!(reach(&unit, 1, None), *before);
            for _ in 0..2 {
                unit.attach(1, None, to).map_err(Error::from)?;
                check_eq!(reach(&unit, 1, None), *after);
                check_eq!(unit.seen(1), seen(to));
            }
            check_eq!(reach(&unit, 0, None), Reach::Memory(MARK));
        }
    }
    unit.release(1, false);
    check_eq!(unit.seen(1), Some(Seen::Blocked));
    check_eq!(unit.machine().counts().wild, 0);
    // Nobody is left who uses a tag, so that hardware must not know it.
    check_eq!(lines(&unit, b"")?, 0);
    for (target, _) in targets {
        if let Target::Paging(space) = target {
            let last = Arc::into_unique_or_drop(space).is_some();
            check!(last, "the driver has not let go of it");
        }
    }
    Ok(())
}

/// After every single store the entries in memory say old, or new, or where that cannot be had:
/// blocked.
fn what_hardware_reads_is_old_or_new(way: &Way) -> Outcome {
    let unit = unit(way.protocol, 1, way.ats)?;
    let targets = targets(&unit)?;
    let machine = unit.machine();
    let from = Requester { id: 0, pasid: None };
    let mut disruptive = 0;
    for (old, _) in &targets {
        for (new, _) in &targets {
            unit.attach(0, None, old).map_err(Error::from)?;
            let before = machine.look_up(from);
            let mut memory = machine.entries()?;
            machine.start_tape();
            unit.attach(0, None, new).map_err(Error::from)?;
            let after = machine.look_up(from);
            let mut blocked = false;
            for step in &machine.take_tape() {
                let Step::Store(store) = step else {
                    continue;
                };
                store.apply(&mut memory)?;
                let mut next = machine.model().next(from, &[]);
                let mut read = KVec::new();
                while let Next::Fetch(fetch) = next {
                    read.push(memory.entry(&fetch).ok_or(EFAULT)?, GFP_KERNEL)?;
                    next = machine.model().next(from, &read);
                }
                let is_blocked = matches!(next, Next::Abort(_));
                let allowed = next == before || next == after || is_blocked;
                check!(allowed, "{next:x?} between {before:x?} and {after:x?}");
                blocked |= is_blocked && next != before && next != after;
            }
            let s1 =
                |of: &Target<Smmuv3Space>| matches!(of, Target::Paging(space) if space.is_stage1());
            let s2 = |of: &Target<Smmuv3Space>| matches!(of, Target::Paging(_)) && !s1(of);
            let expected = match (s1(old), s1(new), s2(old), s2(new)) {
                (true, true, ..) => before != after && way.protocol == 0,
                (true, _, _, true) | (_, true, true, _) => true,
                (_, _, true, true) => before != after,
                _ => false,
            };
            check!(blocked == expected, "from {before:x?} to {after:x?}");
            disruptive += u32::from(blocked);
        }
    }
    check_eq!(disruptive, if way.protocol == 0 { 20 } else { 18 });
    Ok(())
}

fn ids_run_out_and_come_back() -> Outcome {
    let unit = unit(0, 1, false)?;
    let mut spaces = KVec::new();
    for _ in 0..255 {
        let space = unit.new_space(0, PagingFlags::default())?;
        spaces.push(space, GFP_KERNEL)?;
    }
    let full = unit.new_space(0, PagingFlags::default());
    check_eq!(full.err(), Some(ENOSPC));
    // VMIDs are another pool.
    let stage2 = unit.new_stage2_space(48)?;
    let freed = spaces.remove(100).map_err(|_| EINVAL)?.number();
    let again = unit.new_space(0, PagingFlags::default())?;
    check!(again.number() != freed && again.number() != stage2.number());
    let full = unit.new_space(0, PagingFlags::default());
    check_eq!(full.err(), Some(ENOSPC));
    let target = stage1(&unit, 0x1000).err();
    check_eq!(target, Some(ENOSPC));
    let attached = unit.attach(0, None, &Target::Paging(again));
    check!(!matches!(attached, Err(AttachError::Failed(_))));
    Ok(())
}
