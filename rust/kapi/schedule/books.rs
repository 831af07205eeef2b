// SPDX-License-Identifier: GPL-2.0

//! Who waits where, who has which lock, and who goes on.

use super::Plan;
use core::mem;
use kernel::{
    fmt,
    prelude::*, //
};

/// Threads of a run.
pub(crate) const MAX_THREADS: usize = 3;
/// Locks under test that a thread has at once.
const MAX_HELD: usize = 3;
/// Steps after which a run is given up.
const MAX_STEPS: usize = 1000;

/// Where a thread stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// An operation begins.
    Begin(&'static str),
    /// A lock is taken: its name and address.
    Lock(&'static CStr, usize),
    /// A lock that exists in the books only.
    Toy(&'static CStr, usize),
    /// A driver is called for a device.
    Call(&'static str, u32),
    /// Anything else.
    Other(&'static str),
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Point::Begin(name) => write!(f, "{name} begins"),
            Point::Lock(name, _) | Point::Toy(name, _) => {
                write!(f, "lock {}", name.to_str().unwrap_or("?"))
            }
            Point::Call(name, device) => write!(f, "{name} device {device}"),
            Point::Other(name) => write!(f, "{name}"),
        }
    }
}

impl Point {
    fn lock(&self) -> Option<usize> {
        match self {
            Point::Lock(_, lock) | Point::Toy(_, lock) => Some(*lock),
            Point::Begin(_) | Point::Call(..) | Point::Other(_) => None,
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All threads came to their end.
    Done,
    /// No thread could go on.
    Deadlock,
    /// The script named a thread that could not go on.
    Diverged,
    /// It became too long, or memory ran out.
    Aborted,
}

/// What a thread did, from one point to its next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Which thread.
    pub(crate) thread: u8,
    /// Its operation.
    pub(crate) operation: &'static str,
    /// Which ones could have gone on, one bit each.
    pub(crate) enabled: u8,
    /// Where it had stopped.
    pub(crate) point: Point,
    held: [usize; MAX_HELD],
}

impl Step {
    /// Whether the order of two steps of different threads can matter.
    pub(crate) fn depends_on(&self, other: &Self) -> bool {
        match (self.point, other.point) {
            (Point::Other(_), _) | (_, Point::Other(_)) => return true,
            (Point::Call(_, a), Point::Call(_, b)) if a == b => return true,
            (Point::Begin(_), _) | (_, Point::Begin(_)) => return false,
            _ => (),
        }
        self.locks().any(|lock| other.locks().any(|l| l == lock))
    }

    /// Whether a state can be in which either could come next.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let apart = |a: &Self, b: &Self| a.held().any(|lock| b.locks().any(|l| l == lock));
        !apart(self, other) && !apart(other, self)
    }

    /// Whether the thread had no lock under test.
    pub(crate) fn is_unlocked(&self) -> bool {
        self.held().next().is_none()
    }

    fn held(&self) -> impl Iterator<Item = usize> + '_ {
        self.held.iter().copied().filter(|lock| *lock != 0)
    }

    fn locks(&self) -> impl Iterator<Item = usize> + '_ {
        Iterator::chain(self.held(), self.point.lock())
    }
}

/// What came of a run.
pub(crate) struct Report {
    /// How it ended.
    pub(crate) end: End,
    /// Everything that was done.
    pub(crate) trace: KVec<Step>,
    /// In a deadlock, what was next.
    pub(crate) pending: KVec<Step>,
    /// WARNs of the threads.
    pub(crate) warned: u32,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    operation: &'static str,
    arrived: bool,
    done: bool,
    pending: Option<Point>,
    held: [usize; MAX_HELD],
}

/// See the module.
pub(super) struct Books {
    plan: Plan,
    threads: [Slot; MAX_THREADS],
    running: Option<usize>,
    last: Option<usize>,
    /// Choices made.
    choices: usize,
    trace: KVec<Step>,
    warned: u32,
    pub(super) end: Option<End>,
}

impl Books {
    pub(super) fn new(plan: Plan) -> Result<Self> {
        if plan.threads > MAX_THREADS {
            return Err(EINVAL);
        }
        Ok(Self {
            plan,
            threads: [Slot::default(); MAX_THREADS],
            running: None,
            last: None,
            choices: 0,
            trace: KVec::new(),
            warned: 0,
            end: None,
        })
    }

    fn slots(&self) -> impl Iterator<Item = (usize, &Slot)> {
        self.threads.iter().take(self.plan.threads).enumerate()
    }

    pub(super) fn is_tested(&self, name: &CStr) -> bool {
        self.plan.locks.contains(&name)
    }

    pub(super) fn count_warn(&mut self) {
        self.warned += 1;
    }

    /// Thread `number` has come to `point`; chooses who goes on.
    pub(super) fn arrive(&mut self, number: usize, point: Point) {
        if self.end.is_some_and(|end| end != End::Deadlock) {
            return;
        }
        if let Some(slot) = self.threads.get_mut(number) {
            slot.arrived = true;
            slot.pending = Some(point);
            if let Point::Begin(name) = point {
                slot.operation = name;
            }
        }
        self.choose();
    }

    pub(super) fn finish(&mut self, number: usize) {
        if let Some(slot) = self.threads.get_mut(number) {
            slot.arrived = true;
            slot.done = true;
            slot.pending = None;
        }
        self.choose();
    }

    pub(super) fn unlock(&mut self, number: usize, lock: usize) {
        let slot = self.threads.get_mut(number);
        let held = slot.and_then(|slot| slot.held.iter_mut().find(|held| **held == lock));
        if let Some(held) = held {
            *held = 0;
        }
    }

    /// Whether thread `number` need not wait (any longer).
    pub(super) fn may_run(&self, number: usize) -> bool {
        let pending = self.threads.get(number).and_then(|slot| slot.pending);
        match (self.end, pending) {
            (Some(End::Deadlock), Some(Point::Lock(..))) => false,
            (Some(_), _) => true,
            (None, _) => self.running == Some(number),
        }
    }

    /// Threads in a deadlock of real locks, which will never end.
    pub(super) fn stuck(&self) -> u8 {
        let stuck = |slot: &Slot| matches!(slot.pending, Some(Point::Lock(..)));
        match self.end {
            Some(End::Deadlock) => self.mask(stuck),
            _ => 0,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        let stuck = self.stuck();
        self.end.is_some()
            && self
                .slots()
                .all(|(n, slot)| slot.done || stuck & 1 << n != 0)
    }

    pub(super) fn report(&mut self) -> Report {
        let mut pending = KVec::new();
        for (number, slot) in self.slots() {
            if let Some(point) = slot.pending {
                let step = Step {
                    // CAST: Below `MAX_THREADS`.
                    thread: number as u8,
                    operation: slot.operation,
                    enabled: 0,
                    point,
                    held: slot.held,
                };
                // What is missing there is missing in a message only.
                let _ = pending.push(step, GFP_KERNEL);
            }
        }
        Report {
            end: self.end.unwrap_or(End::Aborted),
            trace: mem::take(&mut self.trace),
            pending,
            warned: self.warned,
        }
    }

    fn mask(&self, which: impl Fn(&Slot) -> bool) -> u8 {
        self.slots()
            .filter(|(_, slot)| which(slot))
            .fold(0, |mask, (number, _)| mask | 1 << number)
    }

    fn is_free(&self, lock: usize) -> bool {
        self.slots().all(|(_, slot)| !slot.held.contains(&lock))
    }

    fn choose(&mut self) {
        if self.end.is_some() || self.slots().any(|(_, slot)| !slot.arrived) {
            return;
        }
        self.running = None;
        let begins = |slot: &Slot| matches!(slot.pending, Some(Point::Begin(_)));
        let beginning = self.mask(begins);
        let enabled = self.mask(|slot| {
            let lock = slot.pending.as_ref().map(Point::lock);
            lock.is_some_and(|lock| lock.is_none_or(|lock| self.is_free(lock)))
        });
        if !self.plan.whole {
            // Nothing happens before the first point.
            if beginning != 0 {
                return self.release(first(beginning));
            }
        } else if let Some(last) = self.last {
            if enabled & !beginning & 1 << last != 0 {
                return self.release(last);
            }
        }
        if enabled == 0 {
            let done = self.slots().all(|(_, slot)| slot.done);
            self.end = Some(if done { End::Done } else { End::Deadlock });
            return;
        }
        let mut chosen = match self.last {
            Some(last) if enabled & 1 << last != 0 => last,
            Some(_) | None => first(enabled),
        };
        if enabled.count_ones() > 1 {
            if let Some(scripted) = self.plan.script.get(self.choices) {
                chosen = usize::from(*scripted);
            }
            self.choices += 1;
        }
        let slot = self.threads.get(chosen).copied().unwrap_or_default();
        let able = chosen < MAX_THREADS && enabled & 1 << chosen != 0;
        let Some(point) = slot.pending.filter(|_| able) else {
            self.end = Some(End::Diverged);
            return;
        };
        let step = Step {
            // CAST: Below `MAX_THREADS`.
            thread: chosen as u8,
            operation: slot.operation,
            enabled,
            point,
            held: slot.held,
        };
        if self.trace.len() >= MAX_STEPS || self.trace.push(step, GFP_KERNEL).is_err() {
            self.end = Some(End::Aborted);
            return;
        }
        self.release(chosen);
    }

    /// Lets a thread go on, with the lock that it waits for.
    fn release(&mut self, number: usize) {
        let Some(slot) = self.threads.get_mut(number) else {
            return;
        };
        let lock = slot.pending.take().and_then(|point| point.lock());
        if let Some(lock) = lock {
            match slot.held.iter_mut().find(|held| **held == 0) {
                Some(held) => *held = lock,
                None => self.end = Some(End::Aborted),
            }
        }
        self.running = Some(number);
        self.last = Some(number);
    }
}

fn first(mask: u8) -> usize {
    mask.trailing_zeros() as usize
}
