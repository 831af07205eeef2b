// SPDX-License-Identifier: GPL-2.0

//! Every pair of operations on a group at once, in every order of their steps.

use crate::{
    kapi::kunit::{
        check_eq,
        kunit_suite,
        Outcome,
        Param,
        WarnCounter, //
    },
    schedule::{
        scene::Scene,
        search::{
            explore,
            Found, //
        },
        subject::{
            Start,
            Subject,
            LAYOUTS, //
        },
    },
    share::Share,
};
use kernel::{
    fmt,
    prelude::*, //
};

kunit_suite! {
    iommu_mock_schedule_pairs:
    pair_ends_as_some_order_does: each From in FROMS;
}

/// Preemptions.
const BOUND: u32 = 2;

/// Where the group starts, by place.
pub(super) struct From(pub(super) usize);

pub(super) const FROMS: [From; Start::ALL.len()] =
    [From(0), From(1), From(2), From(3), From(4), From(5)];

impl Param for From {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Start::ALL.get(self.0) {
            Some(start) => write!(f, "{start:?}"),
            None => Ok(()),
        }
    }
}

pub(super) fn pair_ends_as_some_order_does(start: &From) -> Outcome {
    let _quiet = WarnCounter::start()?;
    for layout in 0..LAYOUTS.len() {
        let mut found = Found::default();
        let subjects = || 0..Subject::ALL.len();
        let pairs = subjects().flat_map(|a| subjects().map(move |b| (a, b)));
        let share = Share::of(pairs.clone().count());
        let due = pairs.enumerate().filter(|(number, _)| share.has(*number));
        for (_, (a, b)) in due {
            let scene = Scene::single([Some(a), Some(b), None], start.0, layout);
            found.add(&explore(&scene.ok_or(EINVAL)?, BOUND, true)?);
        }
        found.print(fmt!("layout {layout}"));
        check_eq!(found.scenes, share.count() as u64);
    }
    Ok(())
}
