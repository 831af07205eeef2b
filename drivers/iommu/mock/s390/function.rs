// SPDX-License-Identifier: GPL-2.0

//! A function, what its books say, and the parts that every way to change its address space is
//! made of.

use super::{
    super::{
        hw::{
            model::{
                Answer,
                Requester,
                Tag, //
            },
            s390::{
                self,
                fib::State,
                instruction::{
                    cc,
                    op,
                    status, //
                },
                iota::Iota, //
            },
            step::Note, //
        },
        unit::{
            Space as _,
            Target, //
        },
    },
    pci::Pci,
    space::S390Space, //
};
use crate::{
    iommu::Attached,
    kapi::{
        new_mutex,
        Mutex, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// One function.
#[pin_data]
pub(super) struct Function {
    handle: u32,
    /// The last address of its DMA.
    last: u64,
    /// What it is on, or will be when it is no longer fenced.
    #[pin]
    book: Mutex<Target<S390Space>>,
}

impl Function {
    /// A function that is on something.
    pub(super) fn new(handle: u32, last: u64, on: Target<S390Space>) -> impl PinInit<Self> {
        pin_init!(Self {
            handle,
            last,
            book <- new_mutex!(on, "s390::Function::book"),
        })
    }

    pub(super) fn handle(&self) -> u32 {
        self.handle
    }

    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn book(&self) -> &Mutex<Target<S390Space>> {
        &self.book
    }

    pub(super) fn requester(&self) -> Requester {
        Requester {
            id: self.handle,
            pasid: None,
        }
    }
}

/// What an instruction came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is done.
    Done,
    /// The function is in error state, or being recovered.
    Unavailable,
    /// The function was pulled out.
    Gone,
    /// Firmware refuses.
    Refused,
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer { cc: cc::OK, .. } => Self::Done,
            Answer::NOT_AVAILABLE => Self::Unavailable,
            Answer {
                cc: cc::INVAL_HANDLE,
                ..
            } => Self::Gone,
            _ => Self::Refused,
        }
    }
}

impl Outcome {
    /// What an attach that came to this says.
    pub(super) fn attached(self) -> Attached {
        match self {
            Self::Done | Self::Refused => Attached::Translating,
            Self::Unavailable | Self::Gone => Attached::Fenced,
        }
    }
}

/// A change of what a function is on.
pub(super) struct Change<'a> {
    pci: &'a Pci,
    function: &'a Function,
    on: &'a mut Target<S390Space>,
}

impl<'a> Change<'a> {
    pub(super) fn new(pci: &'a Pci, function: &'a Function, on: &'a mut Target<S390Space>) -> Self {
        Self { pci, function, on }
    }

    /// What the books say that the function is on.
    pub(super) fn on(&self) -> &Target<S390Space> {
        self.on
    }

    /// Enters in the books what it is on, and lets go of what it was on.
    pub(super) fn set(&mut self, to: &Target<S390Space>) {
        *self.on = to.clone();
    }

    /// Puts the function on the list of whom to flush.
    pub(super) fn list(&self, to: &Target<S390Space>) {
        if let Target::Paging(space) = to {
            space.list(self.function.requester(), self.function.last);
        }
    }

    /// Takes it off again.
    pub(super) fn unlist(&self, from: &Target<S390Space>) {
        if let Target::Paging(space) = from {
            space.unlist(self.function.requester());
        }
    }

    /// Whether the function is on that space.
    pub(super) fn is_on(&self, to: &Target<S390Space>) -> bool {
        match (&*self.on, to) {
            (Target::Paging(on), Target::Paging(to)) => Arc::ptr_eq(on, to),
            (Target::Blocked, Target::Blocked) | (Target::Identity, Target::Identity) => true,
            _ => false,
        }
    }

    /// DEREG_IOAT. That nothing was registered is as good.
    pub(super) fn deregister(&self) -> Outcome {
        let answer = self.call(op::DEREG_IOAT, [0; 3]);
        let outcome = match answer == Answer::refused(status::SEQUENCE) {
            true => Outcome::Done,
            false => answer.into(),
        };
        if outcome == Outcome::Done {
            self.untag(self.on);
        }
        outcome
    }

    /// REG_IOAT or REREG_IOAT, for all that the function can reach; nothing to do for blocked.
    pub(super) fn register(&self, op: u8, to: &Target<S390Space>) -> Answer {
        let iota = match to {
            Target::Blocked => return Answer::DONE,
            Target::Identity => Iota::DIRECT,
            Target::Paging(space) => space.iota(),
        };
        self.tag(to);
        let answer = self.call(op, [0, self.function.last, iota.0]);
        if !self.is_on(to) {
            match answer.into() {
                Outcome::Done if op == op::REREG_IOAT => self.untag(self.on),
                Outcome::Refused => self.untag(to),
                _ => (),
            }
        }
        answer
    }

    /// The function's translations may be those of a space from now on.
    fn tag(&self, to: &Target<S390Space>) {
        if let Target::Paging(space) = to {
            let note = Note::Tagged(space.number(), self.tag_in(space));
            self.pci.machine().note(note);
        }
    }

    /// They no longer are.
    fn untag(&self, from: &Target<S390Space>) {
        if let Target::Paging(space) = from {
            self.pci.machine().note(Note::Untagged(self.tag_in(space)));
        }
    }

    fn tag_in(&self, space: &S390Space) -> Tag {
        s390::tag(self.function.handle, space.root())
    }

    /// Takes any registration away, whatever that takes: where firmware refuses, the function is
    /// disabled and enabled, which makes it forget everything.
    pub(super) fn clear(&self) -> Outcome {
        match self.deregister() {
            Outcome::Refused => (),
            outcome => return outcome,
        }
        match self.call(op::CLP_DISABLE, [0; 3]).into() {
            Outcome::Done => self.untag(self.on),
            outcome => return outcome,
        }
        self.call(op::CLP_ENABLE, [0; 3]).into()
    }

    /// Does something until the function is available, if it becomes that in a while.
    pub(super) fn patiently(&self, act: impl Fn(&Self) -> Outcome) -> Outcome {
        let mut outcome = act(self);
        for _ in 0..PATIENCE {
            if outcome != Outcome::Unavailable {
                break;
            }
            self.pci.pause();
            outcome = act(self);
        }
        outcome
    }

    /// Fills the shadow of a hypervisor, which a registration left empty.
    ///
    /// # Errors
    ///
    /// ENOMEM, EIO.
    pub(super) fn refresh(&self, to: &Target<S390Space>) -> Result {
        match to {
            Target::Paging(space) if self.pci.needs_refresh() => {
                space.refresh(self.function.handle, 0, self.function.last)
            }
            _ => Ok(()),
        }
    }

    /// Whether firmware keeps the function from DMA, whatever is registered.
    pub(super) fn is_fenced(&self) -> bool {
        self.pci.state(self.function.handle).is_fenced()
    }

    /// Registers what the books say, as firmware does before there is a driver.
    pub(super) fn enter(&self) -> Answer {
        self.register(op::REG_IOAT, self.on)
    }

    /// See [`S390Unit::recover`](super::S390Unit::recover).
    pub(super) fn reset(&self) -> Result {
        let state = self.pci.state(self.function.handle);
        if state != State::Disabled {
            match self.call(op::CLP_DISABLE, [0; 3]).into() {
                Outcome::Done => (),
                Outcome::Unavailable => return Err(EBUSY),
                Outcome::Gone => return Err(ENODEV),
                Outcome::Refused => return Err(EIO),
            }
        }
        match self.call(op::CLP_ENABLE, [0; 3]).into() {
            Outcome::Done => (),
            Outcome::Gone => return Err(ENODEV),
            Outcome::Unavailable | Outcome::Refused => return Err(EIO),
        }
        if self.enter() != Answer::DONE {
            let _ = self.call(op::CLP_DISABLE, [0; 3]);
            return Err(EIO);
        }
        Ok(())
    }

    fn call(&self, op: u8, operands: [u64; 3]) -> Answer {
        self.pci.call(op, self.function.handle, operands)
    }
}

/// How often something is tried again that firmware is not ready for, a millisecond apart.
const PATIENCE: u32 = 8;
