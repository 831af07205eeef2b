// SPDX-License-Identifier: GPL-2.0

//! The toy again, with every choice of hardware explored one by one: slow, but there is nothing in
//! it to believe. What DMA can come to must be what the judge says.
//!
//! Hardware has, for each entry, a line or none and a read under way or none, for each tag a line
//! of the IOTLB or none, and what the requester keeps itself or nothing. It reads a unit, completes
//! a line, fills the IOTLB, gives the requester an answer to keep, and drops any of these at any
//! time. Requester 0 and the second probe only.

mod hardware;
mod set;

pub(crate) use self::set::Set;

use super::toy::{
    Scene,
    PROBED, //
};
use crate::mock::hw::{
    frozen::Change,
    model::{
        Command,
        Fetch,
        Model,
        Requester,
        Words, //
    },
    step::{
        Step,
        Store, //
    },
    Memory, //
};
use kernel::{
    prelude::*,
    rbtree::RBTree, //
};

/// Entries: the pointer, the first entry, the second entry.
const SLOTS: usize = 3;
/// Words of an entry.
const UNITS: usize = 2;
/// Tags that programs use.
const TAGS: usize = 4;
/// Words in memory: the pointer, two entries.
const WORDS: usize = 5;

/// Everything at one time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    at: [u8; 2],
    pending: [u32; 2],
    running: [u32; 2],
    words: [u64; WORDS],
    lines: [Option<[u64; UNITS]>; SLOTS],
    reads: [[Option<u64>; UNITS]; SLOTS],
    tlb: [Option<u64>; TAGS],
    kept: Option<u64>,
}

/// One thing that an actor does.
#[derive(Clone, Copy)]
enum Act {
    Step(Step),
    Change,
    Read,
    Finish,
}

/// An exploration under way.
pub(crate) struct Literal<'a> {
    scene: &'a Scene,
    acts: [KVec<Act>; 2],
    /// Addresses of the words.
    addresses: [u64; WORDS],
    seen: RBTree<State, ()>,
    work: KVec<State>,
    /// What DMA can come to.
    pub(crate) outcomes: Set,
}

/// States at which this gives up.
const MOST: usize = 400_000;

const WHO: Requester = Requester { id: 0, pasid: None };

impl<'a> Literal<'a> {
    /// Explores all states; `None` if they are too many.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn explore(scene: &'a Scene) -> Result<Option<Self>> {
        let mut acts = [KVec::new(), KVec::new()];
        let [transition, editor] = &mut acts;
        for step in &scene.steps {
            transition.push(Act::Step(*step), GFP_KERNEL)?;
        }
        if scene.edit.is_some() {
            for _ in &scene.changes {
                editor.push(Act::Change, GFP_KERNEL)?;
            }
            editor.push(Act::Read, GFP_KERNEL)?;
            for step in &scene.flush {
                editor.push(Act::Step(*step), GFP_KERNEL)?;
            }
            editor.push(Act::Finish, GFP_KERNEL)?;
        }
        let entry = |n| scene.word(n);
        let addresses = [scene.pointer(), entry(0), entry(1), entry(2), entry(3)];
        let mut words = [0; WORDS];
        for (word, at) in words.iter_mut().zip(addresses) {
            *word = scene.entries.load(at).unwrap_or(0);
        }
        let start = State {
            at: [0; 2],
            pending: [0; 2],
            running: [0; 2],
            words,
            lines: [None; SLOTS],
            reads: [[None; UNITS]; SLOTS],
            tlb: [None; TAGS],
            kept: None,
        };
        let mut this = Self {
            scene,
            acts,
            addresses,
            seen: RBTree::new(),
            work: KVec::new(),
            outcomes: Set::new(),
        };
        this.add(start)?;
        let mut count = 0;
        while let Some(state) = this.work.pop() {
            count += 1;
            if count > MOST {
                return Ok(None);
            }
            this.actors(&state)?;
            this.hardware(&state)?;
        }
        Ok(Some(this))
    }

    fn add(&mut self, state: State) -> Result {
        if self.seen.get(&state).is_none() {
            self.seen.try_create_and_insert(state, (), GFP_KERNEL)?;
            self.work.push(state, GFP_KERNEL)?;
        }
        Ok(())
    }

    fn act(&self, actor: usize, at: usize) -> Option<Act> {
        self.acts.get(actor)?.get(at).copied()
    }

    /// Everything that actors can do next.
    fn actors(&mut self, state: &State) -> Result {
        for actor in 0..2 {
            let at = usize::from(*state.at.get(actor).unwrap_or(&0));
            let pending = *state.pending.get(actor).unwrap_or(&0);
            let running = *state.running.get(actor).unwrap_or(&0);
            for n in 0..at {
                let bit = 1 << n;
                match self.act(actor, n) {
                    Some(Act::Step(Step::Store(store))) if pending & bit != 0 => {
                        if !self.waits_for_another(actor, n, pending, &store) {
                            let mut new = *state;
                            self.write(&mut new, &store);
                            new.pending = with(new.pending, actor, pending & !bit);
                            self.add(new)?;
                        }
                    }
                    Some(Act::Step(Step::Submit(command))) if running & bit != 0 => {
                        if !self.waits_for_a_command(actor, n, running, command) {
                            let mut new = *state;
                            self.execute(&mut new, command);
                            new.running = with(new.running, actor, running & !bit);
                            self.add(new)?;
                        }
                    }
                    _ => (),
                }
            }
            let mut new = *state;
            let bit = 1 << at;
            match self.act(actor, at) {
                Some(Act::Step(Step::Store(_))) => {
                    new.pending = with(new.pending, actor, pending | bit);
                }
                Some(Act::Step(Step::Barrier)) if pending == 0 => (),
                Some(Act::Step(Step::Submit(_))) if pending == 0 => {
                    new.running = with(new.running, actor, running | bit);
                }
                Some(Act::Step(Step::Wait)) if running == 0 => (),
                Some(Act::Change | Act::Read | Act::Finish) => (),
                _ => continue,
            }
            if let Some(at) = new.at.get_mut(actor) {
                *at += 1;
            }
            self.add(new)?;
        }
        Ok(())
    }

    /// Whether an earlier store to the same words is not visible yet.
    fn waits_for_another(&self, actor: usize, n: usize, pending: u32, store: &Store) -> bool {
        (0..n).any(|other| match self.act(actor, other) {
            Some(Act::Step(Step::Store(other_store))) => {
                let end = |s: &Store| s.at + 8 * u64::from(s.count);
                let same = other_store.at < end(store) && store.at < end(&other_store);
                pending & (1 << other) != 0 && same
            }
            _ => false,
        })
    }

    /// Whether an earlier command that this one must not overtake is not carried out yet.
    fn waits_for_a_command(&self, actor: usize, n: usize, running: u32, command: Command) -> bool {
        (0..n).any(|other| match self.act(actor, other) {
            Some(Act::Step(Step::Submit(earlier))) => {
                running & (1 << other) != 0 && !self.scene.model.overtakes(command, earlier)
            }
            _ => false,
        })
    }

    fn write(&self, state: &mut State, store: &Store) {
        for (word, at) in state.words.iter_mut().zip(self.addresses) {
            let n = at.wrapping_sub(store.at) / 8;
            if at >= store.at && n < u64::from(store.count) {
                *word = store.words.get(n as usize).copied().unwrap_or(0);
            }
        }
    }

    /// The entry as it is in memory.
    fn load(&self, state: &State, fetch: &Fetch) -> [u64; UNITS] {
        let mut entry = [0; UNITS];
        for (n, word) in (0..u64::from(fetch.words)).zip(&mut entry) {
            let mut words = self.addresses.iter().zip(state.words);
            let found = words.find(|(at, _)| **at == fetch.at + 8 * n);
            *word = found.map_or(0, |(_, word)| word);
        }
        entry
    }

    fn slot(&self, fetch: &Fetch) -> usize {
        match fetch.kind {
            0 => 0,
            _ if fetch.at == self.scene.word(0) => 1,
            _ => 2,
        }
    }

    fn fetch_of(&self, slot: usize) -> Fetch {
        let unit = self.scene.model.unit();
        let (at, words, unit, kind) = match slot {
            0 => (self.scene.pointer(), 1, 1, 0),
            1 => (self.scene.word(0), 2, unit, 1),
            _ => (self.scene.word(2), 2, unit, 1),
        };
        Fetch {
            at,
            words,
            unit,
            kind,
            cached: true,
        }
    }

    fn execute(&self, state: &mut State, command: Command) {
        let model = &self.scene.model;
        for slot in 0..SLOTS {
            let fetch = self.fetch_of(slot);
            let drops =
                |entry: &[u64; UNITS]| model.drops_entry(command, WHO, &fetch, &widened(entry));
            if let Some(line) = state.lines.get_mut(slot) {
                if line.as_ref().is_some_and(drops) {
                    *line = None;
                }
            }
            // A read under way is aborted if the entry could, in the order of the program, be one
            // that is dropped.
            if self.contents(&fetch, &mut |entry| drops(entry)) {
                if let Some(read) = state.reads.get_mut(slot) {
                    *read = [None; UNITS];
                }
            }
        }
        let [_, iova] = PROBED;
        for (tag, line) in state.tlb.iter_mut().enumerate() {
            let tag = crate::mock::hw::model::Tag(tag as u64);
            if model.drops_translation(command, tag, iova) {
                *line = None;
            }
        }
        if model.drops_kept(command, WHO, iova) {
            state.kept = None;
        }
    }

    /// Whether something holds for an entry at some point of the program, in order.
    fn contents(&self, fetch: &Fetch, holds: &mut dyn FnMut(&[u64; UNITS]) -> bool) -> bool {
        let mut state = State {
            at: [0; 2],
            pending: [0; 2],
            running: [0; 2],
            words: [0; WORDS],
            lines: [None; SLOTS],
            reads: [[None; UNITS]; SLOTS],
            tlb: [None; TAGS],
            kept: None,
        };
        for (word, at) in state.words.iter_mut().zip(self.addresses) {
            *word = self.scene.entries.load(at).unwrap_or(0);
        }
        let mut any = holds(&self.load(&state, fetch));
        for step in &self.scene.steps {
            if let Step::Store(store) = step {
                self.write(&mut state, store);
                any |= holds(&self.load(&state, fetch));
            }
        }
        any
    }
}

fn with(mut pair: [u32; 2], at: usize, value: u32) -> [u32; 2] {
    if let Some(slot) = pair.get_mut(at) {
        *slot = value;
    }
    pair
}

fn widened(entry: &[u64; UNITS]) -> Words {
    let [first, second] = *entry;
    let mut words = Words::default();
    let [a, b, ..] = &mut words;
    (*a, *b) = (first, second);
    words
}

struct Tables<'a> {
    scene: &'a Scene,
    changes: &'a [Change],
}

impl Memory for Tables<'_> {
    fn word(&self, table: u64, index: u32) -> Option<u64> {
        let mut done = self.changes.iter().rev();
        match done.find(|c| c.table == table && c.index == index) {
            Some(change) => Some(change.word),
            None => {
                let mut spaces = self.scene.spaces.iter();
                spaces.find_map(|space| space.tables.word(table, index))
            }
        }
    }
}
