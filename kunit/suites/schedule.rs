// SPDX-License-Identifier: GPL-2.0

//! The explorer itself: it finds what is known to be there, and nothing else.

use crate::{
    kapi::{
        kunit::{
            check,
            check_eq,
            kunit_suite,
            skip,
            Outcome,
            WarnCounter, //
        },
        schedule::{
            self,
            Act,
            End,
            Plan,
            ToyLock, //
        },
    },
    replayed,
    schedule::{
        explore::{
            Explorer,
            UNBOUNDED, //
        },
        scene::Scene,
        search,
        timeline, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

kunit_suite! {
    iommu_mock_schedule:
    lost_update_is_found_with_one_preemption;
    locked_update_is_never_lost;
    deadlock_is_found_and_ends;
    ordered_locks_do_not_deadlock;
    reduction_loses_no_end;
    schedule_is_replayed;
}

/// Two or three threads that count, properly or not.
struct Counter {
    value: Atomic<u32>,
    lock: ToyLock,
    other: ToyLock,
    what: What,
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    /// Read, then write.
    Race,
    /// The same with a lock.
    Locked,
    /// Two locks, each thread in its own order.
    Crossed,
    /// Two locks in the same order.
    Ordered,
}

impl Counter {
    fn count(&self) {
        schedule::other("read");
        let value = self.value.load(Relaxed);
        schedule::other("write");
        self.value.store(value + 1, Relaxed);
    }

    fn count_locked(&self, first: &ToyLock, second: Option<&ToyLock>) -> Option<()> {
        let _first = first.lock()?;
        let _second = match second {
            Some(second) => Some(second.lock()?),
            None => None,
        };
        self.count();
        Some(())
    }
}

impl Act for Counter {
    fn act(&self, number: usize) {
        schedule::begin("count");
        let (lock, other) = (&self.lock, &self.other);
        // A deadlock shows in the report.
        let _ = match (self.what, number) {
            (What::Race, _) => {
                self.count();
                Some(())
            }
            (What::Locked, _) => self.count_locked(lock, None),
            (What::Crossed, 0) | (What::Ordered, _) => self.count_locked(lock, Some(other)),
            (What::Crossed, _) => self.count_locked(other, Some(lock)),
        };
    }
}

/// What came of all schedules: how many there were, how many lost an update, how many deadlocked.
#[derive(Default)]
struct Seen {
    schedules: u64,
    lost: u64,
    deadlocks: u64,
    /// The first that went wrong.
    script: KVec<u8>,
    /// Ends, one bit each.
    values: u32,
}

fn explore(what: What, threads: u32, bound: u32, reduce: bool) -> Result<Seen> {
    let mut explorer = Explorer::new(bound, reduce);
    let mut seen = Seen::default();
    while let Some(script) = explorer.next()? {
        let counter = Counter {
            value: Atomic::new(0),
            lock: ToyLock::new(c"toy"),
            other: ToyLock::new(c"other toy"),
            what,
        };
        let counter = Arc::new(counter, GFP_KERNEL)?;
        let plan = Plan {
            threads: threads as usize,
            script,
            whole: false,
            locks: &[],
        };
        let report = schedule::run(plan, counter.clone())?;
        explorer.learn(&report)?;
        let value = counter.value.load(Relaxed);
        let deadlock = report.end == End::Deadlock;
        seen.deadlocks += u64::from(deadlock);
        seen.values |= 1 << if deadlock { 31 } else { value };
        let lost = !deadlock && value != threads;
        if (lost || deadlock) && seen.lost + seen.deadlocks < 2 {
            seen.script = timeline::unpack(timeline::pack(&report).ok_or(EINVAL)?)?;
        }
        seen.lost += u64::from(lost);
    }
    seen.schedules = explorer.counts.schedules;
    Ok(seen)
}

fn lost_update_is_found_with_one_preemption() -> Outcome {
    check_eq!(explore(What::Race, 2, 0, true)?.lost, 0);
    let seen = explore(What::Race, 2, 1, true)?;
    check!(seen.lost != 0, "not found in {} schedules", seen.schedules);
    Ok(())
}

fn locked_update_is_never_lost() -> Outcome {
    for threads in [2, 3] {
        let seen = explore(What::Locked, threads, UNBOUNDED, true)?;
        check_eq!((seen.lost, seen.deadlocks), (0, 0));
        check!(seen.schedules >= u64::from(threads));
    }
    Ok(())
}

fn deadlock_is_found_and_ends() -> Outcome {
    check_eq!(explore(What::Crossed, 2, 0, true)?.deadlocks, 0);
    check!(explore(What::Crossed, 2, 1, true)?.deadlocks != 0);
    Ok(())
}

fn ordered_locks_do_not_deadlock() -> Outcome {
    check_eq!(explore(What::Ordered, 3, UNBOUNDED, true)?.deadlocks, 0);
    Ok(())
}

fn reduction_loses_no_end() -> Outcome {
    for what in [What::Race, What::Locked, What::Crossed, What::Ordered] {
        for (threads, bound) in [(2, 1), (2, 2), (2, UNBOUNDED), (3, 1), (3, 2)] {
            let all = explore(what, threads, bound, false)?;
            let few = explore(what, threads, bound, true)?;
            check_eq!(few.values, all.values);
            check!(few.schedules <= all.schedules);
        }
    }
    Ok(())
}

fn schedule_is_replayed() -> Outcome {
    let (number, choices) = replayed();
    if number == 0 {
        skip(c"no schedule= and choices= are given");
        return Ok(());
    }
    let _quiet = WarnCounter::start()?;
    let scene = Scene::of(number).ok_or(EINVAL)?;
    search::replay(&scene, timeline::unpack(choices)?)
}
