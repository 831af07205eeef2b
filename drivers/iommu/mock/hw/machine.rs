// SPDX-License-Identifier: GPL-2.0

//! Live hardware: a model, memory with its tables of entries, caches, and a command queue.
//!
//! Of what hardware may do, it does what shows most mistakes: it remembers everything until told to
//! forget, and carries commands out no earlier than it must, when somebody waits for them. An
//! endpoint that may keep translations itself (ATS) keeps all that it uses.

mod caches;
mod inspect;
mod trace;
mod walker;

pub(crate) use self::inspect::Inspect;

use self::{
    caches::Caches,
    trace::Trace,
    walker::translate, //
};
use super::{
    memory::EntryMemory,
    model::{
        Answer,
        Call,
        Command,
        Model,
        Next,
        Requester,
        Tag,
        Words,
        DEPTH,
        WORDS, //
    },
    step::{
        Note,
        Step,
        Store, //
    },
    Access,
    Memory,
    Reach, //
};
use crate::kapi::{
    new_mutex,
    Mutex, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Release, //
        },
        Arc, //
    },
};

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Stores.
    pub(crate) stores: u64,
    /// Commands submitted.
    pub(crate) commands: u64,
    /// Waits.
    pub(crate) waits: u64,
    /// Firmware calls.
    pub(crate) calls: u64,
    /// Reads of tables that are none: an entry that was torn, or tables freed too early.
    pub(crate) wild: u64,
}

struct State {
    entries: EntryMemory,
    /// Page tables that may be walked.
    tables: KVec<Arc<dyn Memory>>,
    caches: Caches,
    queue: KVec<Command>,
    tape: Option<KVVec<Step>>,
    trace: Trace,
    counts: Counts,
}

/// One instance. Any context that may sleep.
#[pin_data]
pub(crate) struct Machine<M: Model> {
    model: M,
    #[pin]
    state: Mutex<State>,
    /// Not 0 while all translations are to be forgotten before the next access.
    overdue: Atomic<u32>,
}

/// Commands that fit in the queue.
const QUEUE: usize = 256;

impl<M: Model> Machine<M> {
    /// Makes an instance over tables of entries that `build` makes and the model is told of.
    ///
    /// # Errors
    ///
    /// Those of `build`.
    pub(crate) fn new(
        build: impl FnOnce(&mut EntryMemory) -> Result<M>,
    ) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let mut entries = EntryMemory::new();
            let model = build(&mut entries)?;
            let state = State {
                entries,
                tables: KVec::new(),
                caches: Caches::new(),
                queue: KVec::new(),
                tape: None,
                trace: Trace::new(),
                counts: Counts::default(),
            };
            Ok(try_pin_init!(Self {
                model,
                state <- new_mutex!(state, "Machine::state"),
                overdue: Atomic::new(0),
            }))
        })
    }

    /// The registers.
    pub(crate) fn model(&self) -> &M {
        &self.model
    }

    /// Adds a table of `count` words and returns its address.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn alloc(&self, count: usize, fill: u64) -> Result<u64> {
        self.state.lock().entries.alloc(count, fill)
    }

    /// Removes a table that hardware no longer looks at.
    pub(crate) fn free(&self, at: u64) {
        self.state.lock().entries.free(at);
    }

    /// Reads a word, as the driver sees it.
    ///
    /// # Errors
    ///
    /// EFAULT where there is none.
    pub(crate) fn load(&self, at: u64) -> Result<u64> {
        self.state.lock().entries.load(at).ok_or(EFAULT)
    }

    /// Writes 1, 2, 4 or 8 words in one go.
    ///
    /// # Errors
    ///
    /// EFAULT where there is no such memory, EINVAL for an unaligned address or another number.
    pub(crate) fn store(&self, at: u64, words: &[u64]) -> Result {
        self.update(at, words, &[])
    }

    /// The same, but the bits set in `keep` stay as they are.
    ///
    /// # Errors
    ///
    /// Those of [`Self::store`].
    pub(crate) fn update(&self, at: u64, words: &[u64], keep: &[u64]) -> Result {
        let count = u32::try_from(words.len())?;
        let bytes = u64::from(count) * 8;
        if !count.is_power_of_two() || words.len() > WORDS || at & (bytes - 1) != 0 {
            return Err(EINVAL);
        }
        let mut store = Store {
            at,
            count,
            words: [0; WORDS],
            keep: [0; WORDS],
        };
        for (to, from) in store.words.iter_mut().zip(words) {
            *to = *from;
        }
        for (to, from) in store.keep.iter_mut().zip(keep) {
            *to = *from;
        }
        let mut state = self.state.lock();
        store.apply(&mut state.entries)?;
        state.counts.stores += 1;
        state.write_down(Step::Store(store));
        Ok(())
    }

    /// Lets what was stored before be visible before what is stored after.
    pub(crate) fn barrier(&self) {
        self.state.lock().write_down(Step::Barrier);
    }

    /// Puts a command into the queue.
    ///
    /// # Errors
    ///
    /// EBUSY where there is no room until somebody waits, ENOMEM.
    pub(crate) fn try_submit(&self, command: Command) -> Result {
        let mut state = self.state.lock();
        if state.queue.len() >= QUEUE {
            return Err(EBUSY);
        }
        state.queue.push(command, GFP_KERNEL)?;
        state.submitted(command);
        Ok(())
    }

    /// The same; waits for room, where there is none.
    pub(crate) fn submit(&self, command: Command) {
        if self.try_submit(command).is_err() {
            let mut state = self.state.lock();
            state.drain(&self.model);
            state.caches.execute(&self.model, command);
            state.submitted(command);
        }
    }

    /// Waits until all commands are carried out.
    pub(crate) fn wait(&self) {
        let mut state = self.state.lock();
        state.drain(&self.model);
        state.counts.waits += 1;
        state.write_down(Step::Wait);
    }

    /// Forgets all translations, of all tags, before the next access: a register that is written to
    /// instead of a queue. Any context.
    pub(crate) fn forget_translations(&self) {
        self.overdue.store(1, Release);
    }

    /// Calls firmware, which answers by `refuse` where that is an answer, and else by the model.
    /// `tags` are the tags of the function, whose translations the call may make forgotten.
    pub(crate) fn call(
        &self,
        call: Call,
        refuse: Option<Answer>,
        tags: impl Fn(Tag) -> bool,
    ) -> Answer {
        let mut state = self.state.lock();
        let answer = match refuse {
            Some(answer) => answer,
            None => self.execute(&mut state, call, tags),
        };
        state.counts.calls += 1;
        state.write_down(Step::Call(call, answer));
        answer
    }

    fn execute(&self, state: &mut State, call: Call, tags: impl Fn(Tag) -> bool) -> Answer {
        let at = self.model.called(call);
        let slice = at.and_then(|at| state.entries.slice_mut(at, WORDS as u32));
        let Some(entry) = slice.and_then(|slice| <&mut Words>::try_from(slice).ok()) else {
            return Answer { cc: 3, status: 0 };
        };
        let called = self.model.call(entry, call);
        if called.forget {
            state.caches.forget(call.id, tags);
        }
        called.answer
    }

    /// Writes down what the driver's books say.
    pub(crate) fn note(&self, note: Note) {
        self.state.lock().write_down(Step::Note(note));
    }

    /// Lets hardware walk page tables in a memory.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn add_tables(&self, memory: Arc<dyn Memory>) -> Result {
        Ok(self.state.lock().tables.push(memory, GFP_KERNEL)?)
    }

    /// Page tables that `memory` is the memory of are memory for others from now on.
    pub(crate) fn remove_tables(&self, memory: &Arc<dyn Memory>) {
        let removed = {
            let mut state = self.state.lock();
            let at = state.tables.iter().position(|m| Arc::ptr_eq(m, memory));
            at.and_then(|at| state.tables.remove(at).ok())
        };
        // Its memory may go with it, which the lock need not cover.
        drop(removed);
    }

    /// Does one DMA read.
    pub(crate) fn dma(&self, from: Requester, iova: u64) -> Reach {
        self.access(from, iova, Access::Read)
    }

    /// Does one DMA access.
    pub(crate) fn access(&self, from: Requester, iova: u64, access: Access) -> Reach {
        let state = &mut *self.state.lock();
        if self.overdue.xchg(0, Full) != 0 {
            state.caches.forget_translations();
        }
        let (next, ats) = look_up(&self.model, state, from, true);
        let kept = || state.caches.kept(from, iova, access);
        if let Some(to) = ats.then(kept).flatten() {
            return Reach::Memory(to);
        }
        let reach = match next {
            Next::Translate(by) => translate(&self.model, state, &by, iova, access),
            Next::Bypass => Reach::Memory(iova),
            Next::Abort(_) | Next::Fetch(_) => Reach::Aborted,
        };
        if let (true, Reach::Memory(to)) = (ats, reach) {
            state.caches.keep(from, iova, to, access == Access::Write);
        }
        reach
    }

    /// How an access would be translated by the entries as they are in memory, whatever caches
    /// hold. Never [`Next::Fetch`].
    pub(crate) fn look_up(&self, from: Requester) -> Next {
        look_up(&self.model, &mut self.state.lock(), from, false).0
    }

    /// Writes steps down from now on.
    pub(crate) fn start_tape(&self) {
        self.state.lock().tape = Some(KVVec::new());
    }

    /// The steps that were written down, and writes no more of them down.
    pub(crate) fn take_tape(&self) -> KVVec<Step> {
        self.state.lock().tape.take().unwrap_or(KVVec::new())
    }

    /// A copy of the tables of entries.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn entries(&self) -> Result<EntryMemory> {
        self.state.lock().entries.copy()
    }
}

impl Store {
    /// Writes the words.
    ///
    /// # Errors
    ///
    /// EFAULT where there is no such memory.
    pub(crate) fn apply(&self, memory: &mut EntryMemory) -> Result {
        let slice = memory.slice_mut(self.at, self.count).ok_or(EFAULT)?;
        for ((to, word), keep) in slice.iter_mut().zip(self.words).zip(self.keep) {
            *to = (word & !keep) | (*to & keep);
        }
        Ok(())
    }
}

impl State {
    fn write_down(&mut self, step: Step) {
        self.trace.add(step);
        if let Some(tape) = &mut self.tape {
            // Without memory the tape is useless, and must not pass for whole.
            if tape.push(step, GFP_KERNEL).is_err() {
                self.tape = None;
            }
        }
    }

    fn submitted(&mut self, command: Command) {
        self.counts.commands += 1;
        self.write_down(Step::Submit(command));
    }

    fn drain(&mut self, model: &dyn Model) {
        for command in &self.queue {
            self.caches.execute(model, *command);
        }
        self.queue.clear();
    }
}

/// How a lookup ends, and whether the requester may have translations of its own.
fn look_up(model: &dyn Model, state: &mut State, from: Requester, live: bool) -> (Next, bool) {
    let mut read = [Words::default(); DEPTH];
    for depth in 0..=DEPTH {
        let so_far = read.get(..depth).unwrap_or(&[]);
        let fetch = match model.next(from, so_far) {
            Next::Fetch(fetch) => fetch,
            end => return (end, model.ats(from, so_far)),
        };
        let cached = match live {
            true => state.caches.entry(from, &fetch),
            false => None,
        };
        let words = match cached.or_else(|| state.entries.entry(&fetch)) {
            Some(words) => words,
            None => {
                state.counts.wild += 1;
                return (Next::Abort("no such table"), false);
            }
        };
        if live && cached.is_none() && fetch.cached && model.keeps(&fetch, &words) {
            state.caches.add_entry(from, fetch, words);
        }
        match read.get_mut(depth) {
            Some(slot) => *slot = words,
            None => return (Next::Abort("too deep"), false),
        }
    }
    (Next::Abort("too deep"), false)
}
