// SPDX-License-Identifier: GPL-2.0

//! The driver on live hardware, which remembers everything until told to forget.

use super::{
    Setting,
    SETTINGS, //
};
use crate::{
    iommu::{
        AttachError,
        Gather,
        PagingFlags,
        Prot, //
    },
    kapi::{
        errno,
        kunit::{
            check,
            check_eq,
            kunit_suite,
            Outcome, //
        }, //
    },
    mark::{
        next_page,
        IOVA,
        SIZE, //
    },
    mock::{
        endpoint::{
            EndpointConfig,
            InstanceConfig, //
        },
        hw::{
            machine::Inspect as _,
            Reach, //
        },
        unit::{
            Modelled as _,
            Seen,
            Space as _,
            Target,
            Unit as _,
            FORMER_KERNEL, //
        },
        vtd::{
            Hardware,
            VtdSpace,
            VtdUnit, //
        },
    },
    pgtable::{
        PageTable,
        X86FirstStage, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_vtd_live:
    dma_goes_where_the_last_attach_said: each Setting in SETTINGS;
    unmapped_pages_are_flushed: each Setting in SETTINGS;
    replaced_tables_are_flushed: each Setting in SETTINGS;
    identifiers_run_out_and_come_back: each Setting in SETTINGS;
    released_endpoint_is_blocked: each Setting in SETTINGS;
    tables_of_a_former_kernel_are_left_until_attach: each Setting in SETTINGS;
    misfits_are_refused: each Setting in SETTINGS;
    nested_space_goes_through_its_parent: each Setting in SETTINGS;
}

/// Makes an instance of ordinary endpoints, changed by `change`.
pub(super) fn unit(
    setting: &Setting,
    count: usize,
    change: impl Fn(&mut EndpointConfig),
) -> Result<Arc<VtdUnit>> {
    let config = InstanceConfig {
        protocol: setting.protocol,
        ..InstanceConfig::default()
    };
    let hardware = Hardware {
        fetch_unit: setting.fetch_unit,
        caching_mode: setting.caching_mode,
        ..Hardware::default()
    };
    let mut endpoint = EndpointConfig::ordinary(0);
    endpoint.max_pasids = 4;
    endpoint.resettable = setting.ats;
    change(&mut endpoint);
    let endpoints = KVec::from_elem(endpoint, count, GFP_KERNEL)?;
    VtdUnit::with(&config, &endpoints, hardware)
}

/// A stage of page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    First,
    Second,
}

/// Makes a space that maps [`IOVA`] to a page of its own.
pub(super) fn space(unit: &Arc<VtdUnit>, by: By) -> Result<Arc<VtdSpace>> {
    let space = match by {
        By::First => unit.new_first_stage_space(0)?,
        By::Second => unit.new_second_stage_space(0)?,
    };
    space.map(IOVA, next_page(), SIZE, 1, Prot::RW).result?;
    space.sync_map(IOVA, SIZE)?;
    Ok(space)
}

fn stages(setting: &Setting) -> &'static [By] {
    match setting.is_legacy() {
        true => &[By::Second],
        false => &[By::Second, By::First],
    }
}

/// With which PASIDs an endpoint does DMA.
fn pasids(setting: &Setting) -> &'static [Option<u32>] {
    match setting.is_legacy() {
        true => &[None],
        false => &[None, Some(1), Some(3)],
    }
}

pub(super) fn reach(target: &Target<VtdSpace>) -> Reach {
    match target {
        Target::Blocked => Reach::Aborted,
        Target::Identity => Reach::Memory(IOVA),
        Target::Paging(space) => space
            .iova_to_phys(IOVA)
            .map_or(Reach::Aborted, Reach::Memory),
    }
}

pub(super) fn go(
    unit: &VtdUnit,
    endpoint: u32,
    pasid: Option<u32>,
    to: &Target<VtdSpace>,
) -> Outcome {
    let result = unit.check(endpoint, pasid, to).and_then(|()| {
        unit.attach(endpoint, pasid, to) //
    });
    check!(
        result.is_ok(),
        "endpoint {endpoint} PASID {pasid:?}: {result:?}"
    );
    let (truth, expected) = (unit.dma(endpoint, pasid, IOVA), reach(to));
    check!(
        truth == expected,
        "endpoint {endpoint} PASID {pasid:?} reaches {truth:x?}, not {expected:x?}"
    );
    let seen = match to {
        Target::Blocked => Seen::Blocked,
        Target::Identity => Seen::Identity,
        Target::Paging(space) => Seen::Paging(space.number()),
    };
    if pasid.is_none() {
        check_eq!(unit.seen(endpoint), Some(seen));
    }
    Ok(())
}

fn dma_goes_where_the_last_attach_said(setting: &Setting) -> Outcome {
    let unit = unit(setting, 2, |_| ())?;
    let mut targets = KVec::new();
    targets.push(Target::Blocked, GFP_KERNEL)?;
    targets.push(Target::Identity, GFP_KERNEL)?;
    for by in stages(setting) {
        for _ in 0..2 {
            targets.push(Target::Paging(space(&unit, *by)?), GFP_KERNEL)?;
        }
    }
    for pasid in pasids(setting) {
        for from in &targets {
            for to in &targets {
                // Alone; next to one that stays behind; next to one that is there already.
                for other in [&Target::Blocked, from, to] {
                    go(&unit, 1, *pasid, other)?;
                    go(&unit, 0, *pasid, from)?;
                    go(&unit, 0, *pasid, to)?;
                    let truth = unit.dma(1, *pasid, IOVA);
                    check!(truth == reach(other), "the other one reaches {truth:x?}");
                }
            }
        }
        go(&unit, 0, *pasid, &Target::Blocked)?;
        go(&unit, 1, *pasid, &Target::Blocked)?;
    }
    check_eq!(unit.machine().counts().wild, 0);
    Ok(())
}

fn unmapped_pages_are_flushed(setting: &Setting) -> Outcome {
    let unit = unit(setting, 1, |_| ())?;
    for pasid in pasids(setting) {
        for by in stages(setting) {
            let space = space(&unit, *by)?;
            let next = next_page();
            space.map(IOVA + SIZE, next, SIZE, 1, Prot::RW).result?;
            let target = Target::Paging(space.clone());
            go(&unit, 0, *pasid, &target)?;
            let (here, there) = (reach(&target), Reach::Memory(next));
            check_eq!(unit.dma(0, *pasid, IOVA + SIZE), there);

            let mut gather = Gather::default();
            check_eq!(space.unmap(IOVA, SIZE, 1, &mut gather), SIZE);
            // This shows that there is something to flush.
            check_eq!(unit.dma(0, *pasid, IOVA), here);
            space.sync(&gather);
            check_eq!(unit.dma(0, *pasid, IOVA), Reach::Aborted);
            check_eq!(unit.dma(0, *pasid, IOVA + SIZE), there);
            go(&unit, 0, *pasid, &Target::Blocked)?;
        }
    }
    Ok(())
}

fn replaced_tables_are_flushed(setting: &Setting) -> Outcome {
    const LARGE: u64 = 1 << 21;
    let unit = unit(setting, 1, |_| ())?;
    for by in stages(setting) {
        let space = space(&unit, *by)?;
        let (small, large) = (1 << 36, 1 << 37);
        space
            .map(LARGE, small, SIZE, LARGE / SIZE, Prot::RW)
            .result?;
        unit.attach(0, None, &Target::Paging(space.clone()))
            .map_err(Error::from)?;
        check_eq!(unit.dma(0, None, LARGE + 5), Reach::Memory(small + 5));
        let mut gather = Gather::default();
        check_eq!(space.unmap(LARGE, SIZE, LARGE / SIZE, &mut gather), LARGE);
        check!(gather.tables() != 0);
        space.sync(&gather);
        check_eq!(unit.dma(0, None, LARGE + 5), Reach::Aborted);
        space.map(LARGE, large, LARGE, 1, Prot::RW).result?;
        check_eq!(unit.dma(0, None, LARGE + 5), Reach::Memory(large + 5));
    }
    check_eq!(unit.machine().counts().wild, 0);
    Ok(())
}

fn identifiers_run_out_and_come_back(setting: &Setting) -> Outcome {
    const SPACES: usize = 14;
    let unit = unit(setting, SPACES + 1, |_| ())?;
    for _ in 0..3 {
        for endpoint in 0..SPACES as u32 {
            let by = stages(setting).last().ok_or(EINVAL)?;
            go(&unit, endpoint, None, &Target::Paging(space(&unit, *by)?))?;
        }
        let (last, one_more) = (SPACES as u32, space(&unit, By::Second)?);
        let to = Target::Paging(one_more.clone());
        check_eq!(
            unit.attach(last, None, &to),
            Err(AttachError::Failed(ENOSPC))
        );
        check_eq!(unit.seen(last), Some(Seen::Identity));
        check_eq!(unit.dma(last, None, IOVA), Reach::Memory(IOVA));
        // One who moves needs a second one as well.
        let before = unit.dma(0, None, IOVA);
        check_eq!(unit.attach(0, None, &to), Err(AttachError::Failed(ENOSPC)));
        check_eq!(unit.dma(0, None, IOVA), before);
        go(&unit, 0, None, &Target::Blocked)?;
        go(&unit, last, None, &to)?;
        for endpoint in 0..=last {
            go(&unit, endpoint, None, &Target::Identity)?;
        }
    }
    Ok(())
}

fn released_endpoint_is_blocked(setting: &Setting) -> Outcome {
    let unit = unit(setting, 1, |_| ())?;
    for keep in [false, true] {
        let target = Target::Paging(space(&unit, By::Second)?);
        for pasid in pasids(setting) {
            go(&unit, 0, *pasid, &target)?;
        }
        unit.release(0, keep);
        for pasid in pasids(setting) {
            let stays = keep && pasid.is_none();
            let expected = if stays {
                reach(&target)
            } else {
                Reach::Aborted
            };
            check_eq!(unit.dma(0, *pasid, IOVA), expected);
        }
    }
    Ok(())
}

fn tables_of_a_former_kernel_are_left_until_attach(setting: &Setting) -> Outcome {
    let unit = unit(setting, 3, |endpoint| endpoint.deferred = true)?;
    let former = Reach::Memory(FORMER_KERNEL + IOVA);
    for endpoint in 0..3 {
        check_eq!(unit.dma(endpoint, None, IOVA), former);
        check!(matches!(unit.seen(endpoint), Some(Seen::Paging(_))));
    }
    let target = Target::Paging(space(&unit, By::Second)?);
    let busy = unit.check(0, Some(1), &target);
    let expected = match setting.is_legacy() {
        true => errno::eopnotsupp(),
        false => EBUSY,
    };
    check_eq!(busy, Err(AttachError::Failed(expected)));
    go(&unit, 0, None, &target)?;
    check_eq!(unit.dma(1, None, IOVA), former);
    go(&unit, 1, None, &Target::Blocked)?;
    go(&unit, 2, None, &Target::Identity)?;
    for pasid in pasids(setting) {
        go(&unit, 0, *pasid, &target)?;
    }
    check_eq!(unit.machine().counts().wild, 0);
    Ok(())
}

fn misfits_are_refused(setting: &Setting) -> Outcome {
    let (one, two) = (unit(setting, 1, |_| ())?, unit(setting, 1, |_| ())?);
    let foreign = Target::Paging(space(&two, By::Second)?);
    check_eq!(one.check(0, None, &foreign), Err(AttachError::Incompatible));
    let second = Target::Paging(space(&one, By::Second)?);
    check_eq!(one.check(0, None, &second), Ok(()));
    check_eq!(
        one.check(1, None, &second),
        Err(AttachError::Failed(ENODEV))
    );
    // Blocked never fails, whatever the PASID.
    check_eq!(one.check(0, Some(1), &Target::Blocked), Ok(()));
    check!(one.attach(0, Some(1), &Target::Blocked).is_ok());

    let flags = PagingFlags::pasid(true);
    let space = Target::Paging(one.new_space(0, flags)?);
    let unsupported = Err(AttachError::Failed(errno::eopnotsupp()));
    if setting.is_legacy() {
        check_eq!(one.check(0, Some(1), &space), unsupported);
        check_eq!(one.check(0, Some(1), &Target::Identity), unsupported);
        let first = one.new_first_stage_space(0).map(|_| ());
        check_eq!(first, Err(errno::eopnotsupp()));
        return Ok(());
    }
    check_eq!(one.check(0, Some(1), &space), Ok(()));
    let invalid = Err(AttachError::Failed(EINVAL));
    check_eq!(one.check(0, Some(0), &space), invalid);
    check_eq!(one.check(0, Some(1 << 20), &space), invalid);
    Ok(())
}

fn nested_space_goes_through_its_parent(setting: &Setting) -> Outcome {
    const GIB: u64 = 1 << 30;
    let unit = unit(setting, 2, |_| ())?;
    let parent = space(&unit, By::Second)?;
    let guest = Arc::pin_init(PageTable::<X86FirstStage>::new(4), GFP_KERNEL)?;
    let tables = guest.top().root & !(GIB - 1);
    parent.map(tables, tables, GIB, 1, Prot::RW).result?;
    let nested = match unit.new_nested(&parent, guest) {
        Ok(nested) => nested,
        Err(error) => {
            check!(setting.is_legacy() && error == EINVAL);
            return Ok(());
        }
    };
    check!(unit
        .new_nested(&nested, Arc::pin_init(PageTable::new(4), GFP_KERNEL)?)
        .is_err());
    // The guest maps to where the parent has its mark.
    let gpa = IOVA + SIZE;
    parent.map(gpa, next_page(), SIZE, 1, Prot::RW).result?;
    nested.map(IOVA, gpa, SIZE, 1, Prot::RW).result?;

    for pasid in pasids(setting) {
        let target = Target::Paging(nested.clone());
        for from in [
            Target::Identity,
            Target::Paging(parent.clone()),
            Target::Paging(space(&unit, By::First)?),
            Target::Blocked,
        ] {
            go(&unit, 0, *pasid, &from)?;
            go(&unit, 0, *pasid, &target)?;
        }
        // What the parent unmaps is flushed for those on top of it too.
        let there = nested.iova_to_phys(IOVA);
        let mut gather = Gather::default();
        check_eq!(parent.unmap(gpa, SIZE, 1, &mut gather), SIZE);
        check_eq!(Some(unit.dma(0, *pasid, IOVA)), there.map(Reach::Memory));
        parent.sync(&gather);
        check_eq!(unit.dma(0, *pasid, IOVA), Reach::Aborted);
        parent.map(gpa, next_page(), SIZE, 1, Prot::RW).result?;
        check_eq!(unit.dma(0, *pasid, IOVA), reach(&target));
        // So is what the guest unmaps and has flushed.
        let mut gather = Gather::default();
        check_eq!(nested.unmap(IOVA, SIZE, 1, &mut gather), SIZE);
        nested.sync(&gather);
        check_eq!(unit.dma(0, *pasid, IOVA), Reach::Aborted);
        nested.map(IOVA, gpa, SIZE, 1, Prot::RW).result?;
        go(&unit, 0, *pasid, &Target::Blocked)?;
    }
    check_eq!(unit.machine().counts().wild, 0);
    Ok(())
}
