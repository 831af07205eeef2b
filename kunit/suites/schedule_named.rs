// SPDX-License-Identifier: GPL-2.0

//! What users, drivers and the bus really do, at once; and proof that the exploration finds what is
//! wrong with it.

use crate::{
    fixture::Wrap,
    group::defect::{
        Defect,
        Planted, //
    },
    kapi::kunit::{
        check,
        check_eq,
        fails,
        kunit_suite,
        Outcome,
        Param,
        WarnCounter, //
    },
    schedule::{
        history::of_2022,
        named::{
            Named,
            NAMED_SCENES, //
        },
        scene::Scene,
        search::{
            explore,
            Found, //
        },
        subject::LAYOUTS, //
    },
};
use kernel::{
    fmt,
    prelude::*, //
};

kunit_suite! {
    iommu_mock_schedule_named:
    scene_ends_as_some_order_does: each Named in NAMED_SCENES;
    reduction_loses_no_end_of_a_scene: each Named in NAMED_SCENES;
    release_outside_the_mutex_races_with_the_driver_of_2022;
    driver_of_2022_is_clean_behind_the_mutex;
}

/// Preemptions.
const BOUND: u32 = 3;

impl Param for Named {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)
    }
}

fn scene(named: &Named, layout: usize, wrap: Option<Wrap>) -> Result<Scene> {
    let place = NAMED_SCENES.iter().position(|n| n.name == named.name);
    let scene = Scene::named(named, place.ok_or(EINVAL)?, layout).ok_or(EINVAL)?;
    Ok(Scene { wrap, ..scene })
}

fn explore_named(named: &Named, bound: u32, wrap: Option<Wrap>) -> Outcome<Found> {
    let mut found = Found::default();
    for layout in 0..LAYOUTS.len() {
        found.add(&explore(&scene(named, layout, wrap)?, bound, true)?);
    }
    Ok(found)
}

pub(super) fn scene_ends_as_some_order_does(named: &Named) -> Outcome {
    let _quiet = WarnCounter::start()?;
    explore_named(named, BOUND, None)?.print(fmt!("{}", named.name));
    Ok(())
}

fn reduction_loses_no_end_of_a_scene(named: &Named) -> Outcome {
    let _quiet = WarnCounter::start()?;
    for bound in [0, 1] {
        let scene = scene(named, 1, None)?;
        let all = explore(&scene, bound, false)?;
        let few = explore(&scene, bound, true)?;
        check_eq!(few.ends, all.ends);
        check!(few.counts.schedules <= all.counts.schedules);
    }
    Ok(())
}

fn named_by(name: &str) -> Outcome<&'static Named> {
    const ALL: &[Named] = &NAMED_SCENES;
    Ok(ALL.iter().find(|named| named.name == name).ok_or(EINVAL)?)
}

/// A claim must not succeed between the check and the deed of another one.
pub(super) fn two_users_take_turns() -> Outcome {
    named_by("two users").and_then(scene_ends_as_some_order_does)
}

/// A device that is released must be left alone by its driver's other callbacks.
pub(super) fn user_and_unplug_take_turns() -> Outcome {
    named_by("user, unplug (R1.7)").and_then(scene_ends_as_some_order_does)
}

/// Every scene, with the driver of 2022 in between.
fn explore_2022(bound: u32) -> Outcome<Found> {
    let _quiet = WarnCounter::start()?;
    let mut found = Found::default();
    for named in &NAMED_SCENES {
        found.add(&explore_named(named, bound, Some(of_2022))?);
    }
    Ok(found)
}

fn release_outside_the_mutex_races_with_the_driver_of_2022() -> Outcome {
    let _planted = Planted::new(Defect::ReleaseOutsideMutex);
    explore_2022(0)?.print(fmt!("no preemption"));
    check!(
        fails(|| explore_2022(1).map(|_| ())),
        "no schedule with one preemption shows the race"
    );
    Ok(())
}

fn driver_of_2022_is_clean_behind_the_mutex() -> Outcome {
    explore_2022(2)?.print(fmt!("driver of 2022"));
    Ok(())
}
