// SPDX-License-Identifier: GPL-2.0

//! Mistakes that drivers have had, each made again in the steps of a driver that is right.

use crate::{
    judge::{
        judge,
        timeline,
        Defect,
        Invariant,
        Options,
        Verdict, //
    },
    judge_tests::{
        families::{
            Amd,
            Legacy,
            Scalable,
            Smmuv3, //
        },
        family::Judged,
        recipe::{
            End,
            Meanwhile,
            Recipe, //
        },
        record::Recorded,
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        note,
        Outcome, //
    },
    mock::hw::{
        amd::dte,
        model::{
            Fetch,
            Model,
            Next,
            Requester, //
        },
        step::{
            Note,
            Step,
            Store, //
        },
    },
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_judge_history:
    root_and_did_copied_word_by_word_are_torn;
    sync_in_the_middle_is_needed;
    write_barrier_is_needed;
    alias_is_not_to_be_forgotten;
    tag_is_not_to_be_freed_before_the_flush;
    list_is_not_to_be_left_before_the_entry_is_changed;
    bits_in_use_are_not_to_be_written_early;
    endpoint_is_to_forget_what_it_keeps;
    new_top_and_depth_go_together;
    marking_begins_and_ends_while_devices_run;
}

const STORE128: u32 = 1;

fn paging(protocol: u32, stage: usize) -> Recipe {
    Recipe::new(protocol, End::A(stage), End::B(stage))
}

/// The steps of a driver that breaks nothing, spoiled, break this.
fn breaks<J: Judged>(
    recipe: Recipe,
    invariant: Invariant,
    spoil: impl FnOnce(&Recorded<J>) -> Outcome<KVVec<Step>>,
) -> Outcome {
    let recorded = Recorded::<J>::new(recipe)?;
    check!(recorded.is_some(), "there is no such transition");
    let Some(recorded) = recorded else {
        return Ok(());
    };
    let right = judge(&recorded.case(&recorded.steps), Options::default(), None)?;
    check_eq!(right.broken, 0);
    let spoiled = spoil(&recorded)?;
    check!(!spoiled.is_empty(), "nothing is left");
    let case = recorded.case(&spoiled);
    let wrong = judge(&case, Options::default(), None)?;
    check!(
        wrong.breaks(invariant),
        "{} is not noticed, but {:#x}",
        invariant.name(),
        wrong.broken
    );
    Ok(timeline(&case, Options::default(), &mut |line| note(line))?)
}

/// The steps without those of which `drop` says so, by number.
fn without(steps: &[Step], mut drop: impl FnMut(usize, &Step) -> bool) -> Outcome<KVVec<Step>> {
    let mut left = KVVec::new();
    for (at, step) in steps.iter().enumerate() {
        if !drop(at, step) {
            left.push(*step, GFP_KERNEL)?;
        }
    }
    Ok(left)
}

/// One of the steps spoiled: the first of which `is` says so.
fn one(steps: &[Step], defect: Defect, is: impl FnMut(&Step) -> bool) -> Outcome<KVVec<Step>> {
    let at = steps.iter().position(is).unwrap_or(usize::MAX);
    let spoiled = defect.spoil(steps, at)?;
    check!(spoiled.is_some(), "there is no such step");
    Ok(spoiled.unwrap_or(KVVec::new()))
}

fn root_and_did_copied_word_by_word_are_torn() -> Outcome {
    // What the replace helpers of VT-d did before CVE-2026-45945 was fixed.
    breaks::<Scalable>(paging(STORE128, 0), Invariant::Line, |recorded| {
        one(
            &recorded.steps,
            Defect::Split,
            |step| matches!(step, Step::Store(store) if store.count > 1),
        )
    })
}

fn sync_in_the_middle_is_needed() -> Outcome {
    breaks::<Smmuv3>(paging(0, 0), Invariant::Line, |recorded| {
        // V is cleared, the rest is written, V is set: each with a sync behind it.
        let is =
            |at: &usize, wanted: fn(&Step) -> bool| recorded.steps.get(*at).is_some_and(wanted);
        let count = recorded.steps.len();
        let mut syncs = (0..count).filter(|at| is(at, |step| matches!(step, Step::Submit(_))));
        let middle = syncs.nth(1).unwrap_or(count);
        without(&recorded.steps, |at, _| at == middle || at == middle + 1)
    })
}

fn write_barrier_is_needed() -> Outcome {
    let recipe = Recipe::new(0, End::Identity, End::A(0));
    breaks::<Scalable>(recipe, Invariant::Tag, |recorded| {
        let steps = &recorded.steps;
        let last = steps.iter().rposition(|step| matches!(step, Step::Barrier));
        without(steps, |at, _| Some(at) == last)
    })
}

fn entry_of(model: &dyn Model, from: Requester) -> Option<Fetch> {
    match model.next(from, &[]) {
        Next::Fetch(fetch) => Some(fetch),
        _ => None,
    }
}

fn alias_is_not_to_be_forgotten() -> Outcome {
    let recipe = Recipe {
        last: false,
        ..paging(STORE128, 0)
    };
    breaks::<Amd>(recipe, Invariant::New, |recorded| {
        let model = recorded.model();
        let mut names = recorded.requesters();
        let (own, alias) = (names.next(), names.next());
        let entry = |name: Option<Requester>| Some((name?, entry_of(model, name?)?));
        let (own, alias) = (entry(own), entry(alias));
        let drops = |command, of: &Option<(Requester, Fetch)>| {
            of.as_ref()
                .is_some_and(|(name, fetch)| model.drops_entry(command, *name, fetch, &[0; 8]))
        };
        let is_in = |store: &Store| {
            alias.as_ref().is_some_and(|(_, fetch)| {
                let end = fetch.at + 8 * u64::from(fetch.words);
                (fetch.at..end).contains(&store.at)
            })
        };
        without(&recorded.steps, |_, step| match step {
            Step::Store(store) => is_in(store),
            Step::Submit(command) => drops(*command, &alias) && !drops(*command, &own),
            _ => false,
        })
    })
}

fn tag_is_not_to_be_freed_before_the_flush() -> Outcome {
    breaks::<Amd>(paging(STORE128, 0), Invariant::Tag, |recorded| {
        one(&recorded.steps, Defect::Early, |step| {
            matches!(step, Step::Note(Note::Untagged(_)))
        })
    })
}

fn list_is_not_to_be_left_before_the_entry_is_changed() -> Outcome {
    let recipe = Recipe {
        meanwhile: Meanwhile::UnmapOld,
        ..paging(STORE128, 0)
    };
    breaks::<Scalable>(recipe, Invariant::Stale, |recorded| {
        one(&recorded.steps, Defect::Early, |step| {
            matches!(step, Step::Note(Note::Unlisted(..)))
        })
    })
}

fn bits_in_use_are_not_to_be_written_early() -> Outcome {
    // From one stage 2 to another: with S2VMID taken for a field that is not looked at, one word
    // would be left to change, and V never be cleared.
    breaks::<Smmuv3>(paging(0, 1), Invariant::Line, |recorded| {
        let model = recorded.model();
        let own = recorded.requesters().next();
        let first = own.and_then(|name| entry_of(model, name)).map(|ste| ste.at);
        without(
            &recorded.steps,
            |_, step| matches!(step, Step::Store(store) if Some(store.at) == first),
        )
    })
}

/// The endpoint keeps translations itself.
fn ats(recipe: Recipe) -> Recipe {
    Recipe {
        ats: true,
        ..recipe
    }
}

/// Drivers that never tell the endpoint.
fn forgetting_the_endpoint_breaks<J: Judged>(protocols: core::ops::Range<u32>) -> Outcome {
    for protocol in protocols {
        breaks::<J>(ats(paging(protocol, 0)), Invariant::New, |recorded| {
            let (model, own) = (recorded.model(), recorded.requesters().next());
            without(&recorded.steps, |_, step| match step {
                Step::Submit(command) => own.is_some_and(|own| model.drops_kept(*command, own, 0)),
                _ => false,
            })
        })?;
    }
    Ok(())
}

fn endpoint_is_to_forget_what_it_keeps() -> Outcome {
    forgetting_the_endpoint_breaks::<Scalable>(0..4)?;
    forgetting_the_endpoint_breaks::<Legacy>(4..6)?;
    forgetting_the_endpoint_breaks::<Amd>(0..2)?;
    forgetting_the_endpoint_breaks::<Smmuv3>(0..2)
}

fn new_top_and_depth_go_together() -> Outcome {
    for protocol in [0, STORE128] {
        let recipe = Recipe {
            grows: true,
            ..paging(protocol, 0)
        };
        let recorded = Recorded::<Amd>::new(recipe)?;
        let Some(recorded) = recorded else {
            return Err(ENOENT.into());
        };
        let case = recorded.case(&recorded.steps);
        let report = judge(&case, Options::default(), None)?;
        check_eq!(report.verdict, Verdict::Hitless);
        // The root without the depth: entries say which level comes next, so that it is noticed.
        let mut torn = KVVec::new();
        for step in &recorded.steps {
            if let Step::Store(store) = step {
                let mut root = *store;
                let [keep, ..] = &mut root.keep;
                *keep |= dte::MODE.mask();
                torn.push(Step::Store(root), GFP_KERNEL)?;
            }
            torn.push(*step, GFP_KERNEL)?;
        }
        let report = judge(&recorded.case(&torn), Options::default(), None)?;
        check_eq!(report.verdict, Verdict::Blocked);
    }
    Ok(())
}

/// Nobody notices that what is written is to be marked, or no longer.
fn marking_is_hitless<J: Judged>(protocol: u32, marks: bool) -> Outcome {
    let recipe = Recipe {
        marks: Some(marks),
        ..paging(protocol, 0)
    };
    let Some(recorded) = Recorded::<J>::new(recipe)? else {
        return Err(ENOENT.into());
    };
    let report = judge(&recorded.case(&recorded.steps), Options::default(), None)?;
    check_eq!(report.verdict, Verdict::Hitless);
    // Most other changes go by way of an entry that says nothing.
    let mut through = KVVec::new();
    for step in &recorded.steps {
        if let Step::Store(store) = step {
            let mut nothing = *store;
            nothing.words.fill(0);
            nothing.keep.fill(0);
            through.push(Step::Store(nothing), GFP_KERNEL)?;
        }
        through.push(*step, GFP_KERNEL)?;
    }
    let report = judge(&recorded.case(&through), Options::default(), None)?;
    check!(report.verdict != Verdict::Hitless);
    Ok(())
}

fn marking_begins_and_ends_while_devices_run() -> Outcome {
    for marks in [true, false] {
        for protocol in 0..4 {
            marking_is_hitless::<Scalable>(protocol, marks)?;
        }
        for protocol in [0, STORE128] {
            marking_is_hitless::<Amd>(protocol, marks)?;
        }
    }
    Ok(())
}
