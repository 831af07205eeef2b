// SPDX-License-Identifier: GPL-2.0

//! Which instructions firmware answers otherwise than its model would, and how.

use super::super::hw::model::Answer;
use crate::kapi::{
    new_mutex,
    Mutex, //
};
use core::mem;
use kernel::prelude::*;

/// A deviation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// The operation.
    pub(crate) op: u8,
    /// The handle of the only function that it is about, if there is one.
    pub(crate) only: Option<u32>,
    /// Calls of it that pass first.
    pub(crate) skip: u32,
    /// Calls that are then answered so.
    pub(crate) times: u32,
    /// The answer.
    pub(crate) answer: Answer,
}

impl Rule {
    /// The next call of `op` is answered so.
    pub(crate) fn once(op: u8, answer: Answer) -> Self {
        Self {
            op,
            only: None,
            skip: 0,
            times: 1,
            answer,
        }
    }

    /// The same for so many calls in a row.
    pub(crate) fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// The same for this function alone.
    pub(crate) fn at(self, handle: u32) -> Self {
        Self {
            only: Some(handle),
            ..self
        }
    }

    /// After so many calls that pass.
    pub(crate) fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    fn is_about(&self, op: u8, handle: u32) -> bool {
        self.op == op && self.only.is_none_or(|only| only == handle)
    }
}

/// Rules, of which the first that matches a call counts it.
#[pin_data]
pub(super) struct Plan {
    #[pin]
    rules: Mutex<KVec<Rule>>,
}

impl Plan {
    /// Makes one without rules.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self { rules <- new_mutex!(KVec::new(), "s390::Plan::rules") })
    }

    /// Adds a rule behind the others.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn add(&self, rule: Rule) -> Result {
        Ok(self.rules.lock().push(rule, GFP_KERNEL)?)
    }

    /// Takes all rules away.
    pub(super) fn clear(&self) {
        let _ = mem::take(&mut *self.rules.lock());
    }

    /// The answer to this call, where it is not the model's.
    pub(super) fn answer(&self, op: u8, handle: u32) -> Option<Answer> {
        let mut rules = self.rules.lock();
        let rule = rules
            .iter_mut()
            .find(|rule| rule.is_about(op, handle) && rule.times != 0)?;
        if rule.skip != 0 {
            rule.skip -= 1;
            return None;
        }
        rule.times -= 1;
        Some(rule.answer)
    }
}
