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
    walk(seed(), families::share(FULL / 10)?)
}

fn belief_is_truth_on_a_long_walk() -> Outcome {
    walk(
        seed(),
        families::share((FULL / 100).saturating_mul(effort()))?,
    )
}
