// SPDX-License-Identifier: GPL-2.0

//! Pairs and named scenes once more, with each family in each of its ways. Takes minutes, and has
//! to be asked for.

use super::{
    schedule_named::scene_ends_as_some_order_does,
    schedule_pairs::{
        pair_ends_as_some_order_does,
        From,
        FROMS, //
    }, //
};
use crate::{
    families::Protocols,
    kapi::kunit::{
        kunit_suite,
        skip,
        Outcome, //
    },
    schedule::named::{
        Named,
        NAMED_SCENES, //
    },
    triples,
};

kunit_suite! {
    iommu_mock_schedule_families over Protocols:
    pair_of_a_family_ends_as_some_order_does: slow each From in FROMS;
    scene_of_a_family_ends_as_some_order_does: slow each Named in NAMED_SCENES;
}

fn asked(body: impl FnOnce() -> Outcome) -> Outcome {
    match triples() {
        0 => Err(skip(c"triples= is not given")),
        _ => body(),
    }
}

fn pair_of_a_family_ends_as_some_order_does(start: &From) -> Outcome {
    asked(|| pair_ends_as_some_order_does(start))
}

fn scene_of_a_family_ends_as_some_order_does(named: &Named) -> Outcome {
    asked(|| scene_ends_as_some_order_does(named))
}
