// SPDX-License-Identifier: GPL-2.0

//! How a violation comes about, as a table to be read: what actors do on the left, what hardware
//! does on the right.
//!
//! States do not say where their facts come from. That is found out here, along the one way that
//! leads to the violation: only what the violation hangs on is told.

mod show;
mod why;

pub(crate) use self::show::Shown;

use self::{
    show::{
        Doing,
        Having,
        Line, //
    },
    why::Reason, //
};
use super::{
    case::Case,
    explore::{
        Explorer,
        Found,
        Options, //
    },
    program::{
        Act,
        EDITOR,
        TRANSITION, //
    },
    state::{
        Event,
        State, //
    },
    stop::{
        Go,
        Stop, //
    },
    verdict::Violation, //
};
use kernel::{
    fmt,
    prelude::*, //
};

/// Where lines go.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(fmt::Arguments<'_>);

/// Writes how the first violation of a case comes about; nothing if there is none.
///
/// # Errors
///
/// ENOMEM.
pub(crate) fn timeline(case: &Case<'_>, options: Options, sink: Sink<'_>) -> Result {
    let options = Options {
        until: u16::MAX,
        ..options
    };
    let told = Explorer::new(case, options).and_then(|mut explorer| {
        let found = explorer.run(None)?;
        let Some((violation, state)) = found.first else {
            return Ok(());
        };
        explorer.tell(&violation, &found, state, sink)
    });
    match told {
        Err(Stop::Error(error)) => Err(error),
        Ok(()) | Err(Stop::Full(_)) => Ok(()),
    }
}

/// One step of the way: what happened, and the state behind it.
struct Stage {
    event: Option<Event>,
    state: State,
}

impl Explorer<'_> {
    fn tell(&mut self, violation: &Violation, found: &Found, state: u32, sink: Sink<'_>) -> Go {
        let stages = self.way(found, state)?;
        let reasons = self.reasons(violation, &stages)?;
        sink(fmt!(
            "{}: {}, behind {} events",
            violation.invariant.name(),
            violation.invariant.matter(),
            stages.len().saturating_sub(1)
        ));
        self.tell_facts(&reasons, 0, "from before:", sink);
        let mut before = None;
        for (number, stage) in stages.iter().enumerate() {
            self.tell_stage(before, stage, sink);
            if number != 0 {
                self.tell_facts(&reasons, number, "", sink);
            }
            before = Some(stage);
        }
        if let Some((watch, probe, outcome)) = violation.access {
            let (case, iova) = (self.hardware.case, self.hardware.case.probes.get(probe));
            if let (Some(watch), Some(iova)) = (case.watches.get(watch), iova) {
                let id = watch.requester.id;
                let line = Line::of(fmt!("DMA of {id:#x} to {iova:#x} {outcome}"));
                sink(fmt!("{:52}| {}", "", line.text()));
            }
        }
        Ok(())
    }

    /// The way from the start to a state.
    fn way(&mut self, found: &Found, state: u32) -> Go<KVec<Stage>> {
        let mut events = KVec::new();
        let mut at = state;
        while let Some(origin) = found.origins.get(at as usize) {
            if origin.parent == u32::MAX {
                break;
            }
            events.push(origin.event, GFP_KERNEL)?;
            at = origin.parent;
        }
        let (mut state, _) = self.start()?;
        let mut stages = KVec::new();
        let event = None;
        stages.push(Stage { event, state }, GFP_KERNEL)?;
        for event in events.iter().rev() {
            (state, _) = self.follow(&state, *event)?;
            let event = Some(*event);
            stages.push(Stage { event, state }, GFP_KERNEL)?;
        }
        Ok(stages)
    }

    /// What actors did from one state to the next.
    fn tell_stage(&self, before: Option<&Stage>, stage: &Stage, sink: Sink<'_>) {
        let model = self.hardware.case.model;
        let name = |actor| match actor {
            TRANSITION => "driver",
            EDITOR => "other",
            _ => "writer",
        };
        match stage.event {
            Some(Event::Visible(actor, bit)) => {
                let at = before.map_or(0, |b| b.state.control.place(actor.into()).at);
                let program = self.programs.actors.get(usize::from(actor));
                if let Some((store, _)) = program.and_then(|p| p.store(at, bit)) {
                    let line = Line::of(fmt!("{}: {}", name(actor.into()), Doing::Store(store)));
                    let memory = stage.state.control.memory;
                    let entry = self.entry_at(memory, store.at);
                    sink(fmt!("{:52}| {}", line.text(), entry.text()));
                }
            }
            Some(Event::Execute(actor, bit)) => {
                let at = before.map_or(0, |b| b.state.control.place(actor.into()).at);
                let program = self.programs.actors.get(usize::from(actor));
                if let Some((command, _)) = program.and_then(|p| p.command(at, bit)) {
                    let line = Line::of(fmt!("carries out {}", Doing::Command(model, command)));
                    sink(fmt!("{:52}| {}", "", line.text()));
                }
            }
            Some(Event::Step(_)) | None => (),
        }
        let books = before.and_then(|b| self.programs.books(b.state.control.place(TRANSITION).at));
        let listed = books.is_some_and(|books| books.listed);
        for (actor, program) in self.programs.actors.iter().enumerate() {
            let mut at = before.map_or(0, |b| b.state.control.place(actor).at);
            let to = stage.state.control.place(actor).at;
            while let Some(act) = program.act(at).filter(|_| at < to) {
                if let Some(doing) = Doing::of(model, act) {
                    let line = Line::of(fmt!("{}: {doing}", name(actor)));
                    sink(fmt!("{:52}|", line.text()));
                }
                at = match act {
                    Act::Finish => break,
                    Act::Read { otherwise } if !listed => *otherwise,
                    _ => at.saturating_add(1),
                };
            }
        }
    }

    /// The entry that an address is in, if it is one that was read.
    fn entry_at(&self, memory: u32, at: u64) -> Line {
        let hardware = &self.hardware;
        for slot in &hardware.known.slots {
            let end = slot
                .fetch
                .at
                .saturating_add(8 * u64::from(slot.fetch.words));
            if (slot.fetch.at..end).contains(&at) {
                if let Some(words) = hardware.contents.entry(hardware.case, memory, &slot.fetch) {
                    let having = Having::Entry(hardware.case.model, slot.fetch.kind, &words);
                    return Line::of(fmt!("in memory: {having}"));
                }
            }
        }
        Line::of(fmt!(""))
    }

    /// What hardware got hold of at a stage, as far as it matters.
    fn tell_facts(&self, reasons: &[Reason], stage: usize, label: &str, sink: Sink<'_>) {
        let known = &self.hardware.known;
        let here = |read: bool| {
            let here = move |reason: &&Reason| {
                reason.stage == stage && known.entries.has(reason.fact) == read
            };
            // What a fact hangs on was added behind it.
            reasons.iter().rev().filter(here)
        };
        // Entries are read before anything is made of them.
        for reason in Iterator::chain(here(true), here(false)) {
            if known.is_fixed(reason.fact) {
                continue;
            }
            if let Some(fact) = self.hardware.known.get(reason.fact) {
                let having = Having::of(&self.hardware, fact);
                let line = Line::of(fmt!("{having}"));
                sink(fmt!("{label:>52}| {}", line.text()));
            }
        }
    }
}
