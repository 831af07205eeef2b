// SPDX-License-Identifier: GPL-2.0

//! What the judge makes of real lists of steps that were spoiled.

use super::{
    family::Judged,
    matrix::{
        Circumstance,
        Names, //
    },
    recipe::Recipe,
    record::Recorded,
};
use crate::{
    judge::{
        judge_ways,
        Defect,
        Options,
        Report,
        Verdict, //
    },
    kapi::kunit::{
        note,
        Outcome, //
    },
    mock::hw::step::Step,
};
use kernel::{
    fmt,
    prelude::*, //
};

/// In which circumstances a defect has a chance to be noticed.
const CIRCUMSTANCES: [Circumstance; 7] = [
    Circumstance::Alone,
    Circumstance::UnmapOld,
    Circumstance::UnmapNew,
    Circumstance::CutOld,
    Circumstance::OtherOnOld,
    Circumstance::OtherOnNew,
    Circumstance::Writer,
];

/// What became of all mutants.
#[derive(Default)]
pub(crate) struct Toll {
    /// How many there were.
    pub(crate) all: u32,
    /// How many broke each invariant first, by its number.
    pub(crate) killed: [u32; 16],
    /// How many made a hitless transition block.
    pub(crate) blocked: u32,
    /// How many are as good for a reason that can be seen.
    pub(crate) excused: u32,
    /// How many are as good because hardware can read and fill just the same.
    pub(crate) idle: u32,
    /// How many are as good because hardware can read and fill less.
    pub(crate) less: u32,
    /// How many are left.
    pub(crate) left: u32,
    /// How many were too much for the judge.
    pub(crate) open: u32,
}

/// A recorded case with what it is worth.
struct Sound<J: Judged> {
    recorded: Recorded<J>,
    report: Report,
    /// What hardware can get hold of.
    ways: KVec<u64>,
}

/// Spoils every step of one transition in every way.
pub(crate) fn spoil<J: Judged>(recipe: Recipe, toll: &mut Toll) -> Outcome {
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
            report,
            ways,
        };
        sound.push(new, GFP_KERNEL)?;
    }
    let count = sound.first().map_or(0, |first| first.recorded.steps.len());
    for at in 0..count {
        for defect in Defect::ALL {
            one(recipe, &sound, at, defect, toll)?;
        }
    }
    Ok(())
}

fn one<J: Judged>(
    recipe: Recipe,
    sound: &[Sound<J>],
    at: usize,
    defect: Defect,
    toll: &mut Toll,
) -> Outcome {
    let Some(first) = sound.first() else {
        return Ok(());
    };
    let steps = &first.recorded.steps;
    let Some(step) = steps.get(at) else {
        return Ok(());
    };
    if defect.spoil(steps, at)?.is_none() {
        return Ok(());
    }
    toll.all += 1;
    let (mut more_ways, mut fewer_ways) = (false, false);
    for Sound {
        recorded,
        report,
        ways,
    } in sound
    {
        // Lists that differ only in what is freed at the end have the same steps before.
        let same = recorded.steps.get(at);
        if !same.is_some_and(|same| is_alike(same, step)) {
            continue;
        }
        let Some(spoiled) = defect.spoil(&recorded.steps, at)? else {
            continue;
        };
        let (new, new_ways) = judge_ways(&recorded.case(&spoiled), Options::default())?;
        let more = new.broken & !report.broken;
        if more != 0 {
            if let Some(count) = toll.killed.get_mut(more.trailing_zeros() as usize) {
                *count += 1;
            }
            return Ok(());
        }
        if new.blocked && !report.blocked {
            toll.blocked += 1;
            return Ok(());
        }
        if let Verdict::NotExhausted(_) = new.verdict {
            toll.open += 1;
            return Ok(());
        }
        more_ways |= new_ways.iter().any(|way| ways.binary_search(way).is_err());
        fewer_ways |= ways.iter().any(|way| new_ways.binary_search(way).is_err());
    }
    if let Some(_reason) = defect.excuse(steps, at) {
        toll.excused += 1;
        return Ok(());
    }
    if !more_ways {
        match fewer_ways {
            true => toll.less += 1,
            false => toll.idle += 1,
        }
        return Ok(());
    }
    toll.left += 1;
    let next = steps.get(at + 1);
    let what = Told(step);
    match (defect, next) {
        (Defect::Swap, Some(next)) => note(fmt!(
            "left: {:?} -> {:?}: swap {at} {what} with {}",
            recipe.from,
            recipe.to,
            Told(next)
        )),
        _ => note(fmt!(
            "left: {:?} -> {:?}: {defect:?} {at} {what}",
            recipe.from,
            recipe.to
        )),
    }
    Ok(())
}

/// A step in a word.
struct Told<'a>(&'a Step);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Step::Store(store) => {
                let [first, second, ..] = store.words;
                write!(f, "store {:#x} {first:x} {second:x}", store.at)
            }
            Step::Barrier => f.write_str("barrier"),
            Step::Submit(command) => write!(f, "submit {:x?}", command.0),
            Step::Wait => f.write_str("wait"),
            Step::Call(call, _) => write!(f, "call {}", call.op),
            Step::Note(note) => write!(f, "note {note:?}"),
        }
    }
}

fn is_alike(a: &Step, b: &Step) -> bool {
    core::mem::discriminant(a) == core::mem::discriminant(b)
}

impl Toll {
    /// Prints it as a line of a table.
    pub(crate) fn note(&self, name: &str) {
        note(fmt!(
            "{name}: {} mutants: {} blocked, {} excused, {} idle, {} less, {} left, {} open; \
             killed by:",
            self.all,
            self.blocked,
            self.excused,
            self.idle,
            self.less,
            self.left,
            self.open
        ));
        for (bit, count) in self.killed.iter().enumerate().filter(|(_, n)| **n != 0) {
            note(fmt!("   {} {}", Names(1 << bit), count));
        }
    }
}
