// SPDX-License-Identifier: GPL-2.0

//! Every operation with the first, the second, ... allocation failing, until it succeeds with none
//! left that could fail: those of the core, of the driver behind it, and of the kernel.
//!
//! The kernel's own fault injection does it, which takes `CONFIG_FAILSLAB`. An operation may do
//! without what it could not get, and succeed; then it has to be as if nothing had happened.

mod both;
mod mapping;

use self::{
    both::{
        any_allocation_of_a_bind_can_fail,
        any_allocation_of_a_plug_can_fail,
        any_allocation_of_a_rig_can_fail,
        any_allocation_of_an_instance_can_fail,
        no_way_back_needs_memory,
        Setting,
        BOTH, //
    },
    mapping::{
        any_allocation_of_a_kernel_mapping_can_fail, //
        any_allocation_of_a_mapping_can_fail,
    },
};
use super::{
    super::{
        expect::Snapshot,
        Size, //
    },
    operations::{
        Operation,
        OPERATIONS,
        OTHERS, //
    },
    Mode,
    Scene,
    MODES, //
};
use crate::{
    families::{
        self,
        Families, //
    },
    kapi::{
        fail_nth::FailNth,
        kunit::{
            check,
            check_eq,
            kunit_suite,
            note,
            skip,
            Outcome,
            WarnCounter, //
        },
    },
    mock::fault::Op,
    oracle,
};
use core::num::NonZeroU32;
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_nth_allocation over Families:
    any_allocation_of_an_operation_can_fail: each Size in FEW;
    any_allocation_of_a_rig_can_fail: each Setting in BOTH;
    no_way_back_needs_memory: each Setting in BOTH;
    any_allocation_of_an_instance_can_fail;
    any_allocation_of_a_plug_can_fail;
    any_allocation_of_a_bind_can_fail;
    any_allocation_of_a_mapping_can_fail: each Mode in MODES;
    any_allocation_of_a_kernel_mapping_can_fail;
}

/// More members make more of the same allocations.
const FEW: [Size; 2] = [Size { members: 1 }, Size { members: 2 }];

/// More allocations than any operation makes.
const ENOUGH: u32 = 1000;

/// Allocations that failed.
#[derive(Clone, Copy, Default)]
struct Tally {
    refused: u32,
    survived: u32,
}

impl Tally {
    /// Says what it is.
    fn tell(&self) -> Outcome {
        let Self { refused, survived } = self;
        note(fmt!("{refused} failures, {survived} more without effect"));
        check!(*refused != 0, "nothing has failed");
        Ok(())
    }
}

/// Begins, or skips the case.
fn begin() -> Outcome<FailNth> {
    FailNth::start().ok_or_else(|| skip(c"no CONFIG_FAILSLAB here"))
}

/// Does `once` with the first, the second, ... allocation failing, until none is left. It says
/// whether there was one, and what came of it.
fn each_nth(
    tally: &mut Tally,
    mut once: impl FnMut(NonZeroU32) -> Outcome<(Result, bool)>,
) -> Outcome {
    let (mut outcome, mut failures) = (Ok(()), 0);
    for nth in 1..ENOUGH {
        let which = NonZeroU32::new(nth).ok_or(EINVAL)?;
        match once(which) {
            Ok((_, false)) => return outcome,
            Ok((Ok(()), true)) => tally.survived += 1,
            Ok((Err(_), true)) => tally.refused += 1,
            Err(failed) => {
                note(fmt!("with allocation {nth} failing"));
                outcome = Err(failed);
                failures += 1;
                if failures == 5 {
                    return outcome;
                }
            }
        }
    }
    check!(false, "more than {ENOUGH} allocations");
    Ok(())
}

/// Lets allocation `nth` of an operation fail.
fn fails_at(
    faults: &FailNth,
    members: u32,
    operation: &Operation,
    nth: NonZeroU32,
) -> Outcome<(Result, bool)> {
    let warnings = WarnCounter::start()?;
    let mut scene = Scene::new(members, operation)?;
    let before = Snapshot::of(scene.group()?)?;
    let had_blocking = scene.group()?.lock().blocking().is_some();
    let probed = scene.fixture.recorder().probed();
    scene.fixture.recorder().keep();
    let (result, hit) = faults.run(nth, || (operation.run)(&mut scene));
    oracle::check(&scene.fixture)?;

    check!(
        matches!((result, hit), (Ok(()), _) | (Err(ENOMEM), true)),
        "{result:?}"
    );
    if result.is_err() {
        check_eq!(Snapshot::of(scene.group()?)?, before);
        check_eq!(scene.fixture.recorder().probed(), probed);
        scene.check_let_go(had_blocking)?;
        scene.fixture.recorder().keep();
        scene.renew()?;
        check_eq!((operation.run)(&mut scene), Ok(()));
        oracle::check(&scene.fixture)?;
    }
    // What must succeed does, without memory. A first default domain must attach, says the kernel.
    let allowed = result.is_err() && operation.warns.contains(&Op::Attach);
    check!(warnings.count() <= u32::from(allowed), "a WARN");
    scene.end()?;
    Ok((result, hit))
}

fn any_allocation_of_an_operation_can_fail(size: &Size) -> Outcome {
    let faults = begin()?;
    let (mut tally, mut result) = (Tally::default(), Ok(()));
    let has_pasids = families::has_pasids()?;
    let operations = Iterator::chain(OPERATIONS.iter(), &OTHERS);
    for operation in operations.filter(|op| has_pasids || !op.pasids) {
        let once = |nth| fails_at(&faults, size.members, operation, nth);
        if let Err(failed) = each_nth(&mut tally, once) {
            note(fmt!("in {}", operation.name));
            result = Err(failed);
        }
    }
    tally.tell()?;
    result
}
