// SPDX-License-Identifier: GPL-2.0

//! Runs every schedule of a scene and checks each.
//!
//! What a schedule must come to is not written down: it must answer, warn and end as some order of
//! whole operations does. Besides, belief must be truth, no driver may be called for a device that
//! was released or outside of all locks, and nothing may be left.

use super::{
    explore::{
        Counts,
        Explorer,
        UNBOUNDED, //
    },
    scene::Scene,
    timeline,
    world::{
        self,
        End as WorldEnd,
        World, //
    },
};
use crate::{
    kapi::{
        kunit::{
            check,
            check_eq,
            note,
            Outcome, //
        },
        schedule::{
            self,
            End,
            Plan,
            Point,
            Report, //
        },
    },
    mock::hw::Reach,
    oracle,
    recorder::{
        Call,
        Event, //
    },
};
use kernel::{
    fmt,
    prelude::*,
    sync::Arc, //
};

/// The locks of the core.
const LOCKS: &[&CStr] = &[c"Group::state", c"Iommu::groups"];

/// What was explored.
#[derive(Clone, Copy, Default)]
pub(crate) struct Found {
    /// Schedules and what was spared.
    pub(crate) counts: Counts,
    /// Orders of whole operations.
    pub(crate) orders: u64,
    /// Scenes.
    pub(crate) scenes: u64,
    /// Scenes of which no order warns: their callers obey the rules.
    pub(crate) obedient: u64,
    /// Scenes that can end in more than one way.
    pub(crate) contested: u64,
    /// Different ends of its schedules.
    pub(crate) ends: u64,
}

impl Found {
    /// Adds what was found in another scene.
    pub(crate) fn add(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.orders += other.orders;
        self.scenes += other.scenes;
        self.obedient += other.obedient;
        self.contested += other.contested;
        self.ends += other.ends;
    }

    /// Prints it.
    pub(crate) fn print(&self, what: fmt::Arguments<'_>) {
        let Counts {
            schedules,
            steps,
            spared,
            cut,
        } = self.counts;
        note(fmt!(
            "{what}: {} scenes, {} of obedient callers, {} contested; {} orders",
            self.scenes,
            self.obedient,
            self.contested,
            self.orders
        ));
        note(fmt!(
            "{what}: {schedules} schedules, {steps} steps, {spared} choices spared, {cut} cut"
        ));
    }
}

/// Explores a scene with up to `bound` preemptions.
pub(crate) fn explore(scene: &Scene, bound: u32, reduce: bool) -> Outcome<Found> {
    let mut found = Found::default();
    let ends = orders(scene, &mut found)?;
    let mut explorer = Explorer::new(bound, reduce);
    let mut reached: KVec<WorldEnd> = KVec::new();
    while let Some(script) = explorer.next()? {
        let (report, end) = run(scene, script, false)?;
        explorer.learn(&report)?;
        judge(scene, &report, &end, &ends)?;
        if !reached.contains(&end) {
            reached.push(end, GFP_KERNEL)?;
        }
    }
    // An order of whole operations is a schedule, too.
    if explorer.counts.cut == 0 {
        check_eq!(reached.len(), ends.len());
    }
    found.ends = reached.len() as u64;
    found.counts = explorer.counts;
    found.scenes = 1;
    Ok(found)
}

/// Runs one schedule.
pub(crate) fn replay(scene: &Scene, script: KVec<u8>) -> Outcome {
    let ends = orders(scene, &mut Found::default())?;
    let (report, end) = run(scene, script, false)?;
    print(scene, &report);
    judge(scene, &report, &end, &ends)
}

/// The ends to which whole operations lead, one after the other.
fn orders(scene: &Scene, found: &mut Found) -> Outcome<KVec<WorldEnd>> {
    let mut ends = KVec::new();
    let mut explorer = Explorer::new(UNBOUNDED, false);
    while let Some(script) = explorer.next()? {
        let (report, end) = run(scene, script, true)?;
        explorer.learn(&report)?;
        if !ends.contains(&end) {
            ends.push(end, GFP_KERNEL)?;
        }
    }
    found.orders = explorer.counts.schedules;
    found.obedient = u64::from(ends.iter().all(|end| end.warned == 0));
    found.contested = u64::from(ends.len() > 1);
    Ok(ends)
}

fn judge(scene: &Scene, report: &Report, end: &WorldEnd, ends: &[WorldEnd]) -> Outcome {
    if ends.contains(end) {
        return Ok(());
    }
    print(scene, report);
    note(fmt!("it ends as {end:?}"));
    for end in ends {
        note(fmt!("an order ends as {end:?}"));
    }
    let obedient = ends.iter().all(|end| end.warned == 0);
    check!(!obedient || end.warned == 0, "callers obey, and it warns");
    check!(
        false,
        "no order of whole operations ends like this schedule"
    );
    Ok(())
}

fn run(scene: &Scene, script: KVec<u8>, whole: bool) -> Outcome<(Report, WorldEnd)> {
    let world = World::new(scene)?;
    let plan = Plan {
        threads: scene.threads,
        script,
        whole,
        locks: LOCKS,
    };
    let report = schedule::run(plan, world.clone())?;
    match check_world(scene, world, &report) {
        Ok(end) => Ok((report, end)),
        Err(failed) => {
            print(scene, &report);
            Err(failed)
        }
    }
}

fn print(scene: &Scene, report: &Report) {
    let start = scene.start;
    note(fmt!(
        "{} members, start {start:?}, {:?}",
        scene.layout.members,
        scene.scripts
    ));
    let names = ["thread 0", "thread 1", "thread 2"];
    timeline::print(report, names.get(..scene.threads).unwrap_or_default());
    match timeline::pack(report) {
        Some(choices) => note(fmt!(
            "replay: iommu_mock_kunit.schedule={} iommu_mock_kunit.choices={choices}",
            scene.number
        )),
        None => note(fmt!("too many choices to be replayed by number")),
    }
}

fn check_world(scene: &Scene, world: Arc<World>, report: &Report) -> Outcome<WorldEnd> {
    check!(report.end == End::Done, "it ended by {:?}", report.end);
    for step in &report.trace {
        let called = matches!(step.point, Point::Call(..));
        check!(
            !(called && step.is_unlocked()) || scene.wrap.is_some(),
            "thread {} calls without a lock: {}",
            step.thread,
            step.point
        );
    }
    check_released(&world.fixture.recorder().take())?;
    let added = world.take_added();
    oracle::check(&world.fixture)?;
    for endpoint in &added {
        oracle::check_group(&world.fixture, &endpoint.group().lock())?;
    }
    check_left(&world)?;
    let end = world.end(report.warned, &added);
    let objects = world.objects(&added)?;
    for endpoint in added {
        let _ = world.fixture.iommu().release(&endpoint);
    }
    let alive_before = world.alive_before;
    drop(world);
    let leaked = objects.leaked();
    check_eq!(leaked, 0);
    check_eq!(world::alive(), alive_before);
    Ok(end)
}

/// Checks that a device that has left its group reaches nothing.
fn check_left(world: &World) -> Outcome {
    for endpoint in world.fixture.endpoints() {
        let device = endpoint.device();
        let state = endpoint.group().lock();
        let member = state
            .members()
            .iter()
            .any(|m| Arc::ptr_eq(m.device(), device));
        let truth = world.fixture.truth(device.id().0);
        check!(
            member || truth == Reach::Aborted,
            "device {} has left and reaches {:x?}",
            device.id().0,
            truth
        );
    }
    Ok(())
}

/// Checks that no driver was called for a device that it had released.
fn check_released(events: &[Event]) -> Outcome {
    for (at, event) in events.iter().enumerate() {
        if event.call != Call::Release {
            continue;
        }
        let later = events.iter().skip(at + 1);
        let mut later = later.filter(|later| later.endpoint == event.endpoint);
        let next = later.next();
        check!(
            next.is_none_or(|next| next.call == Call::Probe),
            "device {} was released, then {:?}",
            event.endpoint.0,
            next
        );
    }
    Ok(())
}
