// SPDX-License-Identifier: GPL-2.0

//! Kernel threads of which one runs at a time, and a test says which.
//!
//! A registered thread stops at points: before it takes one of the locks under test, and before a
//! driver is called. There it is decided who goes on. Locks are also kept in books, so that a
//! thread that would wait for one is not chosen, and a deadlock is seen before it happens. All
//! other threads, and all other locks, pass at the cost of one comparison or two, or are delayed if
//! that was asked for ([`Stirred`]).

mod books;
mod stir;

pub(crate) use self::stir::Stirred;

pub(crate) use self::books::{
    End,
    Point,
    Report,
    Step,
    MAX_THREADS, //
};

use self::{
    books::Books,
    stir::stir, //
};
use super::thread::{
    Run,
    Thread, //
};
use core::sync::atomic::{
    AtomicU64,
    AtomicUsize,
    Ordering::Relaxed, //
};
use core::{
    mem,
    ptr, //
};
use kernel::{
    prelude::*,
    sync::{
        self,
        Arc,
        CondVar, //
    },
    task::Task,
};

/// How a run is to go.
pub(crate) struct Plan {
    /// How many threads.
    pub(crate) threads: usize,
    /// Whom to choose where there is a choice; later on whoever ran last, or the first.
    pub(crate) script: KVec<u8>,
    /// Threads change only between operations.
    pub(crate) whole: bool,
    /// Names of the locks under test.
    pub(crate) locks: &'static [&'static CStr],
}

/// What the threads do.
pub(crate) trait Act: Send + Sync + 'static {
    /// Runs in thread `number`, once.
    fn act(&self, number: usize);
}

// The atomics of `core`, as each access by those of the `kernel` crate calls a C function, and
// locks that no schedule is about are measured.

/// Registered threads by number: their tasks.
static TASKS: [AtomicUsize; MAX_THREADS] = [const { AtomicUsize::new(0) }; MAX_THREADS];
/// How many there are.
static REGISTERED: AtomicUsize = AtomicUsize::new(0);
/// The scheduler that they are registered with.
static SCHEDULER: AtomicUsize = AtomicUsize::new(0);
/// Locks taken so far; may miss some where threads take them at once.
static POINTS: AtomicU64 = AtomicU64::new(0);

/// One run.
#[pin_data]
struct Scheduler {
    #[pin]
    books: sync::Mutex<Books>,
    #[pin]
    turn: CondVar,
}

/// Runs `work` in threads by `plan`, and returns once they have ended, which those in a deadlock of
/// real locks do not: they and what they use stay for good. One run at a time.
///
/// # Errors
///
/// ENOMEM, or what keeps a thread from being made.
pub(crate) fn run<T: Act>(plan: Plan, work: Arc<T>) -> Result<Report> {
    let threads = plan.threads;
    let books = Books::new(plan)?;
    let scheduler = Arc::pin_init(
        pin_init!(Scheduler {
            books <- sync::new_mutex!(books, "Scheduler::books"),
            turn <- sync::new_condvar!("Scheduler::turn"),
        }),
        GFP_KERNEL,
    )?;
    let mut workers = KVec::with_capacity(threads, GFP_KERNEL)?;
    for number in 0..threads {
        let worker = Worker {
            scheduler: scheduler.clone(),
            work: work.clone(),
            number,
        };
        let thread = Arc::new(worker, GFP_KERNEL)
            .map_err(Error::from)
            .and_then(Thread::spawn);
        match thread {
            Ok(thread) => {
                let _ = workers.push_within_capacity(thread);
            }
            Err(error) => {
                scheduler.books.lock().end = Some(End::Aborted);
                scheduler.turn.notify_all();
                return Err(error);
            }
        }
    }
    let (report, stuck) = {
        let mut books = scheduler.books.lock();
        while !books.is_over() {
            scheduler.turn.wait(&mut books);
        }
        (books.report(), books.stuck())
    };
    for (number, worker) in workers.into_iter().enumerate() {
        if stuck & 1 << number != 0 {
            mem::forget(worker);
        }
    }
    Ok(report)
}

struct Worker<T> {
    scheduler: Arc<Scheduler>,
    work: Arc<T>,
    number: usize,
}

impl<T: Act> Run for Worker<T> {
    fn run(&self) {
        let Some(task) = TASKS.get(self.number) else {
            return;
        };
        SCHEDULER.store(ptr::from_ref(&*self.scheduler).expose_provenance(), Relaxed);
        task.store(Task::current_raw().addr(), Relaxed);
        REGISTERED.fetch_add(1, Relaxed);
        self.work.act(self.number);
        REGISTERED.fetch_sub(1, Relaxed);
        task.store(0, Relaxed);
        let mut books = self.scheduler.books.lock();
        books.finish(self.number);
        drop(books);
        self.scheduler.turn.notify_all();
    }
}

/// The scheduler and the number of this thread, if it is registered.
#[inline]
fn registered() -> Option<(&'static Scheduler, usize)> {
    // A thread that is sees at least itself.
    match REGISTERED.load(Relaxed) {
        0 => None,
        _ => find_registered(),
    }
}

fn find_registered() -> Option<(&'static Scheduler, usize)> {
    let task = Task::current_raw().addr();
    // Only a thread itself writes its own address, so that it needs no barrier to see it.
    let number = TASKS.iter().position(|t| t.load(Relaxed) == task)?;
    let scheduler = ptr::with_exposed_provenance::<Scheduler>(SCHEDULER.load(Relaxed));
    // SAFETY: This thread is registered, so it is a worker in `act()`, and wrote the pointer to its
    // own scheduler, as all workers of this run did. A worker holds a count of it, and the
    // reference does not leave `act()`.
    Some((unsafe { &*scheduler }, number))
}

impl Scheduler {
    /// Stops thread `number` at `point` until it is chosen. Returns whether it may go on as if it
    /// had taken a lock.
    fn reach(&self, number: usize, point: Point) -> bool {
        let mut books = self.books.lock();
        books.arrive(number, point);
        if !books.may_run(number) {
            self.turn.notify_all();
        }
        while !books.may_run(number) {
            self.turn.wait(&mut books);
        }
        books.end != Some(End::Deadlock)
    }
}

/// An operation begins.
pub(crate) fn begin(name: &'static str) {
    if let Some((scheduler, number)) = registered() {
        scheduler.reach(number, Point::Begin(name));
    }
}

/// A driver is about to be called for a device.
pub(crate) fn call(name: &'static str, device: u32) {
    match registered() {
        Some((scheduler, number)) => drop(scheduler.reach(number, Point::Call(name, device))),
        None => stir(),
    }
}

/// Something is about to be done that may have to do with everything.
pub(crate) fn other(name: &'static str) {
    if let Some((scheduler, number)) = registered() {
        scheduler.reach(number, Point::Other(name));
    }
}

/// A lock is about to be taken.
pub(super) fn locking(name: &'static CStr, lock: usize) {
    POINTS.store(POINTS.load(Relaxed).wrapping_add(1), Relaxed);
    let Some((scheduler, number)) = registered() else {
        stir();
        return;
    };
    if scheduler.books.lock().is_tested(name) {
        scheduler.reach(number, Point::Lock(name, lock));
    }
}

/// A lock is about to be given back.
pub(super) fn unlocking(lock: usize) {
    match registered() {
        Some((scheduler, number)) => scheduler.books.lock().unlock(number, lock),
        None => stir(),
    }
}

/// Counts a WARN of this thread and says so, if it is registered.
pub(super) fn warned() -> bool {
    let Some((scheduler, _)) = registered() else {
        return false;
    };
    scheduler.books.lock().count_warn();
    true
}

/// Locks that all threads together have taken so far.
pub(crate) fn points() -> u64 {
    POINTS.load(Relaxed)
}

/// A lock for toys: it exists in the books only, and a deadlock on it ends.
pub(crate) struct ToyLock(&'static CStr);

/// Gives a [`ToyLock`] back when dropped.
pub(crate) struct ToyGuard<'a>(&'a ToyLock);

impl ToyLock {
    /// Makes one.
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self(name)
    }

    /// Takes it in a registered thread; `None` in a deadlock.
    pub(crate) fn lock(&self) -> Option<ToyGuard<'_>> {
        let (scheduler, number) = registered()?;
        let point = Point::Toy(self.0, ptr::from_ref(self).addr());
        scheduler.reach(number, point).then_some(ToyGuard(self))
    }
}

impl Drop for ToyGuard<'_> {
    fn drop(&mut self) {
        unlocking(ptr::from_ref(self.0).addr());
    }
}
