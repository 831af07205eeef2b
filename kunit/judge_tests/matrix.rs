// SPDX-License-Identifier: GPL-2.0

//! Every transition of a family, with everything that may go on meanwhile.

use super::{
    family::{
        Expected,
        Judged, //
    },
    mutants::{
        self,
        VisitMutant, //
    },
    recipe::{
        Bystander,
        Meanwhile,
        Recipe,
        Refused, //
    },
    record::Recorded,
    transitions::{
        each,
        some, //
    },
};
use crate::{
    judge::{
        judge,
        timeline,
        Invariant,
        Options,
        Report,
        Sink,
        Verdict, //
    },
    kapi::kunit::{
        self,
        note,
        Outcome, //
    },
    mock::{
        hw::step::Step,
        unit::Unit, //
    },
};
use kernel::{
    fmt,
    prelude::*, //
};

/// What is done with each case.
pub(crate) type VisitCell<'a> = dyn FnMut(&Cell<'_>) -> Outcome + 'a;

/// What is done with what came out of each case.
pub(crate) type VisitReport<'a> = dyn FnMut(&Report) -> Outcome + 'a;

/// A family with one of its protocols.
pub(crate) struct Row {
    /// Name of the kind of hardware.
    pub(crate) family: &'static str,
    /// Name of the protocol.
    pub(crate) protocol: &'static str,
    /// Names of the kinds of page tables, by number.
    pub(crate) stages: &'static [&'static str],
    /// Judges all its cases.
    pub(crate) run: fn(&mut VisitCell<'_>) -> Outcome,
    /// The smallest number of words, read in one go, with which nothing is broken that is not
    /// broken with more.
    pub(crate) reads: fn() -> Outcome<u32>,
    /// What [`Self::reads`] has to come to.
    pub(crate) reads_at_least: u32,
    /// Judges its transitions with each call of the driver refused, as far as that makes it fail.
    pub(crate) refuse: fn(&mut VisitReport<'_>) -> Outcome,
    /// Behind some of these DMA is blocked, as the driver says; else the old side is in force.
    pub(crate) fails_blocked: bool,
    /// Judges its transitions with every step spoiled.
    pub(crate) spoil: fn(&mut VisitMutant<'_>) -> Outcome,
}

/// What came out for one transition in one circumstance.
pub(crate) struct Cell<'a> {
    pub(crate) recipe: Recipe,
    pub(crate) circumstance: Circumstance,
    pub(crate) report: Report,
    pub(crate) expected: Expected,
    /// Judges it without reduction.
    pub(crate) full: &'a dyn Fn() -> Outcome<Report>,
    /// Tells how the first violation comes about.
    pub(crate) tell: &'a dyn Fn(Sink<'_>) -> Outcome,
    /// Stores, commands, waits and calls.
    pub(crate) cost: [usize; 4],
}

/// What goes on besides the transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Circumstance {
    /// Nothing.
    Alone,
    /// The old space is kept for later.
    OldStays,
    /// Both spaces map to the same pages.
    Alike,
    /// A page is unmapped in the old space.
    UnmapOld,
    /// The same, and its table goes too.
    CutOld,
    /// A page is unmapped in the new space.
    UnmapNew,
    /// The same, and its table goes too.
    CutNew,
    /// A page is unmapped in the space that the old one is nested in.
    UnmapBehindOld,
    /// A page is unmapped in the space that the new one is nested in.
    UnmapBehindNew,
    /// A page is mapped in the old space.
    MapOld,
    /// A page is mapped in the new space.
    MapNew,
    /// Another endpoint stays on the old space.
    OtherOnOld,
    /// Another endpoint is on the new space.
    OtherOnNew,
    /// A PASID of the endpoint stays where it is.
    PasidStays,
    /// Another writer is at the entries.
    Writer,
    /// The endpoint was on the new side before.
    Returns,
    /// The endpoint keeps translations itself.
    Ats,
    /// The same, and a page is unmapped in the old space.
    AtsUnmapOld,
    /// Or in the new one.
    AtsUnmapNew,
}

impl Circumstance {
    /// All of them.
    pub(crate) const ALL: [Self; 19] = [
        Self::Alone,
        Self::OldStays,
        Self::Alike,
        Self::UnmapOld,
        Self::CutOld,
        Self::UnmapNew,
        Self::CutNew,
        Self::UnmapBehindOld,
        Self::UnmapBehindNew,
        Self::MapOld,
        Self::MapNew,
        Self::OtherOnOld,
        Self::OtherOnNew,
        Self::PasidStays,
        Self::Writer,
        Self::Returns,
        Self::Ats,
        Self::AtsUnmapOld,
        Self::AtsUnmapNew,
    ];

    /// A transition in this circumstance; `None` where there is no such thing.
    pub(crate) fn of(self, recipe: Recipe) -> Option<Recipe> {
        let (old, new) = (recipe.from.is_paging(), recipe.to.is_paging());
        let mut new_recipe = recipe;
        let fits = match self {
            Self::Alone => true,
            Self::OldStays => {
                new_recipe.last = false;
                old
            }
            Self::Alike => {
                new_recipe.alike = true;
                old && new
            }
            Self::UnmapOld | Self::CutOld => {
                new_recipe.meanwhile = Meanwhile::UnmapOld;
                new_recipe.far = self == Self::CutOld;
                old
            }
            Self::UnmapNew | Self::CutNew => {
                new_recipe.meanwhile = Meanwhile::UnmapNew;
                new_recipe.far = self == Self::CutNew;
                new
            }
            Self::UnmapBehindOld => {
                new_recipe.meanwhile = Meanwhile::UnmapOld;
                new_recipe.behind = true;
                old
            }
            Self::UnmapBehindNew => {
                new_recipe.meanwhile = Meanwhile::UnmapNew;
                new_recipe.behind = true;
                new
            }
            Self::MapOld => {
                new_recipe.meanwhile = Meanwhile::MapOld;
                old
            }
            Self::MapNew => {
                new_recipe.meanwhile = Meanwhile::MapNew;
                new
            }
            Self::OtherOnOld => {
                new_recipe.bystander = Some(Bystander::Old);
                old
            }
            Self::OtherOnNew => {
                new_recipe.bystander = Some(Bystander::New);
                new
            }
            Self::PasidStays => {
                new_recipe.bystander = Some(Bystander::Pasid);
                recipe.pasid.is_none()
            }
            Self::Writer => {
                new_recipe.writer = true;
                true
            }
            Self::Returns => {
                // What stays is not hidden behind what is gone.
                (new_recipe.returns, new_recipe.last) = (true, false);
                old
            }
            Self::Ats | Self::AtsUnmapOld | Self::AtsUnmapNew => {
                new_recipe.ats = true;
                let (meanwhile, fits) = match self {
                    Self::AtsUnmapOld => (Meanwhile::UnmapOld, old),
                    Self::AtsUnmapNew => (Meanwhile::UnmapNew, new),
                    _ => (Meanwhile::Nothing, old || new),
                };
                new_recipe.meanwhile = meanwhile;
                fits
            }
        };
        fits.then_some(new_recipe)
    }
}

impl kunit::Param for Row {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.family, self.protocol)
    }
}

/// The row of a family's protocol.
pub(crate) const fn row<J: Judged, const PROTOCOL: u32>() -> Row {
    Row {
        family: J::NAME,
        protocol: <J::Unit as Unit>::PROTOCOLS[PROTOCOL as usize],
        stages: J::STAGES,
        run: run::<J, PROTOCOL>,
        reads: reads::<J, PROTOCOL>,
        reads_at_least: J::READS[PROTOCOL as usize],
        refuse: refuse::<J, PROTOCOL>,
        fails_blocked: <J::Unit as Unit>::FAILS_BLOCKED[PROTOCOL as usize],
        spoil: spoil::<J, PROTOCOL>,
    }
}

/// Without reduction, and no longer than takes a moment.
fn full() -> Options {
    Options {
        reduce: false,
        states: (1 << 15) * crate::effort().min(100) as usize / 100,
        until: 0,
    }
}

fn run<J: Judged, const PROTOCOL: u32>(visit: &mut VisitCell<'_>) -> Outcome {
    some::<J>(PROTOCOL, &mut |recipe| cells::<J>(recipe, visit))
}

fn refuse<J: Judged, const PROTOCOL: u32>(visit: &mut VisitReport<'_>) -> Outcome {
    each::<J>(PROTOCOL, &mut |recipe| {
        let Some(recorded) = Recorded::<J>::new(recipe)? else {
            return Ok(());
        };
        let calls = |until| {
            let steps: &[Step] = recorded.steps.get(..until).unwrap_or(&[]);
            steps.iter().filter_map(|step| match step {
                Step::Call(call, _) => Some(call.op),
                _ => None,
            })
        };
        for (at, step) in recorded.steps.iter().enumerate() {
            let Step::Call(call, _) = step else {
                continue;
            };
            let refuse = Some(Refused {
                op: call.op,
                skip: calls(at).filter(|op| *op == call.op).count() as u32,
            });
            let Some(recorded) = Recorded::<J>::new(Recipe { refuse, ..recipe })? else {
                continue;
            };
            if recorded.failed() {
                let case = recorded.case(&recorded.steps);
                visit(&judge(&case, Options::default(), None)?)?;
            }
        }
        Ok(())
    })
}

fn reads<J: Judged, const PROTOCOL: u32>() -> Outcome<u32> {
    let mut smallest = 8;
    for words in [4, 2, 1] {
        let mut broken = 0;
        each::<J>(PROTOCOL, &mut |recipe| {
            let reads = |reads| Recipe { reads, ..recipe };
            let whole = Recorded::<J>::new(reads(Some(8)))?;
            let parts = Recorded::<J>::new(reads(Some(words)))?;
            let (Some(whole), Some(parts)) = (whole, parts) else {
                return Ok(());
            };
            let whole = judge(&whole.case(&whole.steps), Options::default(), None)?;
            let parts = judge(&parts.case(&parts.steps), Options::default(), None)?;
            if let Verdict::NotExhausted(why) = parts.verdict {
                note(fmt!("reads of {words} words: not exhausted: {why}"));
                broken |= 1 << 15;
            }
            let more = parts.broken & !whole.broken;
            if more != 0 {
                let (from, to) = (recipe.from, recipe.to);
                note(fmt!(
                    "reads of {words} words: {from:?} -> {to:?}:{}",
                    Names(more)
                ));
            }
            broken |= more;
            Ok(())
        })?;
        if broken != 0 {
            break;
        }
        smallest = words;
    }
    Ok(smallest)
}

fn spoil<J: Judged, const PROTOCOL: u32>(visit: &mut VisitMutant<'_>) -> Outcome {
    some::<J>(PROTOCOL, &mut |recipe| {
        mutants::spoil::<J>(recipe, visit)?;
        mutants::spoil::<J>(
            Recipe {
                ats: true,
                ..recipe
            },
            visit,
        )
    })
}

/// Judges one transition in all circumstances.
fn cells<J: Judged>(recipe: Recipe, visit: &mut VisitCell<'_>) -> Outcome {
    for circumstance in Circumstance::ALL {
        let Some(recipe) = circumstance.of(recipe) else {
            continue;
        };
        let edits = recipe.meanwhile != Meanwhile::Nothing;
        if edits && !J::flushes_alike(recipe.protocol, recipe.from, recipe.to) {
            continue;
        }
        let Some(recorded) = Recorded::<J>::new(recipe)? else {
            continue;
        };
        if !recorded.is_as_wanted() {
            continue;
        }
        let case = recorded.case(&recorded.steps);
        let report = judge(&case, Options::default(), None)?;
        visit(&Cell {
            recipe,
            circumstance,
            report,
            full: &|| Ok(judge(&case, full(), None)?),
            expected: J::expects(recipe.protocol, &recipe, circumstance),
            tell: &|sink| Ok(timeline(&case, Options::default(), sink)?),
            cost: recorded.cost(),
        })?;
    }
    Ok(())
}

/// All invariants of a set.
pub(crate) struct Names(pub(crate) u16);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for invariant in Invariant::ALL {
            if self.0 & invariant.bit() != 0 {
                write!(f, " {}", invariant.name())?;
            }
        }
        Ok(())
    }
}

/// A verdict in a word or two.
pub(crate) struct Word<'a>(pub(crate) &'a Report);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.verdict {
            Verdict::Hitless => f.write_str("hitless"),
            Verdict::Blocked => f.write_str("blocked"),
            Verdict::Broken(_) => f.write_fmt(fmt!("BROKEN{}", Names(self.0.broken))),
            Verdict::NotExhausted(why) => write!(f, "not exhausted: {why}"),
        }
    }
}

impl Cell<'_> {
    /// Prints it as a line of a table.
    pub(crate) fn note(&self) {
        let Recipe {
            from, to, pasid, ..
        } = self.recipe;
        let with = if pasid.is_some() { "PASID " } else { "" };
        let report = &self.report;
        let what = self.circumstance;
        if what != Circumstance::Alone {
            note(fmt!("    {what:?}: {} ({})", Word(report), report.states));
            return;
        }
        let [stores, commands, waits, calls] = self.cost;
        note(fmt!(
            "{with}{from:?} -> {to:?}: {} ({} states, {} transitions, 2^{} of hardware), \
             {stores} stores, {commands} commands, {waits} waits, {calls} calls",
            Word(report),
            report.states,
            report.transitions,
            report.concrete
        ));
    }
}
