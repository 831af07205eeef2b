// SPDX-License-Identifier: GPL-2.0

//! The random walk.

use crate::{
    effort,
    families::{
        self,
        Protocols, //
    },
    kapi::kunit::{
        kunit_suite,
        Outcome, //
    },
    seed,
    walk::{
        walk,
        FULL, //
    },
};

kunit_suite! {
    iommu_mock_walk over Protocols:
    belief_is_truth_on_a_short_walk;
    belief_is_truth_on_a_long_walk: slow;
}

fn belief_is_truth_on_a_short_walk() -> Outcome {
    walk(seed(), families::operations(FULL / 10, FULL / 50)?)
}

fn belief_is_truth_on_a_long_walk() -> Outcome {
    walk(
        seed(),
        families::operations(FULL / 100, FULL / 500)?.saturating_mul(effort()),
    )
}
