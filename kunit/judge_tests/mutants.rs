// SPDX-License-Identifier: GPL-2.0

//! What the judge makes of real lists of steps that were spoiled.

mod toll;

pub(crate) use self::toll::Toll;

use super::{
    family::Judged,
    matrix::Circumstance,
    recipe::Recipe,
    record::Recorded, //
};
use crate::{
    judge::{
        judge_ways,
        Defect,
        Invariant,
        Options,
        Report,
        Shown,
        Verdict, //
    },
    kapi::kunit::Outcome,
    mock::hw::{
        model::Model,
        step::Step, //
    },
    share::Share,
};
use kernel::{
    fmt,
    prelude::*, //
};

/// In which circumstances a defect has a chance to be noticed.
const CIRCUMSTANCES: [Circumstance; 9] = [
    Circumstance::Alone,
    Circumstance::UnmapOld,
    Circumstance::UnmapNew,
    Circumstance::CutOld,
    Circumstance::UnmapBehindOld,
    Circumstance::UnmapBehindNew,
    Circumstance::OtherOnOld,
    Circumstance::OtherOnNew,
    Circumstance::Writer,
];

/// What is done with each mutant.
pub(crate) type VisitMutant<'a> = dyn FnMut(&Mutant<'_>) -> Outcome + 'a;

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It breaks this, which the original does not.
    Killed(Invariant, Circumstance),
    /// It blocks where the original is hitless: the strong form of I1.
    Blocks(Circumstance),
    /// It is as good as the original, for this reason.
    Equivalent(&'static str),
    /// It is neither.
    Left,
    /// It was too much for the judge.
    Open,
}

/// One edit of the steps of a transition.
pub(crate) struct Mutant<'a> {
    pub(crate) recipe: Recipe,
    pub(crate) defect: Defect,
    /// Position of the step that is spoiled.
    pub(crate) at: usize,
    pub(crate) fate: Fate,
    steps: &'a [Step],
    model: &'a dyn Model,
}

impl Mutant<'_> {
    /// The step that is spoiled.
    pub(crate) fn step(&self) -> Option<&Step> {
        self.steps.get(self.at)
    }
}

impl fmt::Display for Mutant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(step) = self.step() else {
            return Ok(());
        };
        Shown(self.model, step).fmt(f)?;
        match self.steps.get(self.at + 1) {
            Some(next) if self.defect == Defect::Swap => {
                f.write_str(" <> ")?;
                Shown(self.model, next).fmt(f)
            }
            _ => Ok(()),
        }
    }
}

/// A recorded case with what it is worth.
struct Sound<J: Judged> {
    recorded: Recorded<J>,
    circumstance: Circumstance,
    report: Report,
    /// What hardware can get hold of.
    ways: KVec<u64>,
}

/// Spoils every step of one transition in every way; where endpoints keep translations, those next
/// to what makes them forget, as the others are spoiled without.
pub(crate) fn spoil<J: Judged>(recipe: Recipe, visit: &mut VisitMutant<'_>) -> Outcome {
    let mut sound = KVec::new();
    for circumstance in CIRCUMSTANCES {
        let Some(recipe) = circumstance.of(recipe) else {
            continue;
        };
        let Some(recorded) = Recorded::<J>::new(recipe)? else {
            continue;
        };
        if !recorded.is_as_wanted() {
            continue;
        }
        let (report, ways) = judge_ways(&recorded.case(&recorded.steps), Options::default())?;
        let new = Sound {
            recorded,
            circumstance,
            report,
            ways,
        };
        sound.push(new, GFP_KERNEL)?;
    }
    let Some(first) = sound.first() else {
        return Ok(());
    };
    let steps = &first.recorded.steps;
    let share = Share::of(steps.len());
    for at in (0..steps.len()).filter(|at| share.has(*at)) {
        if recipe.ats && !is_near_to_forgetting(&first.recorded, at) {
            continue;
        }
        for defect in Defect::ALL {
            if defect.spoil(steps, at)?.is_none() {
                continue;
            }
            visit(&Mutant {
                recipe,
                defect,
                at,
                fate: fate(&sound, at, defect)?,
                steps,
                model: first.recorded.model(),
            })?;
        }
    }
    Ok(())
}

/// Whether some command makes an endpoint forget within two steps of one.
fn is_near_to_forgetting<J: Judged>(recorded: &Recorded<J>, at: usize) -> bool {
    let near = recorded.steps.iter().enumerate();
    let near = near.filter(|(n, _)| n.abs_diff(at) <= 2);
    let mut commands = near.filter_map(|(_, step)| match step {
        Step::Submit(command) => Some(*command),
        _ => None,
    });
    let model = recorded.model();
    commands.any(|command| {
        let mut requesters = recorded.requesters();
        requesters.any(|from| model.drops_kept(command, from, 0))
    })
}

fn fate<J: Judged>(sound: &[Sound<J>], at: usize, defect: Defect) -> Outcome<Fate> {
    let steps: &[Step] = sound.first().map_or(&[], |first| &first.recorded.steps);
    let (mut more_ways, mut fewer_ways) = (false, false);
    for Sound {
        recorded,
        circumstance,
        report,
        ways,
    } in sound
    {
        // Lists that differ only in what is freed at the end have the same steps before.
        let same = recorded.steps.get(at).zip(steps.get(at));
        if !same.is_some_and(|(same, step)| is_alike(same, step)) {
            continue;
        }
        let Some(spoiled) = defect.spoil(&recorded.steps, at)? else {
            continue;
        };
        let options = Options {
            until: !report.broken,
            ..Options::default()
        };
        let (new, new_ways) = judge_ways(&recorded.case(&spoiled), options)?;
        let more = |invariant: &Invariant| new.breaks(*invariant) && !report.breaks(*invariant);
        if let Some(invariant) = Invariant::ALL.into_iter().find(more) {
            return Ok(Fate::Killed(invariant, *circumstance));
        }
        if new.blocked && !report.blocked {
            return Ok(Fate::Blocks(*circumstance));
        }
        if let Verdict::NotExhausted(_) = new.verdict {
            return Ok(Fate::Open);
        }
        more_ways |= new_ways.iter().any(|way| ways.binary_search(way).is_err());
        fewer_ways |= ways.iter().any(|way| new_ways.binary_search(way).is_err());
    }
    let excuse = sound
        .first()
        .and_then(|first| defect.excuse(first.recorded.model(), steps, at));
    Ok(match (excuse, more_ways, fewer_ways) {
        (Some(reason), _, _) => Fate::Equivalent(reason),
        (None, false, false) => Fate::Equivalent("hardware can read and fill just the same"),
        (None, false, true) => Fate::Equivalent("hardware can read and fill less"),
        (None, true, _) => Fate::Left,
    })
}

fn is_alike(a: &Step, b: &Step) -> bool {
    core::mem::discriminant(a) == core::mem::discriminant(b)
}
