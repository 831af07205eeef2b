// SPDX-License-Identifier: GPL-2.0

//! Issuing instructions, and what the environment may make of them.
//!
//! Source: [`arch/s390/pci/pci_insn.c`](srctree/arch/s390/pci/pci_insn.c).

use super::{
    super::hw::{
        machine::Machine,
        model::{
            Answer,
            Call,
            Model,
            Next,
            Requester,
            Stage,
            Words, //
        },
        s390::{
            self,
            fib::State,
            instruction::{
                cc,
                op,
                status,
                Rpcit, //
            },
            shadow::{
                Price,
                Shadow, //
            },
            Zpci, //
        },
        Access,
        Memory,
        Reach, //
    },
    plan::{
        Plan,
        Rule, //
    },
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
            Relaxed, //
        },
        Arc, //
    },
};

/// How often an instruction is issued that firmware has no time for. Linux never gives up.
const TRIES: u32 = 100;

/// See the module.
#[pin_data]
pub(crate) struct Pci {
    machine: Arc<Machine<Zpci>>,
    /// Functions of the instance.
    functions: u32,
    /// See [`Self::keeps_first_error`].
    keeps_first_error: bool,
    #[pin]
    plan: Plan,
    /// The shadow of the hypervisor, where there is one.
    #[pin]
    shadow: Mutex<Option<Shadow>>,
    /// An aborted access puts the function into error state.
    abort_is_error: Atomic<bool>,
    /// Milliseconds waited for firmware, none of which were really spent.
    waited: Atomic<u64>,
    #[pin]
    end: Mutex<Option<End>>,
}

/// What becomes of a function while somebody waits for firmware.
struct End {
    handle: u32,
    state: State,
    /// When [`Pci::waited`] is that.
    at: u64,
}

impl Pci {
    /// Makes what instructions to an instance go through.
    pub(super) fn new(
        machine: Arc<Machine<Zpci>>,
        functions: u32,
        keeps_first_error: bool,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            machine,
            functions,
            keeps_first_error,
            plan <- Plan::new(),
            shadow <- new_mutex!(None, "s390::Pci::shadow"),
            abort_is_error: Atomic::new(false),
            waited: Atomic::new(0),
            end <- new_mutex!(None, "s390::Pci::end"),
        })
    }

    /// Lets firmware answer by `rule`.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn answer_by(&self, rule: Rule) -> Result {
        self.plan.add(rule)
    }

    /// Lets firmware answer as its model does, from now on.
    pub(crate) fn answer_by_model(&self) {
        self.plan.clear();
    }

    /// Runs under a hypervisor that shadows page tables, has `budget` mappings and takes its time.
    /// To be called before anything is mapped.
    pub(crate) fn shadow(&self, budget: usize, price: Price) {
        *self.shadow.lock() = Some(Shadow::new(budget, price));
    }

    /// Nanoseconds spent in the hypervisor so far, none of which were really spent.
    pub(crate) fn spent(&self) -> u64 {
        self.shadow.lock().as_ref().map_or(0, Shadow::spent)
    }

    /// Pages in the shadow.
    pub(crate) fn shadowed(&self) -> usize {
        self.shadow.lock().as_ref().map_or(0, Shadow::len)
    }

    /// Whether the hypervisor has to be told of new mappings (`tlb_refresh` of the function group).
    pub(super) fn needs_refresh(&self) -> bool {
        self.shadow.lock().is_some()
    }

    /// Lets an aborted access put the function into error state, as real hardware does.
    pub(crate) fn let_aborts_be_errors(&self) {
        let abort_is_error = self.machine.model().abort_is_error();
        self.abort_is_error.store(abort_is_error, Relaxed);
    }

    /// Milliseconds waited for firmware so far.
    pub(crate) fn waited(&self) -> u64 {
        self.waited.load(Relaxed)
    }

    /// Functions of the instance.
    pub(super) fn functions(&self) -> usize {
        self.functions as usize
    }

    /// When several functions are told of new mappings, the first error is the result. In Linux a
    /// later success hides it.
    pub(super) fn keeps_first_error(&self) -> bool {
        self.keeps_first_error
    }

    pub(super) fn machine(&self) -> &Machine<Zpci> {
        &self.machine
    }

    /// Gives firmware a millisecond, for all that anybody can tell.
    pub(super) fn pause(&self) {
        let now = self.waited.fetch_add(1, Relaxed).saturating_add(1);
        let end = self.end.lock().take_if(|end| end.at <= now);
        if let Some(End { handle, state, .. }) = end {
            // There is such a function.
            let _ = self.set_state(handle, state);
        }
    }

    /// Issues an instruction, again as long as firmware has no time for it, but not for ever.
    pub(crate) fn call(&self, op: u8, handle: u32, operands: [u64; 3]) -> Answer {
        let call = Call {
            op,
            id: handle,
            operands,
        };
        let own = |tag| s390::tagged(tag) == handle;
        let mut answer = Answer::BUSY;
        for _ in 0..TRIES {
            answer = self.machine.call(call, self.plan.answer(op, handle), own);
            if answer.cc != cc::BUSY {
                break;
            }
            self.pause();
        }
        if answer == Answer::DONE && op != op::RPCIT {
            if let Some(shadow) = &mut *self.shadow.lock() {
                shadow.clear(handle);
            }
        }
        answer
    }

    /// Refreshes the translations of a function from `first` to `last`, of the page table in
    /// `memory`.
    ///
    /// # Errors
    ///
    /// ENOMEM where a hypervisor has no mappings left, EIO.
    pub(super) fn refresh(
        &self,
        handle: u32,
        first: u64,
        last: u64,
        memory: &dyn Memory,
    ) -> Result {
        let range = Rpcit {
            handle,
            first,
            last,
        };
        match self.rpcit(range, memory) {
            Answer::DONE => Ok(()),
            Answer {
                cc: cc::ERR,
                status: status::RES_NOT_AVAIL | status::INSUF_RES,
            } => Err(ENOMEM),
            _ => Err(EIO),
        }
    }

    fn rpcit(&self, range: Rpcit, memory: &dyn Memory) -> Answer {
        let answer = self.call(op::RPCIT, range.handle, [range.first, range.last, 0]);
        if answer != Answer::DONE {
            return answer;
        }
        self.machine.submit(range.into());
        self.machine.wait();
        let mut shadow = self.shadow.lock();
        match (&mut *shadow, self.stage(range.handle)) {
            (Some(shadow), Some(stage)) => shadow.refresh(range, memory, &stage),
            _ => answer,
        }
    }

    /// The page table that is registered.
    fn stage(&self, handle: u32) -> Option<Stage> {
        let (id, pasid) = (handle, None);
        match self.machine.look_up(Requester { id, pasid }) {
            Next::Translate(by) => Some(by.first),
            Next::Bypass | Next::Abort(_) | Next::Fetch(_) => None,
        }
    }

    /// The state of a function, as Store PCI Function Controls tells it.
    pub(crate) fn state(&self, handle: u32) -> State {
        let mut words = Words::default();
        let at = self.machine.model().at(handle).unwrap_or(0);
        for (offset, word) in (0..).step_by(8).zip(&mut words) {
            let Ok(loaded) = self.machine.load(at + offset) else {
                return State::Gone;
            };
            *word = loaded;
        }
        State::of(&words)
    }

    /// Changes the state of a function, as by a store of firmware.
    ///
    /// # Errors
    ///
    /// ENODEV where there is no such function.
    pub(super) fn set_state(&self, handle: u32, state: State) -> Result {
        let at = self.machine.model().at(handle).ok_or(ENODEV)?;
        let (words, keep) = state.store();
        self.machine.update(at, &words, &keep)
    }

    /// The same when somebody has waited for firmware for so many milliseconds more.
    ///
    /// # Errors
    ///
    /// ENODEV where there is no such function.
    pub(super) fn set_state_after(&self, handle: u32, state: State, ms: u64) -> Result {
        self.machine.model().at(handle).ok_or(ENODEV)?;
        let at = self.waited().saturating_add(ms);
        *self.end.lock() = Some(End { handle, state, at });
        Ok(())
    }

    /// Does one DMA access.
    pub(super) fn access(&self, from: Requester, iova: u64, access: Access) -> Reach {
        let reach = match &*self.shadow.lock() {
            None => self.machine.access(from, iova, access),
            Some(shadow) => match self.machine.look_up(from) {
                Next::Translate(_) => shadow
                    .translate(from.id, iova)
                    .map_or(Reach::Aborted, Reach::Memory),
                Next::Bypass => Reach::Memory(iova),
                Next::Abort(_) | Next::Fetch(_) => Reach::Aborted,
            },
        };
        let is_error = self.abort_is_error.load(Relaxed) && self.state(from.id) == State::Enabled;
        if reach == Reach::Aborted && is_error {
            let _ = self.set_state(from.id, State::Error);
        }
        reach
    }
}
