// SPDX-License-Identifier: GPL-2.0

//! Times of what two threads do at once.

use crate::kapi::thread::{
    self,
    Run,
    Thread, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        Arc, //
    },
};

/// What one of two threads does.
struct Half<F> {
    /// Is given the number of the thread, and returns what it took.
    body: Arc<F>,
    number: u64,
    /// Threads that are ready.
    ready: Arc<Atomic<u32>>,
    /// What it took; 0 while it has not ended well.
    taken: Atomic<u64>,
}

impl<F: Fn(u64) -> Result<u64> + Send + Sync + 'static> Run for Half<F> {
    fn run(&self) {
        self.ready.fetch_add(1, Release);
        while self.ready.load(Acquire) < 2 {
            thread::yield_now();
        }
        let taken = (self.body)(self.number);
        self.taken.store(taken.unwrap_or(0), Release);
    }
}

/// Nanoseconds of the slower of two threads, 0 and 1, that begin at the same time.
///
/// # Errors
///
/// EIO where one fails; what keeps a thread from being made.
pub(super) fn two_threads<F>(body: F) -> Result<u64>
where
    F: Fn(u64) -> Result<u64> + Send + Sync + 'static,
{
    let body = Arc::new(body, GFP_KERNEL)?;
    let ready = Arc::new(Atomic::new(0), GFP_KERNEL)?;
    let half = |number| {
        let half = Half {
            body: body.clone(),
            number,
            ready: ready.clone(),
            taken: Atomic::new(0),
        };
        Arc::new(half, GFP_KERNEL)
    };
    let (a, b) = (half(0)?, half(1)?);
    let first = Thread::spawn(a.clone())?;
    let second = Thread::spawn(b.clone());
    if second.is_err() {
        // Or the first one waits forever.
        ready.fetch_add(1, Release);
    }
    drop(first);
    drop(second?);
    let (a, b) = (a.taken.load(Acquire), b.taken.load(Acquire));
    match a.min(b) {
        0 => Err(EIO),
        _ => Ok(a.max(b)),
    }
}
