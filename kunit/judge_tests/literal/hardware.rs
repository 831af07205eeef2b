// SPDX-License-Identifier: GPL-2.0

//! What hardware and the requester can do next.

use super::{
    widened,
    Literal,
    State,
    Tables,
    UNITS,
    WHO, //
};
use crate::{
    judge::Outcome,
    judge_tests::toy::PROBED,
    mock::hw::model::{
        Fetch,
        Model,
        Next,
        Translation,
        Words, //
    },
};
use kernel::prelude::*;

impl Literal<'_> {
    /// Everything that hardware can do next.
    pub(super) fn hardware(&mut self, state: &State) -> Result {
        let model = &self.scene.model;
        let mut read = [Words::default(); 2];
        let mut depth = 0;
        // The requester gives up what it keeps.
        self.add(State {
            kept: None,
            ..*state
        })?;
        loop {
            let so_far = read.get(..depth).unwrap_or(&[]);
            let kept = state.kept.filter(|_| model.ats(WHO, so_far));
            match model.next(WHO, so_far) {
                Next::Fetch(fetch) => {
                    let slot = self.slot(&fetch);
                    self.read(state, slot, &fetch)?;
                    let now = self.load(state, &fetch);
                    if model.in_order(&fetch) && !self.is_worth_it(&fetch, &now) {
                        // Whoever reads it now knows enough, and the entry is not kept.
                        self.outcomes.add(state.at, Outcome::Aborted)?;
                        if let Some(words) = read.get_mut(depth) {
                            *words = widened(&now);
                        }
                        let read = read.get(..depth + 1).unwrap_or(&[]);
                        if let Some(to) = state.kept.filter(|_| model.ats(WHO, read)) {
                            self.outcomes.add(state.at, Outcome::Reaches(to))?;
                        }
                    }
                    let Some(Some(line)) = state.lines.get(slot) else {
                        // Not this far yet.
                        break;
                    };
                    let mut new = *state;
                    if let Some(line) = new.lines.get_mut(slot) {
                        *line = None;
                    }
                    self.add(new)?;
                    if let Some(words) = read.get_mut(depth) {
                        *words = widened(line);
                    }
                    depth += 1;
                    continue;
                }
                Next::Abort(_) => self.outcomes.add(state.at, Outcome::Aborted)?,
                Next::Bypass => {
                    let [_, iova] = PROBED;
                    self.outcomes.add(state.at, Outcome::Untranslated)?;
                    self.keep(state, so_far, iova)?;
                }
                Next::Translate(by) => {
                    if let Some(to) = self.translate(state, &by)? {
                        self.keep(state, so_far, to)?;
                    }
                }
            }
            if let Some(to) = kept {
                self.outcomes.add(state.at, Outcome::Reaches(to))?;
            }
            return Ok(());
        }
        Ok(())
    }

    /// Lets the requester keep an answer, if the entries say that it may.
    fn keep(&mut self, state: &State, read: &[Words], to: u64) -> Result {
        match self.scene.model.ats(WHO, read) {
            true => self.add(State {
                kept: Some(to),
                ..*state
            }),
            false => Ok(()),
        }
    }

    /// Whether hardware goes on reading an entry that starts like this.
    fn is_worth_it(&self, fetch: &Fetch, entry: &[u64; UNITS]) -> bool {
        let [first, _] = *entry;
        self.scene.model.keeps(fetch, &widened(&[first, 0]))
    }

    /// Reads a unit, and completes the line.
    fn read(&mut self, state: &State, slot: usize, fetch: &Fetch) -> Result {
        let now = self.load(state, fetch);
        let words = fetch.words as usize;
        let mut unit = 0;
        while unit < words {
            let mut new = *state;
            let size = fetch.unit as usize;
            let Some(read) = new.reads.get_mut(slot) else {
                return Ok(());
            };
            if self.scene.model.in_order(fetch) {
                let begun = read.iter().take(unit).all(Option::is_some);
                let restarts = unit == 0 && read.iter().any(Option::is_some);
                let worth_it = unit != 0 || self.is_worth_it(fetch, &now);
                if !begun || !worth_it || restarts {
                    unit += size;
                    continue;
                }
            }
            for (to, from) in read.iter_mut().zip(now).skip(unit).take(size) {
                *to = Some(from);
            }
            let mut line = [0; UNITS];
            let mut whole = true;
            for (to, from) in line.iter_mut().zip(*read).take(words) {
                whole &= from.is_some();
                *to = from.unwrap_or(0);
            }
            if whole {
                *read = [None; UNITS];
                if let Some(slot) = new.lines.get_mut(slot) {
                    *slot = Some(line);
                }
            }
            self.add(new)?;
            unit += size;
        }
        // What is under way can be given up.
        let mut new = *state;
        if let Some(read) = new.reads.get_mut(slot) {
            *read = [None; UNITS];
        }
        self.add(new)
    }

    /// Lets an access be translated, and returns where to.
    fn translate(&mut self, state: &State, by: &Translation) -> Result<Option<u64>> {
        let [_, iova] = PROBED;
        let changed = usize::from(state.at[1]).min(self.scene.changes.len());
        let tables = Tables {
            scene: self.scene,
            changes: self.scene.changes.get(..changed).unwrap_or(&[]),
        };
        let to = self.scene.model.walk(&tables, by, iova, &mut |_| ());
        let outcome = to.map_or(Outcome::Aborted, Outcome::Reaches);
        let Some(line) = state.tlb.get(by.tag.0 as usize).copied() else {
            return Ok(None);
        };
        match line {
            Some(to) => self.outcomes.add(state.at, Outcome::Reaches(to))?,
            None => self.outcomes.add(state.at, outcome)?,
        }
        for new_line in [None, to] {
            let mut new = *state;
            if let Some(line) = new.tlb.get_mut(by.tag.0 as usize) {
                *line = new_line;
            }
            self.add(new)?;
        }
        Ok(line.or(to))
    }
}
