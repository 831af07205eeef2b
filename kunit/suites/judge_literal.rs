// SPDX-License-Identifier: GPL-2.0

//! What the judge keeps as sets, against every choice of hardware explored one by one.

use crate::{
    judge::{
        judge,
        Options,
        Side, //
    },
    judge_tests::{
        literal::{
            Literal,
            Set, //
        },
        toy::{
            drop_entry,
            drop_entry_of_tag,
            drop_kept,
            drop_lines,
            drop_tag,
            root,
            store_at,
            Scene,
            ATS,
            BYPASS, //
        },
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        note,
        Outcome, //
    },
    mock::hw::step::Step,
    random::Random,
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_judge_literal:
    dma_comes_to_the_same_as_choice_by_choice: slow;
}

/// What all entries of a program have besides the mode, as those that it starts with.
fn ats_of(scene: &Scene) -> u64 {
    scene.entries.load(scene.word(0)).unwrap_or(0) & ATS
}

/// One step of a program that makes little sense.
fn step(scene: &Scene, random: &mut Random) -> Step {
    let entry = if scene.pointer() != 0 && random.chance(50) {
        2
    } else {
        0
    };
    let mut first = random.pick([root(1), root(2), root(3), 0, BYPASS]);
    if random.chance(80) {
        first |= ats_of(scene);
    }
    let second = random.pick([1, 2, 3]);
    match random.below(12) {
        _ if ats_of(scene) != 0 && random.chance(15) => drop_kept(0),
        0 | 1 => scene.store(entry, &[first]),
        2 | 3 => scene.store(entry + 1, &[second]),
        4 | 5 => scene.store(entry, &[first, second]),
        6 => Step::Barrier,
        7 => drop_entry(0),
        8 => drop_entry_of_tag(second),
        9 => random.pick([drop_tag(second), drop_lines(second)]),
        10 if scene.pointer() != 0 => {
            let target = scene.word(random.pick([0, 2]));
            store_at(scene.pointer(), &[target], 0)
        }
        _ => Step::Wait,
    }
}

fn dma_comes_to_the_same_as_choice_by_choice() -> Outcome {
    let mut random = Random::new(crate::seed());
    let programs = 3 * crate::effort();
    let (mut compared, mut large, mut outcomes, mut own) = (0, 0, 0, 0);
    for number in 0..programs {
        let (unit, directory) = random.pick([(1, false), (2, false), (1, true), (2, true)]);
        let mut scene = Scene::new(unit, directory, false)?;
        if random.chance(30) {
            scene.model.forgets_invalid();
        }
        scene.to(Side::Paging(2));
        let ats = random.chance(40);
        if ats {
            scene.allows_ats();
            if random.chance(50) {
                scene.model.has_order();
            }
        }
        for _ in 0..random.below(6) {
            let step = step(&scene, &mut random);
            scene.does(&[step])?;
        }
        if random.chance(40) {
            let flush = match (ats, random.below(3)) {
                (false, _) => [drop_tag(1), Step::Wait, Step::Wait],
                (true, 0) => [drop_tag(1), drop_kept(0), Step::Wait],
                (true, 1) => [drop_tag(1), Step::Wait, drop_kept(0)],
                (true, _) => [drop_kept(0), drop_tag(1), Step::Wait],
            };
            scene.unmaps(1, &flush)?;
        }
        let Some(literal) = Literal::explore(&scene)? else {
            large += 1;
            continue;
        };
        let mut judged = Set::new();
        let mut failed = Ok(());
        let reduce = false;
        let options = Options {
            reduce,
            ..Options::default()
        };
        let report = judge(
            &scene.case(),
            options,
            Some(&mut |places, watch, probe, outcome| {
                let [transition, editor, _] = places;
                if (watch, probe) == (0, 1) && failed.is_ok() {
                    failed = judged.add([transition, editor], outcome);
                }
            }),
        )?;
        failed?;
        let (more, less) = (
            judged.beyond(&literal.outcomes),
            literal.outcomes.beyond(&judged),
        );
        if more.is_some() || less.is_some() {
            note(fmt!(
                "unit {unit} directory {directory}: {:x?}",
                scene.steps
            ));
        }
        check!(
            more.is_none(),
            "program {number}: only the judge has {more:x?}"
        );
        check!(
            less.is_none(),
            "program {number}: the judge lacks {less:x?}"
        );
        let reduced = judge(&scene.case(), Options::default(), None)?;
        check_eq!(
            (reduced.broken, reduced.blocked),
            (report.broken, report.blocked)
        );
        compared += 1;
        own += u32::from(ats);
        outcomes += judged.count();
    }
    note(fmt!(
        "{compared} programs, {own} with ATS, {outcomes} outcomes; {large} programs were too large"
    ));
    check!(compared > large, "most programs are too large");
    check!(own > compared / 4, "there is hardly any ATS");
    Ok(())
}
