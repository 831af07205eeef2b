// SPDX-License-Identifier: GPL-2.0

//! The judge on the smallest hardware, with steps whose worth is known: what it must notice, and
//! what it must let pass.

use crate::{
    judge::{
        judge,
        timeline,
        Invariant,
        Options,
        Report,
        Side,
        Verdict, //
    },
    judge_tests::toy::{
        drop_entry,
        drop_lines,
        drop_tag,
        freed,
        listed,
        root,
        store_at,
        table,
        unlisted,
        untagged,
        Scene,
        BYPASS,
        RETURN, //
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        note,
        Outcome, //
    },
    mock::hw::{
        frozen::Change,
        model::{
            Answer,
            Call, //
        },
        step::{
            Step,
            Step::{
                Barrier,
                Wait, //
            }, //
        }, //
    },
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_judge:
    one_store_of_root_and_tag_is_hitless;
    one_store_is_torn_by_hardware_that_reads_single_words;
    two_stores_are_torn;
    blocking_in_between_is_weak;
    missing_barrier_lets_fields_be_seen_late;
    single_words_need_a_sync_in_the_middle;
    missing_command_leaves_old_in_force;
    tag_freed_early_is_noticed;
    tables_freed_early_are_noticed;
    list_order_makes_unmap_miss_a_device;
    unmap_that_cuts_a_table_must_drop_it;
    third_space_is_reached_by_its_tag;
    failure_that_leaves_blocked_is_told;
    identity_in_between_is_noticed;
    aborted_access_can_be_an_error;
    one_call_is_hitless;
    update_of_another_writer_can_be_lost;
    equal_mappings_are_not_disturbed;
    pointer_to_an_entry_made_ready_is_hitless;
    pointer_before_its_entry_is_noticed;
    case_that_does_not_fit_is_not_passed;
    violation_is_told_step_by_step;
}

/// Judges both with and without reduction, which must come to the same.
fn judged(scene: &Scene) -> Outcome<Report> {
    let report = judge(&scene.case(), Options::default(), None)?;
    let reduce = false;
    let options = Options {
        reduce,
        ..Options::default()
    };
    let full = judge(&scene.case(), options, None)?;
    note(fmt!(
        "{:?}: {} states, {} without reduction, 2^{} of hardware, {} transitions, {} facts",
        report.verdict,
        report.states,
        full.states,
        full.concrete,
        report.transitions,
        report.facts
    ));
    check_eq!(report.broken, full.broken);
    check_eq!(report.blocked, full.blocked);
    check!(report.states <= full.states);
    Ok(report)
}

fn breaks(scene: &Scene, invariant: Invariant) -> Outcome {
    let report = judged(scene)?;
    check!(
        report.breaks(invariant),
        "{} is not noticed, but {:#x}",
        invariant.name(),
        report.broken
    );
    Ok(())
}

fn is(scene: &Scene, verdict: Verdict) -> Outcome {
    check_eq!(judged(scene)?.verdict, verdict);
    Ok(())
}

/// What comes behind the last store of the entry, where everything is right.
fn tail(scene: &mut Scene) -> Outcome {
    Ok(scene.does(&[
        drop_entry(0),
        Wait,
        unlisted(1),
        drop_tag(1),
        Wait,
        RETURN,
        untagged(1),
        freed(1),
    ])?)
}

fn hitless(unit: u32) -> Outcome<Scene> {
    let mut scene = Scene::new(unit, false, false)?;
    let store = scene.store(0, &[root(2), 2]);
    scene.does(&[listed(2), store])?;
    tail(&mut scene)?;
    Ok(scene)
}

/// Blocks, and sets the second word before the first, with these steps in between.
fn handshake(unit: u32, between: &[Step]) -> Outcome<Scene> {
    let mut scene = Scene::new(unit, false, false)?;
    let clear = scene.store(0, &[0]);
    scene.does(&[clear, drop_entry(0), Wait, drop_tag(1), Wait, unlisted(1)])?;
    let fields = scene.store(1, &[2]);
    let valid = scene.store(0, &[root(2)]);
    scene.does(&[listed(2), fields])?;
    scene.does(between)?;
    scene.does(&[valid, drop_entry(0), Wait, RETURN, untagged(1), freed(1)])?;
    Ok(scene)
}

fn one_store_of_root_and_tag_is_hitless() -> Outcome {
    is(&hitless(2)?, Verdict::Hitless)
}

fn one_store_is_torn_by_hardware_that_reads_single_words() -> Outcome {
    breaks(&hitless(1)?, Invariant::Line)
}

fn two_stores_are_torn() -> Outcome {
    for order in [[0, 1], [1, 0]] {
        let mut scene = Scene::new(2, false, false)?;
        scene.does(&[listed(2)])?;
        for word in order {
            let value = [root(2), 2].into_iter().nth(word).unwrap_or(0);
            let store = scene.store(word as u64, &[value]);
            scene.does(&[store, Barrier])?;
        }
        tail(&mut scene)?;
        breaks(&scene, Invariant::Line)?;
    }
    Ok(())
}

fn blocking_in_between_is_weak() -> Outcome {
    is(&handshake(2, &[Barrier])?, Verdict::Blocked)
}

fn missing_barrier_lets_fields_be_seen_late() -> Outcome {
    breaks(&handshake(2, &[])?, Invariant::Line)
}

fn single_words_need_a_sync_in_the_middle() -> Outcome {
    // The second word may have been read before it was written.
    breaks(&handshake(1, &[Barrier])?, Invariant::Line)?;
    is(&handshake(1, &[drop_entry(0), Wait])?, Verdict::Blocked)
}

fn missing_command_leaves_old_in_force() -> Outcome {
    let mut scene = Scene::new(2, false, false)?;
    let store = scene.store(0, &[root(2), 2]);
    scene.does(&[listed(2), store, Barrier, drop_tag(1), Wait, RETURN])?;
    breaks(&scene, Invariant::New)
}

fn tag_freed_early_is_noticed() -> Outcome {
    let mut scene = Scene::new(2, false, false)?;
    let store = scene.store(0, &[root(2), 2]);
    scene.does(&[listed(2), store, drop_entry(0), Wait, untagged(1)])?;
    scene.does(&[drop_tag(1), Wait, RETURN])?;
    breaks(&scene, Invariant::Tag)
}

fn tables_freed_early_are_noticed() -> Outcome {
    let mut scene = Scene::new(2, false, false)?;
    let store = scene.store(0, &[root(2), 2]);
    scene.does(&[listed(2), store, freed(1), drop_entry(0), Wait])?;
    scene.does(&[drop_tag(1), Wait, RETURN])?;
    breaks(&scene, Invariant::Freed)
}

fn list_order_makes_unmap_miss_a_device() -> Outcome {
    for (first, holds) in [(true, false), (false, true)] {
        let mut scene = Scene::new(2, false, false)?;
        let store = scene.store(0, &[root(2), 2]);
        scene.does(&[listed(2)])?;
        if first {
            scene.does(&[unlisted(1)])?;
        }
        scene.does(&[store, drop_entry(0), Wait, drop_tag(1), Wait])?;
        if !first {
            scene.does(&[unlisted(1)])?;
        }
        scene.does(&[RETURN])?;
        scene.unmaps(1, &[drop_tag(1), Wait])?;
        match holds {
            true => is(&scene, Verdict::Hitless)?,
            false => breaks(&scene, Invariant::Stale)?,
        }
    }
    Ok(())
}

fn unmap_that_cuts_a_table_must_drop_it() -> Outcome {
    for (flush, holds) in [(drop_lines(1), false), (drop_tag(1), true)] {
        let mut scene = Scene::new(2, false, false)?;
        scene.to(Side::Paging(1));
        // Both probes go with their table.
        scene.unmaps(1, &[flush, Wait])?;
        scene.changes.clear();
        let (at, index, word) = (table(1, 0), 0x80, 0);
        let change = Change {
            table: at,
            index,
            word,
        };
        scene.changes.push(change, GFP_KERNEL)?;
        scene.freed.push(table(1, 1), GFP_KERNEL)?;
        let report = judged(&scene)?;
        check_eq!(report.breaks(Invariant::Freed), !holds);
    }
    Ok(())
}

fn third_space_is_reached_by_its_tag() -> Outcome {
    let mut scene = Scene::new(2, false, false)?;
    scene.watch(1, Side::Paging(3), Side::Paging(3))?;
    let wrong = scene.store(0, &[root(2), 3]);
    scene.does(&[listed(2), wrong])?;
    tail(&mut scene)?;
    breaks(&scene, Invariant::Mixed)
}

fn failure_that_leaves_blocked_is_told() -> Outcome {
    let mut scene = Scene::new(2, false, false)?;
    let clear = scene.store(0, &[0]);
    scene.does(&[clear, drop_entry(0), Wait, drop_tag(1), Wait, RETURN])?;
    scene.goal = crate::judge::Goal::Old;
    breaks(&scene, Invariant::Old)
}

fn identity_in_between_is_noticed() -> Outcome {
    for (side, word, invariant) in [
        (Side::Paging(2), root(2), Invariant::Untranslated),
        (Side::Blocked, 0, Invariant::Blocked),
    ] {
        let mut scene = Scene::new(2, false, false)?;
        scene.to(side);
        let pass = scene.store(0, &[BYPASS]);
        let end = scene.store(0, &[word, 2]);
        scene.does(&[listed(2), pass, Barrier, end])?;
        tail(&mut scene)?;
        breaks(&scene, invariant)?;
    }
    let mut scene = Scene::new(2, false, false)?;
    scene.to(Side::Identity);
    let pass = scene.store(0, &[BYPASS]);
    scene.does(&[pass])?;
    tail(&mut scene)?;
    is(&scene, Verdict::Hitless)
}

fn aborted_access_can_be_an_error() -> Outcome {
    let mut scene = handshake(2, &[Barrier])?;
    scene.abort_is_error = true;
    breaks(&scene, Invariant::Error)
}

fn one_call_is_hitless() -> Outcome {
    let mut scene = Scene::new(2, false, false)?;
    let call = Call {
        op: 1,
        id: 0,
        operands: [root(2), 2, 0],
    };
    scene.does(&[listed(2), Step::Call(call, Answer::DONE)])?;
    scene.does(&[unlisted(1), RETURN, untagged(1), freed(1)])?;
    scene.abort_is_error = true;
    is(&scene, Verdict::Hitless)
}

fn update_of_another_writer_can_be_lost() -> Outcome {
    const FIELD: u64 = 0xff << 32;
    for (keep, holds) in [(0, false), (FIELD, true)] {
        // The upper half of the second word is somebody else's, and not looked at.
        let mut scene = Scene::new(2, false, false)?;
        let at = scene.word(0);
        scene.to(Side::Blocked);
        let clear = store_at(at, &[0, 0], keep);
        scene.does(&[clear])?;
        tail(&mut scene)?;
        let update = store_at(scene.word(1), &[7 << 32], !FIELD);
        scene.writer.push(update, GFP_KERNEL)?;
        let report = judged(&scene)?;
        check_eq!(report.breaks(Invariant::Update), !holds);
    }
    Ok(())
}

fn equal_mappings_are_not_disturbed() -> Outcome {
    let mut scene = Scene::new(2, false, true)?;
    let store = scene.store(0, &[root(2), 2]);
    scene.does(&[listed(2), store])?;
    tail(&mut scene)?;
    is(&scene, Verdict::Hitless)
}

fn pointer_to_an_entry_made_ready_is_hitless() -> Outcome {
    let mut scene = Scene::new(1, true, false)?;
    let ready = scene.store(2, &[root(2), 2]);
    let point = store_at(scene.pointer(), &[scene.word(2)], 0);
    scene.does(&[listed(2), ready, Barrier, point])?;
    tail(&mut scene)?;
    is(&scene, Verdict::Hitless)
}

fn pointer_before_its_entry_is_noticed() -> Outcome {
    let mut scene = Scene::new(1, true, false)?;
    let ready = scene.store(2, &[root(2), 2]);
    let point = store_at(scene.pointer(), &[scene.word(2)], 0);
    scene.does(&[listed(2), ready, point])?;
    tail(&mut scene)?;
    check!(judged(&scene)?.verdict != Verdict::Hitless);
    Ok(())
}

fn case_that_does_not_fit_is_not_passed() -> Outcome {
    let states = 3;
    let options = Options {
        states,
        ..Options::default()
    };
    let report = judge(&hitless(2)?.case(), options, None)?;
    check!(matches!(report.verdict, Verdict::NotExhausted(_)));
    let mut scene = Scene::new(2, false, false)?;
    for _ in 0..300 {
        scene.does(&[Barrier])?;
    }
    let report = judge(&scene.case(), Options::default(), None)?;
    check!(matches!(report.verdict, Verdict::NotExhausted(_)));
    Ok(())
}

fn violation_is_told_step_by_step() -> Outcome {
    let scene = handshake(1, &[Barrier])?;
    let mut lines = 0;
    timeline(&scene.case(), Options::default(), &mut |line| {
        lines += 1;
        note(line);
    })?;
    // What is the matter; the stale unit; two stores, each with what is behind it; two commands,
    // each submitted, carried out and waited for; what hardware made of it.
    check!(lines >= 14, "{lines} lines");
    let mut lines = 0;
    timeline(&hitless(2)?.case(), Options::default(), &mut |_| lines += 1)?;
    check_eq!(lines, 0);
    Ok(())
}
