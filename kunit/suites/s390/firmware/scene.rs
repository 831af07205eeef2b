// SPDX-License-Identifier: GPL-2.0

//! The group, its trouble, and the ways back.

use super::super::{
    first,
    reach,
    Rig,
    Way, //
};
use crate::{
    group::{
        Belief,
        Owner,
        Park,
        Recovery, //
    },
    iommu::{
        AttachError,
        Attached,
        Domain,
        EndpointId, //
    },
    mark,
    mock::{
        fault,
        hw::{
            machine::Inspect,
            model::{
                Answer,
                Model,
                Next,
                Requester,
                Words, //
            },
            s390::{
                fib::State,
                instruction::op, //
            },
            step::Step,
            Reach, //
        },
        s390::plan::Rule,
        shell::Mock,
        unit::Modelled, //
    },
};
use core::num::NonZeroU64;
use kernel::{
    prelude::*,
    sync::Arc, //
};

const OWNER: Owner = Owner(NonZeroU64::MIN);

/// What comes between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Firmware recovers the function for longer than any driver waits.
    Recovers,
    /// It does so for 4 ms.
    RecoversSoon,
    /// Firmware registers nothing for the function until it has resources again.
    RegistersNothing,
    /// Nor does it take a registration away.
    KeepsAll,
    /// Nor does it disable the function, which would make it forget.
    IsStuck,
    /// The function was pulled out.
    IsGone,
}

impl Trouble {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Recovers => "is recovered",
            Self::RecoversSoon => "is recovered for 4 ms",
            Self::RegistersNothing => "refuses registrations",
            Self::KeepsAll => "refuses deregistrations, too",
            Self::IsStuck => "refuses to disable, too",
            Self::IsGone => "is pulled out",
        }
    }

    /// Whether neither the driver nor firmware is to blame (R0.5).
    pub(super) fn is_of_the_environment(self) -> bool {
        self.refuses().is_empty()
    }

    /// Operations that firmware refuses.
    fn refuses(self) -> &'static [u8] {
        use op::{
            CLP_DISABLE,
            DEREG_IOAT,
            REG_IOAT,
            REREG_IOAT, //
        };
        match self {
            Self::Recovers | Self::RecoversSoon | Self::IsGone => &[],
            Self::RegistersNothing => &[REG_IOAT, REREG_IOAT],
            Self::KeepsAll => &[REG_IOAT, REREG_IOAT, DEREG_IOAT],
            Self::IsStuck => &[REG_IOAT, REREG_IOAT, DEREG_IOAT, CLP_DISABLE],
        }
    }
}

/// How a function may get back to work when its trouble is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Back {
    /// Nobody does anything.
    Wait,
    /// The group is attached to where it should be already.
    Again,
    /// The group goes elsewhere and comes back.
    Elsewhere,
    /// The driver of the function resets it, as the core hears.
    Reset,
    /// The architecture's code recovers it, of which the core hears nothing.
    Recover,
    /// The function is taken away, its slot switched off and on, and the function probed.
    Power,
    /// The same with another function put in.
    Plug,
}

impl Back {
    pub(super) const ALL: [Self; 7] = [
        Self::Wait,
        Self::Again,
        Self::Elsewhere,
        Self::Reset,
        Self::Recover,
        Self::Power,
        Self::Plug,
    ];
}

/// Two functions, of which the first has trouble.
pub(super) struct Scene {
    pub(super) rig: Rig,
    pub(super) new: Arc<Domain>,
    home: Arc<Domain>,
    /// Where the domain of the user led who has gone, and whether nobody refers to it any more.
    old: Reach,
    freed: bool,
    trouble: Trouble,
    /// Where the first function's DMA went during the move, one letter for each change.
    pub(super) trail: KVec<u8>,
}

impl Scene {
    /// Brings a group to its first domain, lets the trouble begin and the user go.
    pub(super) fn new(
        way: &Way,
        recovery: Recovery,
        trouble: Trouble,
        mistake: Option<fault::Rule>,
    ) -> Result<Self> {
        let rig = Rig::recovering(way, 2, recovery, |endpoint| endpoint.resettable = true)?;
        let home = rig.group()?.lock().default().ok_or(ENODEV)?.clone();
        let old = rig.domain()?;
        let mut this = Self {
            new: rig.domain()?,
            home,
            old: reach(&old),
            freed: false,
            trouble,
            trail: KVec::new(),
            rig,
        };
        let group = this.rig.group()?.clone();
        group.claim(OWNER)?;
        group.attach(&old)?;
        let attached = this.block()?;
        this.begin()?;
        if let Some(rule) = mistake {
            this.rig.shell.faults().add(rule)?;
        }
        let before = this.block()?;
        this.rig.unit().machine().start_tape();
        group.release_claims();
        let tape = this.rig.unit().machine().take_tape();
        this.follow(&attached, before, &tape)?;
        this.freed = Arc::into_unique_or_drop(old).is_some();
        Ok(this)
    }

    fn begin(&self) -> Result {
        let unit = self.rig.unit();
        match self.trouble {
            Trouble::Recovers => unit.set_state(0, State::Recovering)?,
            Trouble::RecoversSoon => {
                unit.set_state(0, State::Recovering)?;
                unit.set_state_after(0, State::Enabled, 4)?;
            }
            Trouble::IsGone => unit.set_state(0, State::Gone)?,
            Trouble::RegistersNothing | Trouble::KeepsAll | Trouble::IsStuck => (),
        }
        for op in self.trouble.refuses() {
            let rule = Rule::once(*op, Answer::refused(16)).times(u32::MAX);
            self.rig.pci().answer_by(rule.at(first()))?;
        }
        Ok(())
    }

    /// Ends the trouble, without anybody being told.
    pub(super) fn end(&self) -> Result {
        self.rig.pci().answer_by_model();
        match self.trouble {
            Trouble::Recovers | Trouble::RecoversSoon => {
                self.rig.unit().set_state(0, State::Enabled)
            }
            _ => Ok(()),
        }
    }

    /// What firmware knows of the first function.
    fn block(&self) -> Result<Words> {
        let machine = self.rig.unit().machine();
        let at = machine.model().at(first()).ok_or(ENODEV)?;
        let mut words = Words::default();
        for (offset, word) in (0..).step_by(8).zip(&mut words) {
            *word = machine.load(at + offset)?;
        }
        Ok(words)
    }

    /// Finds out where DMA went after each step of a tape, when it had been to the old domain as
    /// `attached` says, and was as `words` say before the first step.
    fn follow(&mut self, attached: &Words, mut words: Words, tape: &[Step]) -> Result {
        let model = *self.rig.unit().machine().model();
        let (id, pasid) = (first(), None);
        let root = |words: &Words| match model.next(Requester { id, pasid }, &[*words]) {
            Next::Translate(by) => Some(by.first.root),
            _ => None,
        };
        let old = root(attached);
        // Before the first step, too.
        for step in Iterator::chain([Step::Barrier].iter(), tape) {
            match step {
                Step::Call(call, answer) if call.id == id => {
                    let mut then = words;
                    if model.call(&mut then, *call).answer == *answer {
                        words = then;
                    }
                }
                Step::Store(store) if model.at(id) == Some(store.at) => {
                    let new = store.words.iter().zip(store.keep);
                    for (word, (new, keep)) in words.iter_mut().zip(new) {
                        *word = (*word & keep) | (new & !keep);
                    }
                }
                _ => (),
            }
            let letter = match model.next(Requester { id, pasid }, &[words]) {
                Next::Bypass => b'I',
                Next::Translate(_) if root(&words) == old => b'A',
                Next::Translate(_) => b'?',
                Next::Abort(_) | Next::Fetch(_) => b'-',
            };
            if self.trail.last() != Some(&letter) {
                self.trail.push(letter, GFP_KERNEL)?;
            }
        }
        Ok(())
    }

    /// Where a function's DMA goes now: `I` home, `A` to the domain of the user who has gone, `!`
    /// to that when nobody keeps it any more, `B` to another one, `-` nowhere.
    pub(super) fn letter(&self, id: u32) -> char {
        let machine = self.rig.unit().machine();
        let wild = machine.counts().wild;
        let truth = self.rig.truth(id);
        let gone = machine.counts().wild != wild;
        match truth {
            Reach::Aborted if gone => '!',
            Reach::Aborted => '-',
            truth if truth == self.old && self.freed => '!',
            truth if truth == self.old => 'A',
            truth if truth == reach(&self.new) => 'B',
            truth if truth == Reach::Memory(mark::IOVA) => 'I',
            Reach::Memory(_) => '?',
        }
    }

    /// What the core believes of the first function.
    pub(super) fn belief(&self) -> Result<&'static str> {
        let state = self.rig.group()?.lock();
        let member = state.members().first().ok_or(ENODEV)?;
        Ok(match member.belief() {
            Belief::OnDomain(Attached::Translating) => "home",
            Belief::OnDomain(Attached::Fenced) => "fenced",
            Belief::Parked(Park::FailedReturn) => "parked",
            Belief::Lost(_) => "lost",
            Belief::Parked(Park::Reset) | Belief::Deferred => "?",
        })
    }

    /// Attaches the group to where it should be.
    pub(super) fn again(&self) -> Result<(), AttachError> {
        self.rig.group()?.attach(&self.home)
    }

    /// Lets a user claim the group.
    pub(super) fn claim(&self) -> Result<(), AttachError> {
        self.rig.group()?.claim(OWNER)
    }

    /// Tries a way back, and says where the first function's DMA goes then.
    pub(super) fn back(&mut self, back: Back) -> Result<char> {
        let group = self.rig.group()?.clone();
        match back {
            Back::Wait => (),
            Back::Again => {
                let _ = self.again();
            }
            Back::Elsewhere => {
                if group.attach(&self.new).is_ok() {
                    group.detach(&self.new);
                }
            }
            Back::Reset => {
                let endpoint = self.rig.endpoint(0)?;
                if endpoint.reset_prepare().is_ok() {
                    endpoint.reset_done();
                }
            }
            Back::Recover => {
                let unit = self.rig.unit();
                if self.rig.pci().state(first()) == State::Enabled {
                    unit.set_state(0, State::Error)?;
                }
                let _ = unit.recover(0);
            }
            Back::Power | Back::Plug => self.replug(back)?,
        }
        Ok(self.letter(0))
    }

    fn replug(&mut self, back: Back) -> Result {
        let endpoint = self.rig.endpoints.remove(0).map_err(|_| ENODEV)?;
        self.rig.iommu.release(&endpoint)?;
        if back == Back::Power {
            for op in [op::CLP_DISABLE, op::CLP_ENABLE] {
                let _ = self.rig.pci().call(op, first(), [0; 3]);
            }
        } else {
            for state in [State::Gone, State::Enabled] {
                self.rig.unit().set_state(0, state)?;
            }
        }
        let endpoint = self.rig.iommu.probe(EndpointId(0))?;
        let _ = self.rig.endpoints.insert_within_capacity(0, endpoint);
        Ok(())
    }
}
