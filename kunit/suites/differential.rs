// SPDX-License-Identifier: GPL-2.0

//! Our core beside the kernel's.

use crate::{
    differential::run,
    effort,
    families::{
        self,
        Families, //
    },
    group::defect::{
        Defect,
        Planted, //
    },
    kapi::kunit::{
        check,
        fails,
        kunit_suite,
        Outcome,
        Param, //
    },
    seed,
};
use kernel::fmt;

kunit_suite! {
    iommu_mock_differential over Families:
    both_cores_agree_for_a_while;
    both_cores_agree_for_long: slow;
    comparison_finds_a_defect: each Planting in PLANTINGS;
}

/// A defect that the comparison must find.
struct Planting(Defect);

impl Param for Planting {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

const PLANTINGS: [Planting; 9] = [
    Planting(Defect::UnwindSkipped),
    Planting(Defect::WrongMemberReverted),
    Planting(Defect::EarlyReturnInUnwind),
    Planting(Defect::WarnLost),
    Planting(Defect::OwnerCountOffByOne),
    Planting(Defect::BlockedGap),
    Planting(Defect::HandlePublishedEarly),
    Planting(Defect::PasidUnwindSkipped),
    Planting(Defect::ReleaseKeepsMember),
];

fn both_cores_agree_for_a_while() -> Outcome {
    run(seed(), families::operations(20_000, 4_000)?)
}

fn both_cores_agree_for_long() -> Outcome {
    run(
        seed(),
        families::operations(10_000, 1_000)?.saturating_mul(effort()),
    )
}

fn comparison_finds_a_defect(planting: &Planting) -> Outcome {
    if planting.0 == Defect::PasidUnwindSkipped {
        families::needs_pasids()?;
    }
    let _planted = Planted::new(planting.0);
    let found = fails(|| run(seed(), 20_000));
    check!(found, "both cores agree in spite of {:?}", planting.0);
    Ok(())
}
