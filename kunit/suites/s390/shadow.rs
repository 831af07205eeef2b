// SPDX-License-Identifier: GPL-2.0

//! Functions of a guest, whose hypervisor shadows its page tables (requirement R4.9).

use super::{
    first,
    reach,
    Rig,
    Way,
    LINUX,
    RETRY,
    WAYS, //
};
use crate::{
    iommu::{
        AttachError,
        Domain,
        Gather,
        Prot, //
    },
    kapi::kunit::{
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mark,
    mock::{
        hw::{
            model::Answer,
            s390::{
                fib::State,
                instruction::op,
                shadow::Price, //
            },
            step::Step,
            Reach, //
        },
        s390::plan::Rule,
        unit::Modelled, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_zpci_shadow:
    registration_starts_with_an_empty_shadow: each Way in WAYS;
    recovery_starts_with_an_empty_shadow;
    mapping_is_told_to_the_hypervisor: each Way in WAYS;
    unmapping_is_seen_with_the_refresh;
    full_shadow_is_cleaned_by_one_refresh_of_all;
    full_shadow_fails_the_mapping;
    space_that_cannot_be_shadowed_is_refused;
    error_of_one_function_is_hidden_by_linux: each Way in WAYS;
}

const PAGE: u64 = 0x1000;

fn map(domain: &Arc<Domain>, page: u64) -> Result {
    domain.map(page * PAGE, (0x100 + page) * PAGE, PAGE, Prot::RW)
}

fn mapped(page: u64) -> Reach {
    Reach::Memory((0x100 + page) * PAGE)
}

/// A function on an empty domain, under a hypervisor with `budget` mappings.
fn guest(way: &Way, members: u32, budget: usize) -> Result<(Rig, Arc<Domain>)> {
    let rig = Rig::new(way, members)?;
    rig.pci().shadow(budget, Price::default());
    let domain = rig.empty()?;
    rig.group()?.attach(&domain).map_err(Error::from)?;
    Ok((rig, domain))
}

/// Refreshes that `op` asks for: of a range, and of everything.
fn refreshes<T>(rig: &Rig, op: impl FnOnce() -> T) -> (T, usize, usize) {
    let machine = rig.unit().machine();
    machine.start_tape();
    let result = op();
    let tape = machine.take_tape();
    let is_all = |step: &&Step| match step {
        Step::Call(call, _) => call.operands == [0, (1 << 48) - 1, 0],
        _ => false,
    };
    let is_refresh = |step: &&Step| matches!(step, Step::Call(call, _) if call.op == op::RPCIT);
    let all = tape.iter().filter(is_refresh).filter(is_all).count();
    (result, tape.iter().filter(is_refresh).count() - all, all)
}

fn registration_starts_with_an_empty_shadow(way: &Way) -> Outcome {
    let rig = Rig::new(way, 1)?;
    rig.pci().shadow(8, Price::default());
    let group = rig.group()?;
    let domain = rig.domain()?;
    check_eq!(group.attach(&domain), Ok(()));
    let expected = match way.is(&LINUX) {
        true => Reach::Aborted,
        false => reach(&domain),
    };
    check_eq!(rig.truth(0), expected);
    // What is mapped later is seen, but not what was before.
    map(&domain, 3)?;
    check_eq!(rig.dma(0, 3 * PAGE), mapped(3));
    check_eq!(rig.truth(0), expected);
    // Until somebody refreshes that range.
    let table = domain.paging().ok_or(EINVAL)?;
    check_eq!(table.sync_map(mark::IOVA, mark::SIZE), Ok(()));
    check_eq!(rig.truth(0), reach(&domain));
    group.detach(&domain);
    check_eq!(rig.pci().shadowed(), 0);
    check_eq!(rig.truth(0), Reach::Memory(mark::IOVA));
    Ok(())
}

fn recovery_starts_with_an_empty_shadow() -> Outcome {
    let (rig, domain) = guest(&LINUX, 1, 8)?;
    mark::mark(&domain)?;
    check_eq!(rig.truth(0), reach(&domain));
    rig.unit().set_state(0, State::Error)?;
    check_eq!(rig.unit().recover(0), Ok(()));
    check_eq!(rig.pci().shadowed(), 0);
    check_eq!(rig.truth(0), Reach::Aborted);
    rig.group()?.detach(&domain);
    Ok(())
}

fn mapping_is_told_to_the_hypervisor(way: &Way) -> Outcome {
    let (rig, domain) = guest(way, 2, 8)?;
    let (result, ranges, all) = refreshes(&rig, || map(&domain, 1));
    check_eq!((result, ranges, all), (Ok(()), 2, 0));
    for id in 0..2 {
        check_eq!(rig.dma(id, PAGE), mapped(1));
        check_eq!(rig.dma(id, 2 * PAGE), Reach::Aborted);
    }
    rig.group()?.detach(&domain);
    Ok(())
}

fn unmapping_is_seen_with_the_refresh() -> Outcome {
    let (rig, domain) = guest(&LINUX, 1, 8)?;
    for page in 0..3 {
        map(&domain, page)?;
    }
    let mut gather = Gather::default();
    check_eq!(domain.unmap_fast(PAGE, PAGE, &mut gather), PAGE);
    check_eq!(rig.dma(0, PAGE), mapped(1));
    check_eq!(rig.pci().shadowed(), 3);
    gather.sync(domain.paging().ok_or(EINVAL)?);
    check_eq!(rig.dma(0, PAGE), Reach::Aborted);
    check_eq!(rig.pci().shadowed(), 2);
    rig.group()?.detach(&domain);
    Ok(())
}

fn full_shadow_is_cleaned_by_one_refresh_of_all() -> Outcome {
    let (rig, domain) = guest(&LINUX, 1, 2)?;
    map(&domain, 0)?;
    map(&domain, 1)?;
    // Unmapped, but as lazily as that is possible.
    check_eq!(domain.unmap_fast(0, PAGE, &mut Gather::default()), PAGE);
    let (result, ranges, all) = refreshes(&rig, || map(&domain, 2));
    check_eq!((result, ranges, all), (Ok(()), 1, 1));
    check_eq!(rig.dma(0, 0), Reach::Aborted);
    check_eq!(rig.dma(0, PAGE), mapped(1));
    check_eq!(rig.dma(0, 2 * PAGE), mapped(2));
    rig.group()?.detach(&domain);
    Ok(())
}

fn full_shadow_fails_the_mapping() -> Outcome {
    let (rig, domain) = guest(&LINUX, 1, 2)?;
    map(&domain, 0)?;
    map(&domain, 1)?;
    let (result, ranges, all) = refreshes(&rig, || map(&domain, 2));
    // The last one flushes what was mapped in vain.
    check_eq!((result, ranges, all), (Err(ENOMEM), 2, 1));
    check_eq!(domain.iova_to_phys(2 * PAGE), None);
    check_eq!(rig.dma(0, 2 * PAGE), Reach::Aborted);
    check_eq!(rig.dma(0, PAGE), mapped(1));
    // The address can be used again.
    check_eq!(domain.unmap(0, PAGE), PAGE);
    map(&domain, 2)?;
    check_eq!(rig.dma(0, 2 * PAGE), mapped(2));
    rig.group()?.detach(&domain);
    Ok(())
}

fn space_that_cannot_be_shadowed_is_refused() -> Outcome {
    let rig = Rig::new(&RETRY, 1)?;
    rig.pci().shadow(2, Price::default());
    let domain = rig.empty()?;
    for page in 0..3 {
        map(&domain, page)?;
    }
    let group = rig.group()?;
    check_eq!(group.attach(&domain), Err(AttachError::Failed(ENOMEM)));
    for page in 0..3 {
        check_eq!(rig.dma(0, page * PAGE), Reach::Aborted);
    }
    check_eq!(rig.pci().shadowed(), 0);
    check_eq!(domain.unmap(PAGE, PAGE), PAGE);
    check_eq!(group.attach(&domain), Ok(()));
    check_eq!(rig.dma(0, 2 * PAGE), mapped(2));
    group.detach(&domain);
    Ok(())
}

fn error_of_one_function_is_hidden_by_linux(way: &Way) -> Outcome {
    let (rig, domain) = guest(way, 2, 8)?;
    rig.pci()
        .answer_by(Rule::once(op::RPCIT, Answer::refused(8)))?;
    let result = map(&domain, 1);
    let truth = [rig.dma(0, PAGE), rig.dma(1, PAGE)];
    match way.is(&LINUX) {
        true => {
            check_eq!(result, Ok(()));
            check_eq!(truth, [Reach::Aborted, mapped(1)]);
        }
        false => {
            check_eq!(result, Err(EIO));
            check_eq!(truth, [Reach::Aborted, Reach::Aborted]);
        }
    }
    check_eq!(rig.pci().state(first()), State::Enabled);
    rig.group()?.detach(&domain);
    Ok(())
}
