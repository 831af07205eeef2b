// SPDX-License-Identifier: GPL-2.0

//! Functions in error, in recovery, and pulled out (requirements R0.4, R0.5 and R0.10).

use super::{
    first,
    reach,
    Rig,
    Way,
    BOOK,
    WAYS, //
};
use crate::{
    group::{
        Belief,
        Owner, //
    },
    iommu::Attached,
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome,
        WarnCounter, //
    },
    mark,
    mock::{
        hw::{
            model::Answer,
            s390::{
                fib::State,
                instruction::op, //
            },
            Reach, //
        },
        s390::plan::Rule,
        unit::{
            Seen,
            Unit, //
        },
    },
};
use core::num::NonZeroU64;
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_zpci_recovery:
    fenced_function_lands_where_its_group_is: each Way in WAYS;
    blocked_function_recovers_blocked: each Way in WAYS;
    recovery_without_reset_goes_on_as_firmware_has_it: each Way in WAYS;
    function_that_cannot_recover_stays_disabled;
    function_pulled_out_warns_of_nothing: each Way in WAYS;
    one_function_pulled_out_leaves_the_others_alone: each Way in WAYS;
    dma_of_a_blocked_function_is_an_error: each Way in WAYS;
}

const OWNER: Owner = Owner(NonZeroU64::MIN);

/// Checks that a function is fenced, and that its core knows.
fn check_fenced(rig: &Rig, id: u32) -> Outcome {
    check_eq!(rig.truth(id), Reach::Aborted);
    check_eq!(rig.unit().seen(id), Some(Seen::Blocked));
    let group = rig.group()?.lock();
    let member = group.members().get(id as usize).ok_or(ENODEV)?;
    check!(
        matches!(member.belief(), Belief::OnDomain(Attached::Fenced)),
        "function {id} is not believed to be fenced"
    );
    Ok(())
}

fn fenced_function_lands_where_its_group_is(way: &Way) -> Outcome {
    let quiet = WarnCounter::start()?;
    for state in [State::Error, State::Blocked, State::Recovering] {
        let rig = Rig::new(way, 2)?;
        let group = rig.group()?;
        let (old, new, last) = (rig.domain()?, rig.domain()?, rig.domain()?);
        check_eq!(group.attach(&old), Ok(()));
        rig.unit().set_state(0, state)?;
        check_eq!(rig.truth(0), Reach::Aborted);
        check_eq!(rig.replace(&new), Ok(()));
        check_fenced(&rig, 0)?;
        check_eq!(rig.truth(1), reach(&new));
        // And once more, in the middle of it. Nothing refers to the first two then.
        check_eq!(rig.replace(&last), Ok(()));
        check_fenced(&rig, 0)?;
        for gone in [old, new] {
            check!(Arc::into_unique_or_drop(gone).is_some());
        }
        if state == State::Recovering {
            check_eq!(rig.unit().recover(0), Err(EBUSY));
            rig.unit().set_state(0, State::Error)?;
        }
        check_eq!(rig.unit().recover(0), Ok(()));
        check_eq!(rig.truth(0), reach(&last));
        group.detach(&last);
        check_eq!(rig.truth(0), Reach::Memory(mark::IOVA));
        check_eq!(group.lock().warnings(), 0);
    }
    check_eq!(quiet.count(), 0);
    Ok(())
}

fn blocked_function_recovers_blocked(way: &Way) -> Outcome {
    let quiet = WarnCounter::start()?;
    let rig = Rig::new(way, 1)?;
    let group = rig.group()?;
    let domain = rig.domain()?;
    check_eq!(group.claim(OWNER), Ok(()));
    rig.unit().set_state(0, State::Error)?;
    check_eq!(group.attach(&domain), Ok(()));
    check_fenced(&rig, 0)?;
    // Goes to blocking, which must not fail.
    group.detach(&domain);
    check_eq!(rig.unit().recover(0), Ok(()));
    check_eq!(rig.pci().state(first()), State::Enabled);
    check_eq!(rig.truth(0), Reach::Aborted);
    check_eq!(group.attach(&domain), Ok(()));
    check_eq!(rig.truth(0), reach(&domain));
    group.detach(&domain);
    group.release_claims();
    check_eq!(rig.truth(0), Reach::Memory(mark::IOVA));
    check_eq!(group.lock().warnings(), 0);
    check_eq!(quiet.count(), 0);
    Ok(())
}

fn recovery_without_reset_goes_on_as_firmware_has_it(way: &Way) -> Outcome {
    let rig = Rig::new(way, 1)?;
    let group = rig.group()?;
    let (old, new) = (rig.domain()?, rig.domain()?);
    check_eq!(group.attach(&old), Ok(()));
    check_eq!(rig.truth(0), reach(&old));
    rig.unit().set_state(0, State::Error)?;
    check_eq!(rig.replace(&new), Ok(()));
    check_eq!(rig.unit().reset_error(0), Ok(()));
    // Firmware that refused to change the registration goes on with the old one. Only firmware that
    // keeps the book does what the books of the driver say.
    let expected = match way.is(&BOOK) {
        true => reach(&new),
        false => reach(&old),
    };
    check_eq!(rig.truth(0), expected);
    // Asking again mends it.
    let to = rig.unit().target(0)?;
    check_eq!(rig.unit().attach(0, None, &to), Ok(Attached::Translating));
    drop(to);
    check_eq!(rig.truth(0), reach(&new));
    group.detach(&new);
    Ok(())
}

fn function_that_cannot_recover_stays_disabled() -> Outcome {
    let rig = Rig::new(&BOOK, 1)?;
    let domain = rig.domain()?;
    check_eq!(rig.group()?.attach(&domain), Ok(()));
    rig.unit().set_state(0, State::Error)?;
    rig.pci()
        .answer_by(Rule::once(op::REG_IOAT, Answer::refused(16)))?;
    check_eq!(rig.unit().recover(0), Err(EIO));
    check_eq!(rig.pci().state(first()), State::Disabled);
    check_eq!(rig.truth(0), Reach::Aborted);
    check_eq!(rig.unit().recover(0), Ok(()));
    check_eq!(rig.truth(0), reach(&domain));
    rig.group()?.detach(&domain);
    Ok(())
}

fn function_pulled_out_warns_of_nothing(way: &Way) -> Outcome {
    let quiet = WarnCounter::start()?;
    // Wherever it was.
    for pull in 0..4 {
        let rig = Rig::new(way, 1)?;
        let group = rig.group()?;
        let (one, two) = (rig.domain()?, rig.domain()?);
        let gone = |now: u32| match now == pull {
            true => rig.unit().set_state(0, State::Gone),
            false => Ok(()),
        };
        gone(0)?;
        check_eq!(group.claim(OWNER), Ok(()));
        gone(1)?;
        check_eq!(group.attach(&one), Ok(()));
        gone(2)?;
        check_eq!(rig.replace(&two), Ok(()));
        gone(3)?;
        check_eq!(rig.truth(0), Reach::Aborted);
        if pull < 3 {
            check_fenced(&rig, 0)?;
        }
        check_eq!(rig.unit().recover(0), Err(ENODEV));
        group.detach(&two);
        group.release_claims();
        check_eq!(rig.truth(0), Reach::Aborted);
        check_eq!(group.lock().warnings(), 0);
        for space in [one, two] {
            check!(Arc::into_unique_or_drop(space).is_some());
        }
        check_eq!(rig.iommu.release(rig.endpoint(0)?), Ok(()));
    }
    check_eq!(quiet.count(), 0);
    Ok(())
}

fn one_function_pulled_out_leaves_the_others_alone(way: &Way) -> Outcome {
    let quiet = WarnCounter::start()?;
    let rig = Rig::new(way, 3)?;
    let group = rig.group()?;
    let (one, two) = (rig.domain()?, rig.domain()?);
    check_eq!(group.attach(&one), Ok(()));
    rig.unit().set_state(1, State::Gone)?;
    check_eq!(rig.replace(&two), Ok(()));
    check_fenced(&rig, 1)?;
    // Flushes for a function that is gone, too.
    check_eq!(two.unmap(mark::IOVA, mark::SIZE), mark::SIZE);
    for id in [0, 2] {
        check_eq!(rig.truth(id), Reach::Aborted);
    }
    mark::mark(&two)?;
    for id in [0, 2] {
        check_eq!(rig.truth(id), reach(&two));
    }
    check_eq!(rig.iommu.release(rig.endpoint(1)?), Ok(()));
    group.detach(&two);
    check_eq!(group.lock().warnings(), 0);
    check_eq!(quiet.count(), 0);
    Ok(())
}

fn dma_of_a_blocked_function_is_an_error(way: &Way) -> Outcome {
    let rig = Rig::new(way, 1)?;
    let group = rig.group()?;
    let domain = rig.domain()?;
    rig.pci().let_aborts_be_errors();
    check_eq!(group.claim(OWNER), Ok(()));
    check_eq!(rig.pci().state(first()), State::Enabled);
    check_eq!(rig.truth(0), Reach::Aborted);
    check_eq!(rig.pci().state(first()), State::Error);
    check_eq!(group.attach(&domain), Ok(()));
    check_fenced(&rig, 0)?;
    check_eq!(rig.unit().recover(0), Ok(()));
    check_eq!(rig.truth(0), reach(&domain));
    // Nor is what is not mapped harmless.
    check_eq!(rig.dma(0, 0), Reach::Aborted);
    check_eq!(rig.truth(0), Reach::Aborted);
    check_eq!(rig.unit().recover(0), Ok(()));
    check_eq!(rig.truth(0), reach(&domain));
    group.detach(&domain);
    group.release_claims();
    Ok(())
}
