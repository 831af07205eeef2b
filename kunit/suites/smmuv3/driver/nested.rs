// SPDX-License-Identifier: GPL-2.0

//! A guest's stage 1 on top of a stage 2.

use super::{
    lines,
    marked,
    reach,
    stage1,
    unit,
    Of,
    MARK, //
};
use crate::{
    iommu::{
        AttachError,
        Gather,
        Prot, //
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mock::{
        hw::{
            machine::Inspect as _,
            model::Command,
            smmuv3::command::{
                self,
                op, //
            },
            step::{
                Note,
                Step, //
            },
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
            Unit as _, //
        },
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_smmuv3_nested:
    both_stages_translate;
    a_guest_needs_a_parent;
    what_goes_from_stage_2_is_forgotten_in_stage_1;
    a_guest_flushes_for_itself;
    whoever_is_nested_is_listed_with_the_parent;
    any_domain_follows_what_is_nested;
}

/// Where a guest thinks that its memory is.
const IPA: u64 = 0x7000_0000;

/// A stage 2 that maps the guest's memory to a page.
fn parent(unit: &Smmuv3Unit, page: u64) -> Result<Arc<Smmuv3Space>> {
    let parent = unit.new_nest_parent()?;
    parent.map(IPA, page, 0x1000, 1, Prot::RW).result?;
    Ok(parent)
}

/// A stage 1 that maps the mark to the guest's memory.
fn guest(unit: &Smmuv3Unit, parent: &Arc<Smmuv3Space>) -> Result<Arc<Smmuv3Space>> {
    let guest = unit.new_nested(parent)?;
    guest.map(MARK, IPA, 0x1000, 1, Prot::RW).result?;
    Ok(guest)
}

fn go(unit: &Smmuv3Unit, to: &Arc<Smmuv3Space>) -> Result {
    let to = Target::Paging(to.clone());
    unit.attach(0, None, &to)?;
    Ok(())
}

fn both_stages_translate() -> Outcome {
    let unit = unit(0, 1, false)?;
    let parent = parent(&unit, 0x10_0000)?;
    let nested = guest(&unit, &parent)?;
    go(&unit, &nested)?;
    check_eq!(reach(&unit, 0, None), Reach::Memory(0x10_0000));
    check_eq!(unit.dma(0, None, IPA), Reach::Aborted);
    check_eq!(unit.seen(0), Some(Seen::Paging(nested.number())));
    // Leaves of a guest may be larger than what is behind them, and many.
    nested.map(1 << 40, 0, 1 << 30, 1, Prot::RW).result?;
    let far = unit.dma(0, None, (1 << 40) + IPA);
    check_eq!(far, Reach::Aborted);
    nested.map(1 << 41, 0, 1 << 30, 2, Prot::RW).result?;
    let far = unit.dma(0, None, (1 << 41) + IPA + 5);
    check_eq!(far, Reach::Memory(0x10_0005));
    for page in 0..20u64 {
        let iova = page << 30;
        nested.map(iova, IPA, 0x1000, 1, Prot::RW).result?;
        check_eq!(unit.dma(0, None, iova), Reach::Memory(0x10_0000));
    }
    go(&unit, &parent)?;
    check_eq!(unit.dma(0, None, IPA), Reach::Memory(0x10_0000));
    check_eq!(reach(&unit, 0, None), Reach::Aborted);
    check_eq!(unit.machine().counts().wild, 0);
    Ok(())
}

fn a_guest_needs_a_parent() -> Outcome {
    let unit = unit(0, 1, false)?;
    for of in [Of::Stage1, Of::Stage2(48)] {
        let wrong = marked(&unit, of, 0x10_0000)?;
        check_eq!(unit.new_nested(&wrong).err(), Some(EINVAL));
    }
    let nested = Target::Paging(guest(&unit, &parent(&unit, 0x10_0000)?)?);
    let soft = Err(AttachError::Incompatible);
    check_eq!(unit.check(0, Some(1), &nested), soft);
    unit.attach(0, Some(1), &stage1(&unit, 0x10_1000)?)
        .map_err(Error::from)?;
    let busy = Err(AttachError::Failed(EBUSY));
    check_eq!(unit.check(0, None, &nested), busy);
    Ok(())
}

/// Stage 1 lines know nothing of the IPAs that they went through.
fn what_goes_from_stage_2_is_forgotten_in_stage_1() -> Outcome {
    let unit = unit(0, 1, true)?;
    let parent = parent(&unit, 0x10_0000)?;
    let nested = guest(&unit, &parent)?;
    go(&unit, &nested)?;
    check_eq!(reach(&unit, 0, None), Reach::Memory(0x10_0000));
    let mut gather = Gather::default();
    parent.unmap(IPA, 0x1000, 1, &mut gather);
    check_eq!(reach(&unit, 0, None), Reach::Memory(0x10_0000));
    unit.machine().start_tape();
    parent.sync(&gather);
    let tape = unit.machine().take_tape();
    check_eq!(reach(&unit, 0, None), Reach::Aborted);

    let mut found = KVec::<Option<Command>>::new();
    for step in &tape {
        match step {
            Step::Submit(command) => found.push(Some(*command), GFP_KERNEL)?,
            Step::Wait => found.push(None, GFP_KERNEL)?,
            _ => (),
        }
    }
    let [stage2, wait, stage1, wait_again, atc, last] = found[..] else {
        check!(false, "not six steps: {:x?}", &found[..]);
        return Ok(());
    };
    check_eq!((wait, wait_again, last), (None, None, None));
    let stage2 = stage2.map(|command| command::OP.get(&command.0));
    check_eq!(stage2, Some(op::TLBI_S2_IPA));
    check_eq!(stage1, Some(command::tlbi(op::TLBI_NH_ALL, 1, 0)));
    let all = command::atc_inv(0, None, 0, command::ATC_ALL);
    check_eq!(atc, Some(all));
    Ok(())
}

fn a_guest_flushes_for_itself() -> Outcome {
    let unit = unit(0, 1, false)?;
    let parent = parent(&unit, 0x10_0000)?;
    let (one, other) = (guest(&unit, &parent)?, guest(&unit, &parent)?);
    for nested in [&one, &other] {
        go(&unit, nested)?;
        check_eq!(reach(&unit, 0, None), Reach::Memory(0x10_0000));
    }
    let mut gather = Gather::default();
    other.unmap(MARK, 0x1000, 1, &mut gather);
    check_eq!(reach(&unit, 0, None), Reach::Memory(0x10_0000));
    other.sync(&gather);
    check_eq!(reach(&unit, 0, None), Reach::Aborted);
    // The other ASID is left alone, until its space goes.
    check_eq!(lines(&unit, b"VMID 1 ASID 1 ")?, 1);
    drop(one);
    check_eq!(lines(&unit, b"VMID 1 ASID 1 ")?, 0);
    Ok(())
}

fn whoever_is_nested_is_listed_with_the_parent() -> Outcome {
    let unit = unit(0, 1, false)?;
    let parent = parent(&unit, 0x10_0000)?;
    let (one, other) = (guest(&unit, &parent)?, guest(&unit, &parent)?);
    let notes = |to| -> Result<(KVec<u64>, KVec<u64>)> {
        unit.machine().start_tape();
        go(&unit, to)?;
        let (mut listed, mut unlisted) = (KVec::new(), KVec::new());
        for step in &unit.machine().take_tape() {
            match step {
                Step::Note(Note::Listed(space, _)) => listed.push(*space, GFP_KERNEL)?,
                Step::Note(Note::Unlisted(space, _)) => unlisted.push(*space, GFP_KERNEL)?,
                _ => (),
            }
        }
        Ok((listed, unlisted))
    };
    let [p, a, b] = [&parent, &one, &other].map(|space| space.number());
    let (listed, unlisted) = notes(&one)?;
    check_eq!((&listed[..], &unlisted[..]), (&[a, p][..], &[][..]));
    // The parent stays listed.
    let (listed, unlisted) = notes(&other)?;
    check_eq!((&listed[..], &unlisted[..]), (&[b, p][..], &[a][..]));
    let (listed, unlisted) = notes(&parent)?;
    check_eq!((&listed[..], &unlisted[..]), (&[p][..], &[b][..]));
    Ok(())
}

fn any_domain_follows_what_is_nested() -> Outcome {
    for (protocol, ats) in [(0, false), (0, true), (1, false), (1, true)] {
        let unit = unit(protocol, 1, ats)?;
        let first = parent(&unit, 0x10_0000)?;
        let second = parent(&unit, 0x10_1000)?;
        let paging = |space: Arc<Smmuv3Space>| Target::Paging(space);
        let targets = [
            (Target::Blocked, Reach::Aborted),
            (Target::Identity, Reach::Memory(MARK)),
            (stage1(&unit, 0x10_2000)?, Reach::Memory(0x10_2000)),
            (paging(guest(&unit, &first)?), Reach::Memory(0x10_0000)),
            (paging(guest(&unit, &first)?), Reach::Memory(0x10_0000)),
            (paging(guest(&unit, &second)?), Reach::Memory(0x10_1000)),
            (paging(first), Reach::Aborted),
        ];
        for (from, before) in &targets {
            for (to, after) in &targets {
                for (target, expected) in [(from, before), (to, after), (to, after)] {
                    unit.attach(0, None, target).map_err(Error::from)?;
                    check_eq!(reach(&unit, 0, None), *expected);
                }
            }
        }
        check_eq!(unit.machine().counts().wild, 0);
    }
    Ok(())
}
