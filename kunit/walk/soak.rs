// SPDX-License-Identifier: GPL-2.0

//! Two threads that walk at random over one group at once: `cat` the debugfs file `soak`.
//!
//! A read soaks for some seconds and says in one line of JSON what happened. Threads know of a
//! group what they saw a moment ago, so much of what they ask for is refused or misuse. Whenever
//! both are done, the oracle compares belief and truth, no driver may have failed unasked, and in
//! the end nobody may refer to anything. The seed repeats what is asked for, not who comes first.

mod arena;

use self::arena::{
    Arena,
    Counts, //
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

/// Operations of each thread on an arena.
const OPERATIONS: u32 = 400;

/// Threads.
const THREADS: u64 = 2;

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
        let start = Instant::<Monotonic>::now();
        let mut counts = Counts::default();
        let muted = Muted::start();
        let warned = muted.count();
        let mut random = Random::new(seed);
        let mut arenas = 0u32;
        let mut failed = false;
        while !failed && start.elapsed().as_millis() < BURST {
            let protocol = arenas.checked_rem(protocols()).unwrap_or(0);
            failed = soak(&mut random, protocol as usize, &mut counts).is_err();
            arenas += 1;
        }
        Protocols::select(0);
        let ms = start.elapsed().as_millis();
        let warned = muted.count() - warned;
        f.write_fmt(fmt!(
            "{{\"seed\":{seed},\"ms\":{ms},\"arenas\":{arenas},\"families\":{},{counts},\
             \"warned\":{warned},\"failed\":{failed}}}\n",
            protocols()
        ))
    }
}

/// Families, each in each of its ways.
fn protocols() -> u32 {
    Protocols::NAMES.len() as u32
}

/// One of the threads.
struct Worker {
    arena: Arc<Arena>,
    seed: u64,
    number: usize,
}

impl Run for Worker {
    fn run(&self) {
        self.arena.walk(self.number, self.seed, OPERATIONS);
    }
}

/// One group from its beginning to its end.
fn soak(random: &mut Random, protocol: usize, counts: &mut Counts) -> Outcome {
    Protocols::select(protocol);
    let members = 1 + random.below(MAX_MEMBERS);
    let arena = Arena::new(members)?;
    let mut threads = KVec::new();
    for number in 0..THREADS as usize {
        let worker = Worker {
            arena: arena.clone(),
            seed: random.next(),
            number,
        };
        threads.push(Thread::spawn(Arc::new(worker, GFP_KERNEL)?)?, GFP_KERNEL)?;
    }
    // Waits for their end.
    drop(threads);
    counts.add(&arena.counts());
    arena.check()?;
    Arena::end(arena)
}
