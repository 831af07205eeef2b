// SPDX-License-Identifier: GPL-2.0

//! Every triple of operations on a group at once. Takes minutes, and has to be asked for.

use super::schedule_pairs::{
    From,
    FROMS, //
};
use crate::{
    kapi::kunit::{
        kunit_suite,
        skip,
        Outcome,
        WarnCounter, //
    },
    schedule::{
        scene::Scene,
        search::{
            explore,
            Found, //
        },
        subject::{
            Subject,
            LAYOUTS, //
        },
    },
    triples,
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_schedule_triples:
    triple_ends_as_some_order_does: slow each From in FROMS;
}

fn triple_ends_as_some_order_does(start: &From) -> Outcome {
    let bound = triples();
    if bound == 0 {
        skip(c"triples= is not given");
        return Ok(());
    }
    let _quiet = WarnCounter::start()?;
    let subjects = || 0..Subject::ALL.len();
    for layout in 0..LAYOUTS.len() {
        let mut found = Found::default();
        for a in subjects() {
            for b in subjects() {
                for c in subjects() {
                    let scene = Scene::single([Some(a), Some(b), Some(c)], start.0, layout);
                    found.add(&explore(&scene.ok_or(EINVAL)?, bound, true)?);
                }
            }
        }
        found.print(fmt!("layout {layout}"));
    }
    Ok(())
}
