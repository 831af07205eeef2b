// SPDX-License-Identifier: GPL-2.0

//! Moving a function while firmware refuses, or has no time (requirements R0.1 to R0.3).

use super::{
    first,
    reach,
    space_reach,
    Rig,
    Way,
    BOOK,
    LINUX,
    REREGISTER,
    RETRY,
    WAYS, //
};
use crate::{
    iommu::{
        AttachError,
        Attached,
        Gather,
        Prot, //
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mark,
    mock::{
        hw::{
            model::{
                Answer,
                Next, //
            },
            s390::instruction::op,
            step::{
                Note,
                Step, //
            },
            Reach, //
        },
        s390::plan::Rule,
        shell::Mock,
        unit::{
            Modelled,
            Seen,
            Space,
            Target,
            Unit, //
        },
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_zpci:
    function_goes_where_it_is_sent: each Way in WAYS;
    refused_registration_never_leaves_a_third_space: each Way in WAYS;
    blocked_function_that_is_refused_stays_blocked: each Way in WAYS;
    refused_deregistration_blocks_all_the_same: each Way in WAYS;
    busy_firmware_is_asked_again: each Way in WAYS;
    firmware_that_is_busy_for_ever_refuses: each Way in WAYS;
    firmware_refuses_the_call_it_is_told_to;
    only_retry_waits_for_a_function: each Way in WAYS;
    instructions_are_issued_in_order: each Way in WAYS;
    unmapped_page_is_forgotten_in_its_range;
    function_of_another_width_gets_another_table;
}

/// Ways that can be refused before anything has changed.
fn keeps_the_old(way: &Way) -> bool {
    way.is(&REREGISTER) || way.is(&BOOK)
}

fn function_goes_where_it_is_sent(way: &Way) -> Outcome {
    let rig = Rig::new(way, 2)?;
    let group = rig.group()?;
    let (one, two) = (rig.domain()?, rig.domain()?);
    check_eq!(rig.unit().seen(0), Some(Seen::Identity));
    for to in [&one, &two, &one] {
        check_eq!(rig.replace(to), Ok(()));
        for id in 0..2 {
            check_eq!(rig.truth(id), reach(to));
            check!(rig
                .shell
                .is_on(rig.endpoint(id as usize)?.device().id(), to));
        }
    }
    group.detach(&one);
    check_eq!(rig.truth(1), Reach::Memory(mark::IOVA));
    // A space that nobody is on is not kept.
    for space in [one, two] {
        check!(Arc::into_unique_or_drop(space).is_some());
    }
    Ok(())
}

fn refused_registration_never_leaves_a_third_space(way: &Way) -> Outcome {
    let rig = Rig::new(way, 1)?;
    let group = rig.group()?;
    let (old, new) = (rig.domain()?, rig.domain()?);
    check_eq!(group.attach(&old), Ok(()));
    let op = match keeps_the_old(way) {
        true => op::REREG_IOAT,
        false => op::REG_IOAT,
    };
    for status in [4, 8, 12, 16, 20, 24, 28, 32, 36, 44] {
        rig.pci()
            .answer_by(Rule::once(op, Answer::refused(status)))?;
        if status == 24 && keeps_the_old(way) {
            // Says that nothing is registered, which REG_IOAT finds not to be so.
            check_eq!(rig.replace(&new), Ok(()));
            check_eq!(rig.replace(&old), Ok(()));
            continue;
        }
        check_eq!(rig.replace(&new), Err(AttachError::Failed(EIO)));
        let expected = match keeps_the_old(way) {
            true => reach(&old),
            false => Reach::Aborted,
        };
        check_eq!(rig.truth(0), expected);
        // Not before the group is asked to go elsewhere, as its core believes that nothing changed.
        check_eq!(rig.replace(&new), Ok(()));
        check_eq!(rig.truth(0), reach(&new));
        check_eq!(rig.replace(&old), Ok(()));
        check_eq!(rig.truth(0), reach(&old));
    }
    group.detach(&old);
    check_eq!(group.lock().warnings(), 0);
    Ok(())
}

fn blocked_function_that_is_refused_stays_blocked(way: &Way) -> Outcome {
    let rig = Rig::new(way, 1)?;
    let unit = rig.unit();
    let space = rig.space()?;
    check!(unit.attach(0, None, &Target::Blocked).is_ok());
    let refused = Answer::refused(16);
    rig.pci().answer_by(Rule::once(op::REG_IOAT, refused))?;
    let to = Target::Paging(space.clone());
    check_eq!(unit.attach(0, None, &to), Err(AttachError::Failed(EIO)));
    check_eq!(unit.seen(0), Some(Seen::Blocked));
    check_eq!(rig.truth(0), Reach::Aborted);
    // Out of there without being probed again.
    check_eq!(unit.attach(0, None, &to), Ok(Attached::Translating));
    check_eq!(unit.seen(0), Some(Seen::Paging(space.number())));
    // To where it is already.
    check_eq!(unit.attach(0, None, &to), Ok(Attached::Translating));
    check_eq!(rig.truth(0), space_reach(&space));
    check_eq!(
        unit.attach(0, None, &Target::Blocked),
        Ok(Attached::Translating)
    );
    check_eq!(rig.truth(0), Reach::Aborted);
    drop(to);
    check!(Arc::into_unique_or_drop(space).is_some());
    Ok(())
}

fn refused_deregistration_blocks_all_the_same(way: &Way) -> Outcome {
    let rig = Rig::new(way, 1)?;
    let unit = rig.unit();
    let space = rig.space()?;
    check!(unit.attach(0, None, &Target::Paging(space.clone())).is_ok());
    let refused = Answer::refused(16);
    rig.pci().answer_by(Rule::once(op::DEREG_IOAT, refused))?;
    check_eq!(
        unit.attach(0, None, &Target::Blocked),
        Ok(Attached::Translating)
    );
    // Linux does not look at the answer: books say blocked, and the table is not looked after.
    let expected = match way.is(&LINUX) {
        true => space_reach(&space),
        false => Reach::Aborted,
    };
    check_eq!(rig.truth(0), expected);
    check!(unit.attach(0, None, &Target::Blocked).is_ok());
    let _ = rig.pci().call(op::DEREG_IOAT, first(), [0; 3]);
    Ok(())
}

fn busy_firmware_is_asked_again(way: &Way) -> Outcome {
    let rig = Rig::new(way, 1)?;
    let group = rig.group()?;
    let (one, two) = (rig.domain()?, rig.domain()?);
    check_eq!(group.attach(&one), Ok(()));
    for op in [op::REG_IOAT, op::DEREG_IOAT, op::REREG_IOAT] {
        rig.pci().answer_by(Rule::once(op, Answer::BUSY).times(5))?;
    }
    check_eq!(rig.replace(&two), Ok(()));
    check_eq!(rig.truth(0), reach(&two));
    let instructions = match keeps_the_old(way) {
        true => 1,
        false => 2,
    };
    check_eq!(rig.pci().waited(), 5 * instructions);
    group.detach(&two);
    Ok(())
}

fn firmware_that_is_busy_for_ever_refuses(way: &Way) -> Outcome {
    let rig = Rig::new(way, 1)?;
    let group = rig.group()?;
    let domain = rig.domain()?;
    for op in [op::REG_IOAT, op::REREG_IOAT] {
        let rule = Rule::once(op, Answer::BUSY).times(u32::MAX);
        rig.pci().answer_by(rule)?;
    }
    check_eq!(group.attach(&domain), Err(AttachError::Failed(EIO)));
    let expected = match keeps_the_old(way) {
        true => Reach::Memory(mark::IOVA),
        false => Reach::Aborted,
    };
    check_eq!(rig.truth(0), expected);
    check!(rig.pci().waited() <= 1000, "{} ms", rig.pci().waited());
    Ok(())
}

fn firmware_refuses_the_call_it_is_told_to() -> Outcome {
    let rig = Rig::new(&LINUX, 1)?;
    let (one, two) = (rig.domain()?, rig.domain()?);
    let rule = Rule::once(op::REG_IOAT, Answer::refused(16));
    rig.pci().answer_by(rule.after(2).times(2))?;
    let refused = Err(AttachError::Failed(EIO));
    let moves = [
        (&one, Ok(())),
        (&two, Ok(())),
        (&one, refused),
        (&one, refused),
        (&one, Ok(())),
    ];
    for (to, expected) in moves {
        check_eq!(rig.replace(to), expected);
    }
    rig.group()?.detach(&one);
    Ok(())
}

fn only_retry_waits_for_a_function(way: &Way) -> Outcome {
    let rig = Rig::new(way, 1)?;
    let unit = rig.unit();
    let space = rig.space()?;
    for op in [op::DEREG_IOAT, op::REG_IOAT, op::REREG_IOAT] {
        let rule = Rule::once(op, Answer::NOT_AVAILABLE);
        rig.pci().answer_by(rule.times(3))?;
    }
    let attached = unit.attach(0, None, &Target::Paging(space.clone()));
    let (expected, waited, truth) = match way.is(&RETRY) {
        true => (Attached::Translating, 6, space_reach(&space)),
        false => (Attached::Fenced, 0, rig.truth(0)),
    };
    check_eq!(attached, Ok(expected));
    check_eq!(rig.pci().waited(), waited);
    check_eq!(rig.truth(0), truth);
    Ok(())
}

/// What is on a tape: instructions by number, and the changes of lists.
fn letters(tape: &[Step]) -> Result<KVec<char>> {
    let mut letters = KVec::new();
    for step in tape {
        let letter = match step {
            Step::Call(call, _) => match call.op {
                op::REG_IOAT => 'R',
                op::DEREG_IOAT => 'D',
                op::REREG_IOAT => 'S',
                _ => '?',
            },
            Step::Note(Note::Listed(..)) => '+',
            Step::Note(Note::Unlisted(..)) => '-',
            _ => continue,
        };
        letters.push(letter, GFP_KERNEL)?;
    }
    Ok(letters)
}

fn instructions_are_issued_in_order(way: &Way) -> Outcome {
    let rig = Rig::new(way, 1)?;
    let unit = rig.unit();
    let moves = [
        Target::Paging(rig.space()?),
        Target::Paging(rig.space()?),
        Target::Identity,
        Target::Blocked,
        Target::Paging(rig.space()?),
    ];
    let expected = match way.is(&LINUX) {
        true => ["DR+", "-DR+", "-DR", "D", "R+"],
        false if way.is(&RETRY) => ["D+R", "D-+R", "D-R", "D", "D+R"],
        false => ["+S", "+S-", "S-", "D", "+R"],
    };
    let attach = |to, result, expected: &str| -> Outcome {
        unit.machine().start_tape();
        let attached = unit.attach(0, None, to);
        let seen = letters(&unit.machine().take_tape())?;
        check_eq!(attached, result);
        check!(
            seen.iter().copied().eq(expected.chars()),
            "{:?}, expected {expected}",
            &seen[..]
        );
        Ok(())
    };
    for (to, expected) in moves.iter().zip(expected) {
        attach(to, Ok(Attached::Translating), expected)?;
    }
    // Who was put on a list in vain is taken off again.
    for op in [op::REG_IOAT, op::REREG_IOAT] {
        let rule = Rule::once(op, Answer::refused(16));
        rig.pci().answer_by(rule)?;
    }
    let expected = match way.is(&LINUX) {
        true => "-DR",
        false if way.is(&RETRY) => "D-+R-",
        false => "+S-",
    };
    let other = Target::Paging(rig.space()?);
    attach(&other, Err(AttachError::Failed(EIO)), expected)
}

fn unmapped_page_is_forgotten_in_its_range() -> Outcome {
    let rig = Rig::new(&LINUX, 2)?;
    let group = rig.group()?;
    let (domain, other) = (rig.empty()?, rig.domain()?);
    let at = |page: u64| 0x1000 * page;
    for page in 0..3 {
        domain.map(at(page), at(0x100 + page), 0x1000, Prot::RW)?;
    }
    check_eq!(group.attach(&domain), Ok(()));
    let walk = |id| -> Outcome {
        for page in 0..3 {
            check_eq!(rig.dma(id, at(page)), Reach::Memory(at(0x100 + page)));
        }
        Ok(())
    };
    walk(0)?;
    walk(1)?;
    let table = domain.paging().ok_or(EINVAL)?;
    let mut gather = Gather::default();
    check_eq!(domain.unmap_fast(0x1000, 0x1000, &mut gather), 0x1000);
    // Hardware remembers what it was not told to forget.
    walk(0)?;
    gather.sync(table);
    for id in 0..2 {
        check_eq!(rig.dma(id, at(0)), Reach::Memory(at(0x100)));
        check_eq!(rig.dma(id, at(1)), Reach::Aborted);
        check_eq!(rig.dma(id, at(2)), Reach::Memory(at(0x102)));
    }
    // All of a function's translations go with its registration.
    check_eq!(rig.replace(&other), Ok(()));
    check_eq!(rig.dma(0, at(0)), Reach::Aborted);
    group.detach(&other);
    Ok(())
}

fn function_of_another_width_gets_another_table() -> Outcome {
    for (bits, designation) in [(32, 1), (42, 1), (43, 2), (53, 2), (54, 3), (64, 3)] {
        let rig = Rig::with(&LINUX, 1, |endpoint| endpoint.bits = bits)?;
        let unit = rig.unit();
        let space = rig.space()?;
        check_eq!(
            unit.attach(0, None, &Target::Paging(space.clone())).is_ok(),
            true
        );
        let from = unit.requesters(0, None)?;
        let from = *from.first().ok_or(EINVAL)?;
        let Next::Translate(by) = unit.machine().look_up(from) else {
            check!(false, "not translated");
            return Ok(());
        };
        check_eq!(by.first.levels, designation);
        check_eq!(rig.truth(0), space_reach(&space));
    }
    Ok(())
}
