// SPDX-License-Identifier: GPL-2.0

//! Which schedule to run next: depth first, with partial-order reduction, up to a number of
//! preemptions.
//!
//! A preemption is a choice of another thread while the one that ran last could go on. The
//! reduction is dynamic: after a run, each step is compared with those before it that it depends on
//! and could have overtaken, and only then its thread is also tried there. As the bound might keep
//! that from being tried, it is also tried where the thread that ran there had begun to run, which
//! costs no preemption (Coons, Musuvathi and McKinley, Bounded partial-order reduction, 2013).

use crate::kapi::schedule::{
    Report,
    Step, //
};
use kernel::prelude::*;

/// No bound on preemptions.
pub(crate) const UNBOUNDED: u32 = u32::MAX;

/// Longer traces are explored without reduction.
const MAX_REDUCED: usize = 128;

/// One step of the schedule at hand.
struct Node {
    enabled: u8,
    tried: u8,
    wanted: u8,
    chosen: u8,
    last: Option<u8>,
    /// Preemptions before it.
    cost: u32,
}

impl Node {
    fn cost_of(&self, thread: u8) -> u32 {
        let preempts = self
            .last
            .is_some_and(|last| last != thread && self.enabled & 1 << last != 0);
        self.cost + u32::from(preempts)
    }
}

/// What was done and what was not.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    /// Schedules that were run.
    pub(crate) schedules: u64,
    /// Steps of them all.
    pub(crate) steps: u64,
    /// Choices that were not tried as they would have changed nothing.
    pub(crate) spared: u64,
    /// Choices that were not tried as they took too many preemptions.
    pub(crate) cut: u64,
}

impl Counts {
    /// Adds those of another exploration.
    pub(crate) fn add(&mut self, other: &Self) {
        self.schedules += other.schedules;
        self.steps += other.steps;
        self.spared += other.spared;
        self.cut += other.cut;
    }
}

/// See the module.
pub(crate) struct Explorer {
    nodes: KVec<Node>,
    bound: u32,
    reduce: bool,
    begun: bool,
    pub(crate) counts: Counts,
}

impl Explorer {
    /// Starts an exploration.
    pub(crate) fn new(bound: u32, reduce: bool) -> Self {
        Self {
            nodes: KVec::new(),
            bound,
            reduce,
            begun: false,
            counts: Counts::default(),
        }
    }

    /// The next schedule, as a script; `None` when all have been run.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn next(&mut self) -> Result<Option<KVec<u8>>> {
        if !self.begun {
            self.begun = true;
            return Ok(Some(KVec::new()));
        }
        while let Some(node) = self.nodes.last_mut() {
            let mut open = node.wanted & node.enabled & !node.tried;
            while open != 0 {
                // CAST: A mask of 8 bits.
                let thread = open.trailing_zeros() as u8;
                open &= open - 1;
                node.tried |= 1 << thread;
                if node.cost_of(thread) > self.bound {
                    self.counts.cut += 1;
                    continue;
                }
                node.chosen = thread;
                return self.script().map(Some);
            }
            self.counts.spared += u64::from((node.enabled & !node.tried).count_ones());
            let _ = self.nodes.pop();
        }
        Ok(None)
    }

    fn script(&self) -> Result<KVec<u8>> {
        let mut script = KVec::new();
        for node in self.nodes.iter().filter(|n| n.enabled.count_ones() > 1) {
            script.push(node.chosen, GFP_KERNEL)?;
        }
        Ok(script)
    }

    /// Takes what the schedule of [`Self::next`] came to.
    ///
    /// # Errors
    ///
    /// ENOMEM; EIO where it was not followed, because what runs is not deterministic.
    pub(crate) fn learn(&mut self, report: &Report) -> Result {
        let trace = &report.trace;
        self.counts.schedules += 1;
        self.counts.steps += trace.len() as u64;
        for (node, step) in self.nodes.iter().zip(trace) {
            if (node.chosen, node.enabled) != (step.thread, step.enabled) {
                return Err(EIO);
            }
        }
        if trace.len() < self.nodes.len() {
            return Err(EIO);
        }
        let reduce = self.reduce && trace.len() + report.pending.len() <= MAX_REDUCED;
        for step in trace.iter().skip(self.nodes.len()) {
            let before = self.nodes.last();
            let node = Node {
                enabled: step.enabled,
                tried: 1 << step.thread,
                wanted: if reduce { 0 } else { step.enabled },
                chosen: step.thread,
                last: before.map(|node| node.chosen),
                cost: before.map_or(0, |node| node.cost_of(node.chosen)),
            };
            self.nodes.push(node, GFP_KERNEL)?;
        }
        if reduce {
            self.find_races(trace, &report.pending)?;
        }
        Ok(())
    }

    /// Notes where another thread must be tried, as its step could have come first there.
    fn find_races(&mut self, trace: &[Step], pending: &[Step]) -> Result {
        // For each step, those that had to come before it.
        let mut before: KVec<u128> = KVec::with_capacity(trace.len(), GFP_KERNEL)?;
        let all = Iterator::chain(trace.iter(), pending);
        for (at, step) in all.enumerate() {
            let earlier = || trace.iter().zip(&before).enumerate().take(at);
            let mut own = 0;
            for (i, (other, past)) in earlier() {
                if other.thread == step.thread {
                    own |= past | 1 << i;
                }
            }
            let overtaken = earlier().rev().find(|(i, (other, _))| {
                let races = other.thread != step.thread && other.depends_on(step);
                races && own & 1 << i == 0 && other.meets(step)
            });
            let mut past = own;
            for (i, (other, others)) in earlier() {
                if other.thread != step.thread && other.depends_on(step) {
                    past |= others | 1 << i;
                }
            }
            let overtaken = overtaken.map(|(i, _)| i);
            if at < trace.len() {
                before.push(past, GFP_KERNEL)?;
            }
            if let Some(i) = overtaken {
                self.want(i, step.thread);
                self.want(block_of(trace, i), step.thread);
            }
        }
        Ok(())
    }

    fn want(&mut self, at: usize, thread: u8) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.wanted |= match node.enabled & 1 << thread {
                0 => node.enabled,
                bit => bit,
            };
        }
    }
}

/// Where the thread of step `at` began to run.
fn block_of(trace: &[Step], at: usize) -> usize {
    let thread = trace.get(at).map(|step| step.thread);
    let same = trace.iter().take(at).rev();
    at - same.take_while(|step| Some(step.thread) == thread).count()
}
