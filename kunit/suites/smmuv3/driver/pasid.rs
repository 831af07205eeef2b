// SPDX-License-Identifier: GPL-2.0

//! PASIDs, which are SubstreamIDs here.

use super::{
    marked,
    reach,
    stage1,
    unit,
    Of,
    MARK, //
};
use crate::{
    iommu::AttachError,
    kapi::{
        errno,
        kunit::{
            check,
            check_eq,
            kunit_suite,
            Outcome, //
        },
    },
    mock::{
        hw::{
            machine::Inspect as _,
            model::{
                Model as _,
                Next,
                Requester, //
            },
            smmuv3::ste,
            step::Step,
            Reach, //
        },
        smmuv3::Smmuv3Unit,
        unit::{
            Modelled as _,
            Target,
            Unit as _, //
        },
    },
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_smmuv3_substreams:
    a_pasid_leaves_the_rest_alone;
    the_rest_changes_beside_a_pasid;
    what_cannot_be_is_refused;
    a_swap_of_tables_takes_all_pasids_along;
    release_ends_all_pasids;
}

/// The Config and S1DSS of an endpoint.
fn config(unit: &Smmuv3Unit, sid: u32) -> Result<(u64, u64)> {
    let at = unit.machine().model().ste(sid);
    let words = [unit.machine().load(at)?, unit.machine().load(at + 8)?];
    Ok((ste::CONFIG.get(&words), ste::S1DSS.get(&words)))
}

/// Does something, and checks that DMA of a requester goes to the same place after every store.
fn undisturbed(unit: &Smmuv3Unit, from: Requester, change: impl FnOnce() -> Result) -> Outcome {
    let machine = unit.machine();
    let before = machine.look_up(from);
    let mut memory = machine.entries()?;
    machine.start_tape();
    change()?;
    for step in &machine.take_tape() {
        if let Step::Store(store) = step {
            store.apply(&mut memory)?;
            let mut next = machine.model().next(from, &[]);
            let mut read = KVec::new();
            while let Next::Fetch(fetch) = next {
                read.push(memory.entry(&fetch).ok_or(EFAULT)?, GFP_KERNEL)?;
                next = machine.model().next(from, &read);
            }
            let both_abort = matches!((next, before), (Next::Abort(_), Next::Abort(_)));
            check!(both_abort || next == before, "{next:x?} is not {before:x?}");
        }
    }
    Ok(())
}

fn a_pasid_leaves_the_rest_alone() -> Outcome {
    for ats in [false, true] {
        let unit = unit(0, 1, ats)?;
        let rid = Requester { id: 0, pasid: None };
        let (a, b) = (stage1(&unit, 0x10_0000)?, stage1(&unit, 0x10_1000)?);
        let homes = [
            (Target::Identity, Reach::Memory(MARK), (4, 0), (5, 1)),
            (Target::Blocked, Reach::Aborted, (0, 0), (5, 0)),
            (b.clone(), Reach::Memory(0x10_1000), (5, 2), (5, 2)),
        ];
        for (home, place, without, with) in &homes {
            unit.attach(0, None, home).map_err(Error::from)?;
            check_eq!(config(&unit, 0)?, *without);
            check_eq!(reach(&unit, 0, Some(2)), Reach::Aborted);
            let go = |to: &Target<_>| {
                undisturbed(&unit, rid, || {
                    unit.attach(0, Some(2), to).map_err(Error::from)?;
                    Ok(())
                })
            };
            go(&a)?;
            check_eq!(config(&unit, 0)?, *with);
            check_eq!(reach(&unit, 0, Some(2)), Reach::Memory(0x10_0000));
            go(&b)?;
            check_eq!(reach(&unit, 0, Some(2)), Reach::Memory(0x10_1000));
            check_eq!(reach(&unit, 0, Some(1)), Reach::Aborted);
            check_eq!(reach(&unit, 0, None), *place);
            go(&Target::Blocked)?;
            check_eq!(config(&unit, 0)?, *without);
            check_eq!(reach(&unit, 0, Some(2)), Reach::Aborted);
            check_eq!(reach(&unit, 0, None), *place);
        }
    }
    Ok(())
}

fn the_rest_changes_beside_a_pasid() -> Outcome {
    for protocol in [0, 1] {
        let unit = unit(protocol, 1, true)?;
        let pasid = Requester {
            id: 0,
            pasid: Some(3),
        };
        let (a, b) = (stage1(&unit, 0x10_0000)?, stage1(&unit, 0x10_1000)?);
        let mine = stage1(&unit, 0x10_2000)?;
        unit.attach(0, Some(3), &mine).map_err(Error::from)?;
        let homes = [
            (&a, Reach::Memory(0x10_0000), 2),
            (&b, Reach::Memory(0x10_1000), 2),
            (&Target::Blocked, Reach::Aborted, 0),
            (&Target::Identity, Reach::Memory(MARK), 1),
            (&b, Reach::Memory(0x10_1000), 2),
            (&Target::Identity, Reach::Memory(MARK), 1),
            (&Target::Blocked, Reach::Aborted, 0),
        ];
        for (home, place, dss) in homes {
            let swaps = protocol == 1;
            let go = || {
                unit.attach(0, None, home).map_err(Error::from)?;
                Ok(())
            };
            match swaps {
                // The same by another table, which is as good.
                true => go()?,
                false => undisturbed(&unit, pasid, go)?,
            }
            check_eq!(config(&unit, 0)?, (5, dss));
            check_eq!(reach(&unit, 0, None), place);
            check_eq!(reach(&unit, 0, Some(3)), Reach::Memory(0x10_2000));
        }
    }
    Ok(())
}

fn what_cannot_be_is_refused() -> Outcome {
    let unit = unit(0, 1, false)?;
    let first = stage1(&unit, 0x10_0000)?;
    let second = Target::Paging(marked(&unit, Of::Stage2(48), 0x10_1000)?);
    let failed = |error| Err(AttachError::Failed(error));
    check_eq!(unit.check(0, None, &second), Ok(()));
    let soft = Err(AttachError::Incompatible);
    check_eq!(unit.check(0, Some(1), &second), soft);
    let identity = unit.check(0, Some(1), &Target::Identity);
    check_eq!(identity, failed(errno::eopnotsupp()));
    check_eq!(unit.check(0, Some(4), &first), failed(EINVAL));
    check_eq!(unit.check(1, None, &first), failed(ENODEV));
    unit.attach(0, Some(1), &first).map_err(Error::from)?;
    check_eq!(unit.check(0, None, &second), failed(EBUSY));
    check_eq!(unit.check(0, None, &first), Ok(()));
    unit.attach(0, Some(1), &Target::Blocked)
        .map_err(Error::from)?;
    unit.attach(0, None, &second).map_err(Error::from)?;
    // A stream of stage 2 has no substreams.
    check_eq!(unit.check(0, Some(1), &first), failed(EINVAL));
    Ok(())
}

fn a_swap_of_tables_takes_all_pasids_along() -> Outcome {
    let unit = unit(1, 1, false)?;
    let spaces = [
        stage1(&unit, 0x10_0000)?,
        stage1(&unit, 0x10_1000)?,
        stage1(&unit, 0x10_2000)?,
        stage1(&unit, 0x10_3000)?,
    ];
    let [a, b, c, d] = &spaces;
    let page = |number: u64| Reach::Memory(0x10_0000 + number * 0x1000);
    let go = |pasid, to| unit.attach(0, pasid, to).map_err(Error::from);
    go(None, a)?;
    go(Some(1), b)?;
    go(Some(3), c)?;
    for (pasid, to, expected) in [
        (None, d, [3, 1, 2]),
        (Some(1), a, [3, 0, 2]),
        (Some(3), b, [3, 0, 1]),
        (None, c, [2, 0, 1]),
    ] {
        go(pasid, to)?;
        for (from, number) in [None, Some(1), Some(3)].into_iter().zip(expected) {
            check_eq!(reach(&unit, 0, from), page(number));
        }
        check_eq!(reach(&unit, 0, Some(2)), Reach::Aborted);
    }
    // A table that is not in use has no valid CD, also not of a PASID that goes.
    go(Some(3), &Target::Blocked)?;
    go(None, d)?;
    check_eq!(reach(&unit, 0, Some(3)), Reach::Aborted);
    go(None, c)?;
    check_eq!(reach(&unit, 0, Some(3)), Reach::Aborted);
    check_eq!(reach(&unit, 0, Some(1)), page(0));
    check_eq!(unit.machine().counts().wild, 0);
    Ok(())
}

fn release_ends_all_pasids() -> Outcome {
    for keep in [false, true] {
        let unit = unit(0, 1, true)?;
        let (a, b) = (stage1(&unit, 0x10_0000)?, stage1(&unit, 0x10_1000)?);
        for (pasid, to) in [(None, &a), (Some(1), &a), (Some(2), &b)] {
            unit.attach(0, pasid, to).map_err(Error::from)?;
        }
        unit.release(0, keep);
        check_eq!(reach(&unit, 0, Some(1)), Reach::Aborted);
        check_eq!(reach(&unit, 0, Some(2)), Reach::Aborted);
        let kept = match keep {
            true => Reach::Memory(0x10_0000),
            false => Reach::Aborted,
        };
        check!(reach(&unit, 0, None) == kept);
    }
    Ok(())
}
