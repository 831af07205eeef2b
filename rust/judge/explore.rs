// SPDX-License-Identifier: GPL-2.0

//! Going through all states of a case, in the order of how many events lead to them.

use super::{
    bits::{
        Ends,
        Facts, //
    },
    case::Case,
    hardware::Hardware,
    index::{
        hash,
        Index, //
    },
    program::{
        Programs,
        ACTORS,
        TRANSITION, //
    },
    state::{
        Control,
        Event,
        State, //
    },
    stop::{
        Go,
        Stop, //
    },
    verdict::{
        Cause,
        Findings,
        Invariant,
        Moment,
        Outcome,
        Violation, //
    },
};
use crate::mock::hw::step::{
    Step,
    Store, //
};
use kernel::prelude::*;

/// How to go through a case.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    /// Go through states that differ in nothing that matters only once.
    pub(crate) reduce: bool,
    /// Give up behind that many states.
    pub(crate) states: usize,
    /// Go no further than the first violation of one of these invariants, by their bits.
    pub(crate) until: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            reduce: true,
            states: 1 << 20,
            until: 0,
        }
    }
}

/// Where a state came from.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub(super) parent: u32,
    pub(super) event: Event,
}

struct Node {
    state: State,
    origin: Origin,
    /// Another one that differs only in facts, one more than its number.
    next: u32,
    /// Another one can do all that it can.
    beaten: bool,
}

/// States that take the same number of events.
struct Level {
    nodes: KVVec<Node>,
    index: Index,
}

/// What an exploration found out.
pub(super) struct Found {
    /// All invariants that do not hold in some state.
    pub(super) broken: u16,
    /// Some DMA is aborted that neither side says to abort.
    pub(super) blocked: bool,
    /// The first violation, and the number of its state.
    pub(super) first: Option<(Violation, u32)>,
    pub(super) states: u64,
    pub(super) transitions: u64,
    pub(super) facts: u32,
    /// How many states have each number of facts.
    sizes: KVec<u64>,
    pub(super) stopped: Option<&'static str>,
    /// Where each state came from.
    pub(super) origins: KVVec<Origin>,
}

/// Sees every DMA access of every state: where each actor is, watch, probe, outcome.
pub(crate) type Observer<'a> = &'a mut dyn FnMut([u8; ACTORS], usize, usize, Outcome);

struct Log<'a, 'b> {
    found: &'a mut Found,
    state: u32,
    at: [u8; ACTORS],
    observe: &'a mut Option<Observer<'b>>,
}

impl Findings for Log<'_, '_> {
    fn broken(&mut self, violation: Violation) {
        self.found.broken |= violation.invariant.bit();
        if self.found.first.is_none() {
            self.found.first = Some((violation, self.state));
        }
    }

    fn blocked(&mut self) {
        self.found.blocked = true;
    }

    fn outcome(&mut self, watch: usize, probe: usize, outcome: Outcome) {
        if let Some(observe) = self.observe {
            observe(self.at, watch, probe, outcome);
        }
    }
}

/// An exploration under way.
pub(super) struct Explorer<'a> {
    pub(super) hardware: Hardware<'a>,
    pub(super) programs: Programs,
    pub(super) options: Options,
}

/// The first state has this number, and no origin.
const ROOT: Origin = Origin {
    parent: u32::MAX,
    event: Event::Step(0),
};

impl<'a> Explorer<'a> {
    /// Gets ready to go through a case.
    ///
    /// # Errors
    ///
    /// Why it cannot be done.
    pub(super) fn new(case: &'a Case<'a>, options: Options) -> Go<Self> {
        Ok(Self {
            hardware: Hardware::new(case)?,
            programs: Programs::new(case)?.map_err(Stop::Full)?,
            options,
        })
    }

    /// The state before anything happens: hardware has got hold of all it can.
    pub(super) fn start(&mut self) -> Go<(State, Ends)> {
        let mut state = State {
            control: Control::default(),
            facts: Facts::EMPTY,
        };
        if self.options.reduce {
            let contents = &mut self.hardware.contents;
            self.programs.hurry(contents, &mut state.control)?;
        }
        self.fill(state)
    }

    /// The state behind an event.
    pub(super) fn follow(&mut self, state: &State, event: Event) -> Go<(State, Ends)> {
        let mut new = self.programs.apply(&mut self.hardware, state, event)?;
        if self.options.reduce {
            let contents = &mut self.hardware.contents;
            self.programs.hurry(contents, &mut new.control)?;
        }
        self.fill(new)
    }

    fn fill(&mut self, mut state: State) -> Go<(State, Ends)> {
        let changed = self.programs.changed(&state.control);
        let memory = state.control.memory;
        let (facts, ends) = self.hardware.saturate(memory, changed, &state.facts)?;
        state.facts = facts;
        Ok((state, ends))
    }

    /// How lookups can end in a state.
    pub(super) fn ends(&mut self, state: &State) -> Go<Ends> {
        Ok(self.fill(*state)?.1)
    }

    /// Goes through all states.
    pub(super) fn run(&mut self, mut observe: Option<Observer<'_>>) -> Result<Found> {
        let mut found = Found::new()?;
        match self.explore(&mut found, &mut observe) {
            Ok(()) => (),
            Err(Stop::Full(why)) => found.stopped = Some(why),
            Err(Stop::Error(error)) => return Err(error),
        }
        found.facts = self.hardware.known.count() as u32;
        Ok(found)
    }

    fn explore(&mut self, found: &mut Found, observe: &mut Option<Observer<'_>>) -> Go {
        let mut level = Level::new();
        let mut next = Level::new();
        let (start, _) = self.start()?;
        level.add(start, ROOT, false)?;
        while !level.nodes.is_empty() {
            for node in &level.nodes {
                if node.beaten {
                    continue;
                }
                let number = found.origins.len() as u32;
                if found.origins.len() >= self.options.states {
                    return Err(Stop::Full("more states than were allowed"));
                }
                found.origins.push(node.origin, GFP_KERNEL)?;
                found.count(&node.state);
                self.check(&node.state, number, found, observe)?;
                if found.broken & self.options.until != 0 {
                    return Ok(());
                }
                self.expand(&node.state, number, found, &mut next)?;
            }
            core::mem::swap(&mut level, &mut next);
            next.clear();
        }
        Ok(())
    }

    fn expand(&mut self, state: &State, number: u32, found: &mut Found, next: &mut Level) -> Go {
        let mut events = KVec::new();
        let push = |event| Ok(events.push(event, GFP_KERNEL)?);
        self.programs.events(&state.control, push)?;
        for event in events {
            found.transitions += 1;
            let (new, _) = self.follow(state, event)?;
            let parent = number;
            next.add(new, Origin { parent, event }, self.options.reduce)?;
        }
        Ok(())
    }

    fn check(
        &mut self,
        state: &State,
        number: u32,
        found: &mut Found,
        observe: &mut Option<Observer<'_>>,
    ) -> Go {
        let at = state.control.places.map(|place| place.at);
        let mut log = Log {
            found,
            state: number,
            at,
            observe,
        };
        self.judge(state, &mut log)
    }

    /// Looks at everything that must hold in a state.
    pub(super) fn judge(&mut self, state: &State, log: &mut dyn Findings) -> Go {
        let (_, ends) = self.fill(*state)?;
        let place = state.control.place(TRANSITION);
        let Some(books) = self.programs.books(place.at) else {
            return Ok(());
        };
        let ended = (0..ACTORS).all(|actor| self.programs.ended(&state.control, actor));
        let moment = Moment {
            facts: &state.facts,
            ends: &ends,
            books,
            changed: self.programs.changed(&state.control),
            edited: self.programs.edited(&state.control),
            settled: books.returned && place.is_idle(),
            ended,
            owners: self.programs.owners(),
        };
        moment.check(&mut self.hardware, log)?;
        if ended && !self.is_written(state) {
            log.broken(Violation {
                invariant: Invariant::Update,
                access: None,
                cause: Cause::Memory,
            });
        }
        Ok(())
    }

    /// Whether memory holds what the other writer wrote last.
    fn is_written(&self, state: &State) -> bool {
        let hardware = &self.hardware;
        let is_there = |store: &Store| {
            let words = store.words.iter().zip(&store.keep);
            let mut words = (0..u64::from(store.count)).zip(words);
            words.all(|(n, (word, keep))| {
                let at = store.at.saturating_add(8 * n);
                let now = hardware.contents.word(state.control.memory, at);
                now.is_some_and(|now| (now ^ word) & !keep == 0)
            })
        };
        hardware.case.writer.iter().all(|step| match step {
            Step::Store(store) => is_there(store),
            _ => true,
        })
    }
}

impl Found {
    fn new() -> Result<Self> {
        let sizes = KVec::from_elem(0, Facts::ROOM + 1, GFP_KERNEL)?;
        Ok(Self {
            broken: 0,
            blocked: false,
            first: None,
            states: 0,
            transitions: 0,
            facts: 0,
            sizes,
            stopped: None,
            origins: KVVec::new(),
        })
    }

    fn count(&mut self, state: &State) {
        self.states += 1;
        if let Some(n) = self.sizes.get_mut(state.facts.count() as usize) {
            *n += 1;
        }
    }

    /// Binary logarithm of the number of states of hardware that all states stand for, rounded
    /// down: each stands for all subsets of its facts.
    pub(super) fn concrete(&self) -> u32 {
        let (mut sum, mut log) = (0u64, 0);
        for (size, n) in self.sizes.iter().enumerate() {
            sum = sum / 2 + n;
            if *n != 0 {
                log = size as u32 + sum.checked_ilog2().unwrap_or(0);
            }
        }
        log
    }
}

impl Level {
    fn new() -> Self {
        Self {
            nodes: KVVec::new(),
            index: Index::new(),
        }
    }

    fn clear(&mut self) {
        self.nodes.clear();
        self.index.clear();
    }

    /// Adds a state, unless what it can do another one can, too.
    fn add(&mut self, state: State, origin: Origin, reduce: bool) -> Go {
        let key = hash(&state.control.words(), &[]);
        let nodes = &self.nodes;
        let same = |n: u32| {
            let node = nodes.get(n as usize);
            node.is_some_and(|node| node.state.control == state.control)
        };
        let first = self.index.find(key, same);
        let mut next = first.map_or(0, |n| n + 1);
        while let Some(node) = next
            .checked_sub(1)
            .and_then(|n| self.nodes.get_mut(n as usize))
        {
            if state.facts == node.state.facts
                || reduce && !node.beaten && state.facts.within(&node.state.facts)
            {
                return Ok(());
            }
            if reduce && node.state.facts.within(&state.facts) {
                node.beaten = true;
            }
            next = node.next;
        }
        let number = self.nodes.len() as u32;
        // Chained behind the first, which the index keeps.
        let first = first.and_then(|n| self.nodes.get_mut(n as usize));
        let next = match first {
            Some(first) => core::mem::replace(&mut first.next, number + 1),
            None => {
                self.index.add(key, number)?;
                0
            }
        };
        let node = Node {
            state,
            origin,
            next,
            beaten: false,
        };
        Ok(self.nodes.push(node, GFP_KERNEL)?)
    }
}
