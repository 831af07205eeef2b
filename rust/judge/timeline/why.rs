// SPDX-License-Identifier: GPL-2.0

//! What a violation hangs on, and since when hardware has it.

use super::{
    super::{
        explore::Explorer,
        fact::Fact,
        hardware::Way,
        state::State,
        stop::Go,
        verdict::{
            Cause,
            Violation, //
        }, //
    },
    Stage, //
};
use kernel::prelude::*;

/// A fact that matters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Reason {
    /// Its number.
    pub(super) fact: usize,
    /// Number of the stage at which hardware got hold of it.
    pub(super) stage: usize,
}

impl Explorer<'_> {
    /// Everything that a violation at the last stage hangs on.
    pub(super) fn reasons(&mut self, violation: &Violation, stages: &[Stage]) -> Go<KVec<Reason>> {
        let mut reasons = KVec::new();
        let last = stages.len().saturating_sub(1);
        let mut wanted = KVec::new();
        match violation.cause {
            Cause::End(end, line) => {
                if let Some(stage) = stages.get(last) {
                    wanted = self.read_for(end, &stage.state)?;
                }
                if let Some(line) = line {
                    wanted.push(line, GFP_KERNEL)?;
                }
            }
            Cause::Fact(fact) => wanted.push(fact, GFP_KERNEL)?,
            Cause::Memory => (),
        }
        for fact in &wanted {
            let fact = *fact;
            let stage = since(stages, fact, last);
            add(&mut reasons, Reason { fact, stage })?;
        }
        // Each adds what it hangs on itself behind the last.
        let mut next = 0;
        while let Some(reason) = reasons.get(next).copied() {
            next += 1;
            let Some(stage) = stages.get(reason.stage) else {
                continue;
            };
            for fact in self.cause_of(reason.fact, &stage.state)? {
                let stage = since(stages, fact, reason.stage);
                add(&mut reasons, Reason { fact, stage })?;
            }
        }
        Ok(reasons)
    }

    /// What hardware had read when it got hold of a line of the IOTLB or of tables.
    fn cause_of(&mut self, fact: usize, state: &State) -> Go<KVec<usize>> {
        let (tag, probe, to) = match self.hardware.known.get(fact) {
            Some(Fact::Translation { tag, probe, to }) => (*tag, *probe, Some(*to)),
            Some(Fact::Tables { tag, probe, .. }) => (*tag, *probe, None),
            Some(Fact::Kept { watch, probe, to }) => {
                return self.answer_of((*watch, *probe, *to), state);
            }
            _ => return Ok(KVec::new()),
        };
        let changed = self.programs.changed(&state.control);
        let ends = self.ends(state)?;
        for number in ends.iter() {
            let by = self.hardware.end_of(number).map(|end| end.way);
            let tagged = matches!(by, Some(Way::Translate(by)) if by.tag == tag);
            let walk = self.hardware.walk(number, changed)?.filter(|_| tagged);
            let reached = walk.and_then(|walk| walk.probes.get(usize::from(probe)).copied());
            if reached.is_some_and(|reached| to.is_none() || reached.to == to) {
                return self.read_for(number, state);
            }
        }
        Ok(KVec::new())
    }

    /// What a requester got to keep something by: entries, and a line of the IOTLB.
    fn answer_of(&mut self, kept: (usize, u8, u64), state: &State) -> Go<KVec<usize>> {
        let (watch, probe, to) = kept;
        let iova = self.hardware.case.probes.get(usize::from(probe)).copied();
        let ends = self.ends(state)?;
        for number in ends.iter() {
            let Some(end) = self.hardware.end_of(number) else {
                continue;
            };
            if end.watch != watch || !end.ats {
                continue;
            }
            let line = match end.way {
                Way::Bypass if iova == Some(to) => None,
                Way::Translate(by) => {
                    let tag = by.tag;
                    let line = Fact::Translation { tag, probe, to };
                    let mut lines = self.hardware.known.of(&state.facts);
                    match lines.find(|(_, fact)| **fact == line) {
                        Some((number, _)) => Some(number),
                        None => continue,
                    }
                }
                _ => continue,
            };
            let mut cause = self.read_for(number, state)?;
            if let Some(line) = line {
                cause.push(line, GFP_KERNEL)?;
            }
            return Ok(cause);
        }
        Ok(KVec::new())
    }

    /// What has to be read for a lookup to come to an end.
    fn read_for(&mut self, end: usize, state: &State) -> Go<KVec<usize>> {
        let mut read = KVec::new();
        let mut facts = state.facts;
        for watch in 0..self.hardware.case.watches.len() {
            self.hardware.each_end(
                watch,
                state.control.memory,
                &mut facts,
                &mut |lookup, at| {
                    if at != end {
                        return true;
                    }
                    for (slot, words) in lookup.entries() {
                        // Without memory the story is shorter.
                        let _ = read.push((slot, *words), GFP_KERNEL);
                    }
                    false
                },
            )?;
            if !read.is_empty() {
                break;
            }
        }
        let mut all = KVec::new();
        for (slot, words) in &read {
            let Some(known) = self.hardware.known.slots.get(*slot) else {
                continue;
            };
            for (number, fact) in self.hardware.known.of(&state.facts.and(&known.all())) {
                let of = match fact {
                    Fact::Line { words: line, .. } => line == words,
                    Fact::Unit {
                        unit, words: part, ..
                    } => !known.in_order && known.part(words, usize::from(*unit)) == *part,
                    _ => false,
                };
                if of {
                    all.push(number, GFP_KERNEL)?;
                }
            }
        }
        Ok(all)
    }
}

fn add(reasons: &mut KVec<Reason>, reason: Reason) -> Go {
    if !reasons.contains(&reason) {
        reasons.push(reason, GFP_KERNEL)?;
    }
    Ok(())
}

/// The first stage from which on there was a fact until a later one.
fn since(stages: &[Stage], fact: usize, until: usize) -> usize {
    let mut since = until;
    while let Some(earlier) = since.checked_sub(1) {
        if !stages.get(earlier).is_some_and(|s| s.state.facts.has(fact)) {
            break;
        }
        since = earlier;
    }
    since
}
