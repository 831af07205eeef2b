// SPDX-License-Identifier: GPL-2.0

//! The steps of late, and how they read.

use super::super::{
    model::Model,
    step::{
        Note,
        Step,
        Store, //
    },
};
use kernel::{
    fmt,
    prelude::*, //
};

/// Steps that are kept.
const STEPS: usize = 256;

/// The latest steps. The oldest goes first.
pub(super) struct Trace {
    steps: KVVec<Step>,
    /// Steps ever.
    count: usize,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self {
            steps: KVVec::new(),
            count: 0,
        }
    }

    /// Adds a step, if there is memory for it.
    pub(super) fn add(&mut self, step: Step) {
        let at = self.count & (STEPS - 1);
        if let Some(slot) = self.steps.get_mut(at) {
            *slot = step;
        } else if self.steps.push(step, GFP_KERNEL).is_err() {
            return;
        }
        self.count = self.count.wrapping_add(1);
    }

    /// Writes a line for each step: its number, and what it was.
    pub(super) fn show(&self, model: &dyn Model, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.count.saturating_sub(self.steps.len());
        for number in first..self.count {
            if let Some(step) = self.steps.get(number & (STEPS - 1)) {
                f.write_fmt(fmt!("{number} {}\n", Shown(model, step)))?;
            }
        }
        Ok(())
    }

    /// Writes a line for each command: its number, and what it was.
    pub(super) fn show_commands(
        &self,
        model: &dyn Model,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let first = self.count.saturating_sub(self.steps.len());
        for number in first..self.count {
            let step = self.steps.get(number & (STEPS - 1));
            if let Some(step @ (Step::Submit(_) | Step::Wait | Step::Call(..))) = step {
                f.write_fmt(fmt!("{number} {}\n", Shown(model, step)))?;
            }
        }
        Ok(())
    }
}

/// A step in the words of its family.
pub(crate) struct Shown<'a>(pub(crate) &'a dyn Model, pub(crate) &'a Step);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(model, step) = *self;
        match step {
            Step::Store(store) => store.show(f),
            Step::Barrier => f.write_str("barrier"),
            Step::Submit(command) => model.show_command(*command, f),
            Step::Wait => f.write_str("wait"),
            Step::Call(call, answer) => {
                model.show_call(*call, f)?;
                write!(f, " = cc {} status {}", answer.cc, answer.status)
            }
            Step::Note(note) => note.show(model, f),
        }
    }
}

impl Store {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "store {:#x}", self.at)?;
        for (word, keep) in self.words.iter().zip(self.keep).take(self.count as usize) {
            write!(f, " {word:016x}")?;
            if keep != 0 {
                write!(f, "/keep {keep:016x}")?;
            }
        }
        Ok(())
    }
}

impl Note {
    fn show(&self, model: &dyn Model, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Listed(space, from) => write!(f, "(list {:#x} of {space})", from.id),
            Note::Unlisted(space, from) => {
                write!(f, "(unlist {:#x} of {space})", from.id)
            }
            Note::Tagged(space, tag) => {
                f.write_str("(take ")?;
                model.show_tag(*tag, f)?;
                write!(f, " for {space})")
            }
            Note::Untagged(tag) => {
                f.write_str("(give ")?;
                model.show_tag(*tag, f)?;
                f.write_str(" back)")
            }
            Note::Freed(space) => write!(f, "(free tables of {space})"),
            Note::Return => f.write_str("(return)"),
        }
    }
}
