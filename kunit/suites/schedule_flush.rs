// SPDX-License-Identifier: GPL-2.0

//! The flush queue in every order of its threads' steps: no IOVA is handed out while hardware may
//! still translate it, none is lost, and no mapping fails for want of a flush (R4.4, R4.5, R4.7).

use crate::{
    dma::defect::{
        Defect,
        Planted, //
    },
    effort,
    kapi::{
        kunit::{
            check,
            fails,
            kunit_suite,
            note,
            skip,
            Outcome,
            Param,
            WarnCounter, //
        },
        planted::Kind,
        schedule::{
            self,
            End,
            Plan, //
        },
    },
    schedule::{
        explore::{
            Counts,
            Explorer,
            UNBOUNDED, //
        },
        flush::{
            FlushScene,
            FlushWorld,
            Op::{
                self,
                *, //
            }, //
        },
        timeline,
    },
};
use kernel::{
    fmt,
    prelude::*, //
};

kunit_suite! {
    iommu_mock_schedule_flush:
    queued_iova_is_never_handed_out_before_its_flush: each FlushScene in SCENES;
    more_preemptions_show_no_more: slow each FlushScene in SCENES;
    planted_defect_is_found: each Defect in DEFECTS;

}

const DEFECTS: &[Defect] = Defect::ALL;

/// Slots of the ring.
const RINGS: [usize; 3] = [1, 2, 4];

const fn scene(
    name: &'static str,
    scripts: &'static [&'static [Op]],
    mapped: usize,
    bound: u32,
) -> FlushScene {
    FlushScene {
        name,
        scripts,
        mapped,
        bound,
    }
}

const SCENES: [FlushScene; 5] = [
    scene(
        "unmap and map, timer",
        &[&[Unmap(0), Map], &[Timer]],
        1,
        UNBOUNDED,
    ),
    scene("unmap, map", &[&[Unmap(0), Unmap(1)], &[Map]], 2, UNBOUNDED),
    scene(
        "unmap and map, twice",
        &[&[Unmap(0), Map], &[Unmap(1), Map]],
        2,
        UNBOUNDED,
    ),
    scene(
        "unmap, timer, map",
        &[&[Unmap(0)], &[Timer], &[Map]],
        1,
        UNBOUNDED,
    ),
    scene(
        "two unmap, timer, two map",
        &[&[Unmap(0), Map], &[Unmap(1), Map], &[Timer]],
        2,
        2,
    ),
];

impl Param for FlushScene {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Param for Defect {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Whether there is time for all of it, which an emulated machine has not.
fn in_full() -> bool {
    effort() >= 100
}

fn explore(scene: &FlushScene, slots: usize) -> Outcome<Counts> {
    let bound = if in_full() { scene.bound } else { 1 };
    let mut explorer = Explorer::new(bound, true);
    while let Some(script) = explorer.next()? {
        let world = FlushWorld::new(scene, slots)?;
        let plan = Plan {
            threads: scene.scripts.len(),
            script,
            whole: false,
            locks: &[c"FlushQueue::ring"],
        };
        let report = schedule::run(plan, world.clone())?;
        let checked = match report.end {
            End::Done => world.check(),
            end => {
                check!(false, "it ended by {end:?}");
                Ok(())
            }
        };
        if checked.is_err() {
            note(fmt!("{slots} slots, {:?}", scene.scripts));
            let names = ["thread 0", "thread 1", "thread 2"];
            timeline::print(&report, names.get(..scene.scripts.len()).unwrap_or(&[]));
        }
        checked?;
        explorer.learn(&report)?;
    }
    Ok(explorer.counts)
}

fn queued_iova_is_never_handed_out_before_its_flush(scene: &FlushScene) -> Outcome {
    for slots in RINGS {
        let Counts {
            schedules,
            steps,
            spared,
            cut,
        } = explore(scene, slots)?;
        check!(
            scene.bound != UNBOUNDED || cut == 0 || !in_full(),
            "{cut} cut"
        );
        note(fmt!(
            "{}, {slots} slots: {schedules} schedules, {steps} steps, {spared} spared, {cut} cut",
            scene.name
        ));
    }
    Ok(())
}

fn more_preemptions_show_no_more(scene: &FlushScene) -> Outcome {
    queued_iova_is_never_handed_out_before_its_flush(&FlushScene {
        bound: scene.bound.max(4),
        ..*scene
    })
}

fn planted_defect_is_found(defect: &Defect) -> Outcome {
    if !in_full() {
        skip(c"effort= is too little to find them");
        return Ok(());
    }
    let _quiet = WarnCounter::start()?;
    let planted = Planted::new(*defect);
    let explore_all = || {
        for scene in &SCENES {
            for slots in RINGS {
                explore(scene, slots)?;
            }
        }
        Ok(())
    };
    let found = fails(explore_all);
    drop(planted);
    check!(found, "no schedule shows {:?}", defect);
    Ok(())
}
