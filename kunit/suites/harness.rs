// SPDX-License-Identifier: GPL-2.0

//! The harness itself: what it must notice.

use super::{
    Size,
    SIZES, //
};
use crate::{
    fixture::Fixture,
    kapi::{
        kunit::{
            check,
            check_eq,
            fails,
            kunit_suite,
            Outcome,
            WarnCounter, //
        },
        schedule,
        warn, //
    },
    share::Share,
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_harness:
    warnings_are_counted_and_not_printed;
    failure_is_noticed_and_ends_the_case;
    parameter_is_one_of_the_table: each Size in SIZES;
    every_lock_is_a_schedule_point: each Size in SIZES;
    effort_is_spread_evenly;
}

fn warnings_are_counted_and_not_printed() -> Outcome {
    let warnings = WarnCounter::start()?;
    check_eq!(warnings.count(), 0);
    warn::warn(fmt!("one"));
    warn::warn(fmt!("two"));
    check_eq!(warnings.count(), 2);
    Ok(())
}

fn parameter_is_one_of_the_table(param: &Size) -> Outcome {
    check!(
        SIZES.iter().any(|size| size.members == param.members),
        "the case got a parameter that is none of the table"
    );
    Ok(())
}

fn failure_is_noticed_and_ends_the_case() -> Outcome {
    let mut reached = false;
    let failed = fails(|| {
        check_eq!(1 + 1, 3);
        reached = true;
        Ok(())
    });
    check!(failed, "a wrong claim passes");
    check!(!reached, "the case goes on behind a wrong claim");
    check!(!fails(|| Ok(())), "a right claim fails");
    Ok(())
}

fn every_lock_is_a_schedule_point(size: &Size) -> Outcome {
    let fixture = Fixture::new(size.members)?;
    let group = fixture.group()?;
    let before = schedule::points();
    let claimed = group.is_claimed();
    check_eq!(schedule::points(), before + 1);
    check!(!claimed);
    Ok(())
}

fn effort_is_spread_evenly() -> Outcome {
    for all in 1..=300usize {
        for percent in [1, 5, 33, 99, 100, 1000] {
            let share = Share::at(percent, all);
            let due = || (0..all).filter(|at| share.has(*at));
            let wanted = all as u64 * u64::from(percent);
            check_eq!(due().count(), share.count());
            check_eq!(share.count() as u64, wanted.div_ceil(100).min(all as u64));
            // The first comes again behind the last, as if they went around.
            let around = due().next().map(|first| first + all);
            let after = Iterator::chain(due().skip(1), around);
            for (one, next) in due().zip(after) {
                let most = all.div_ceil(share.count());
                check!(
                    next - one <= most,
                    "{one} and {next} of {all} at {percent} %"
                );
            }
        }
    }
    Ok(())
}
