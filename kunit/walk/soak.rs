// SPDX-License-Identifier: GPL-2.0

//! Two threads that walk at random over one group at once: `cat` the debugfs file `soak`.
//!
//! A read soaks for some seconds and says in one line of JSON what happened. In half of the groups
//! the threads do what they like: they know what they saw a moment ago, so much is refused or is
//! misuse. In the others they obey the rules. Delays at every lock and before every call of a
//! driver see to it that each comes between the steps of the other ([`Stirred`]). Whoever takes the
//! group's mutex finds belief and truth alike; whenever both are done, no driver may have failed
//! unasked, and in the end nobody may refer to anything. The seed repeats what is asked for, not
//! who comes first. A read of `soak_seeded` shows that it can fail ([`seeded`]).

mod actor;
mod arena;
pub(crate) mod seeded;
mod session;

use self::{
    arena::{
        Arena,
        Counts,
        Manner, //
    },
    session::THREADS, //
};
use super::MAX_MEMBERS;
use crate::{
    families::Protocols,
    kapi::{
        kunit::{
            Outcome,
            Variants, //
        },
        new_mutex,
        schedule::Stirred,
        thread::{
            Run,
            Thread, //
        },
        warn::Muted,
        Mutex, //
    },
    random::Random,
    seed,
};
use kernel::{
    fmt,
    prelude::*,
    sync::Arc,
    time::{
        Instant,
        Monotonic, //
    }, //
};

/// Milliseconds of a read.
const BURST: i64 = 5000;

/// How often the threads of a group meet, and what they do at most in between.
const MEETINGS: u32 = 24;
const OPERATIONS: u32 = 30;

/// What the file remembers: bursts so far.
#[pin_data]
pub(crate) struct Soak {
    #[pin]
    bursts: Mutex<u64>,
}

impl Soak {
    /// Makes the file's data.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self { bursts <- new_mutex!(0, "Soak::bursts") })
    }

    /// Soaks, and writes what came of it.
    pub(crate) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bursts = self.bursts.lock();
        let seed = seed().wrapping_add(*bursts);
        *bursts += 1;
        let Burst {
            ms,
            groups,
            counts,
            warned,
            failed,
        } = burst(seed, BURST, THREADS, |_| true);
        f.write_fmt(fmt!(
            "{{\"seed\":{seed},\"ms\":{ms},\"groups\":{groups},\"families\":{},{counts},\
             \"warned\":{warned},\"failed\":{failed}}}\n",
            protocols()
        ))
    }
}

/// What a burst came to.
struct Burst {
    ms: i64,
    groups: u32,
    counts: Counts,
    /// WARNs.
    warned: u64,
    failed: bool,
}

/// Soaks for so many milliseconds, or until a check fails, in the manners that are wanted.
fn burst(seed: u64, limit: i64, threads: u32, wanted: fn(Manner) -> bool) -> Burst {
    let start = Instant::<Monotonic>::now();
    let muted = Muted::start();
    let before = muted.count();
    let _stirred = Stirred::start(seed);
    let mut random = Random::new(seed);
    let mut burst = Burst {
        ms: 0,
        groups: 0,
        counts: Counts::default(),
        warned: 0,
        failed: false,
    };
    let mut turn = 0u32;
    while !burst.failed && burst.ms < limit {
        let manner = Manner {
            obedient: turn & 1 != 0,
            old: turn & 2 != 0,
        };
        let protocol = (turn >> 2).checked_rem(protocols()).unwrap_or(0);
        turn += 1;
        if wanted(manner) {
            Protocols::select(protocol as usize);
            burst.failed = soak(&mut random, manner, threads, &mut burst.counts).is_err();
            burst.groups += 1;
        }
        burst.ms = start.elapsed().as_millis();
    }
    Protocols::select(0);
    burst.warned = muted.count() - before;
    burst
}

/// Families, each in each of its ways.
fn protocols() -> u32 {
    Protocols::NAMES.len() as u32
}

/// One of the threads, until they meet.
struct Worker {
    arena: Arc<Arena>,
    number: u32,
    seed: u64,
    operations: u32,
}

impl Run for Worker {
    fn run(&self) {
        self.arena.walk(self.number, self.seed, self.operations);
    }
}

/// One group from its beginning to its end.
fn soak(random: &mut Random, manner: Manner, threads: u32, counts: &mut Counts) -> Outcome {
    let members = 1 + random.below(MAX_MEMBERS);
    let arena = Arena::new(members, manner)?;
    let mut met = Ok(());
    for _ in 0..MEETINGS {
        met = until_they_meet(random, &arena, threads);
        if met.is_err() {
            break;
        }
    }
    counts.add(&arena.counts());
    let ended = Arena::end(arena);
    met.and(ended)
}

fn until_they_meet(random: &mut Random, arena: &Arc<Arena>, threads: u32) -> Outcome {
    let operations = 1 + random.below(OPERATIONS);
    let mut running = KVec::new();
    for number in 0..threads {
        let worker = Worker {
            arena: arena.clone(),
            number,
            seed: random.next(),
            operations,
        };
        running.push(Thread::spawn(Arc::new(worker, GFP_KERNEL)?)?, GFP_KERNEL)?;
    }
    // Waits for their end.
    drop(running);
    arena.check()
}
