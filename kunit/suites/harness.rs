// SPDX-License-Identifier: GPL-2.0

//! The harness itself: what it must notice.

use super::{
    Size,
    SIZES, //
};
use crate::kapi::{
    kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome,
        WarnCounter, //
    },
    warn, //
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_harness:
    warnings_are_counted_and_not_printed;
    every_parameter_is_run: each Size in SIZES;
}

fn warnings_are_counted_and_not_printed() -> Outcome {
    let warnings = WarnCounter::start()?;
    check_eq!(warnings.count(), 0);
    warn::warn(fmt!("one"));
    warn::warn(fmt!("two"));
    check_eq!(warnings.count(), 2);
    Ok(())
}

fn every_parameter_is_run(param: &Size) -> Outcome {
    check!(param.members >= 1);
    Ok(())
}
