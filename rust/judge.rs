// SPDX-License-Identifier: GPL-2.0

//! The judge: explores what hardware may do with the steps that a driver emitted, and says what DMA
//! comes to meanwhile.
//!
//! A [`Case`] is made of steps that a driver's real attach code emitted through its
//! [`Machine`](crate::mock::hw::machine::Machine), of the truth about the spaces that it switches
//! between, and of what others do at the same time. No protocol is written here, and no family:
//! what entries mean and what commands drop is in the family's
//! [`Model`](crate::mock::hw::model::Model).
//!
//! # What is explored
//!
//! Interleavings, one by one: where each actor is in its steps, which of its stores are not visible
//! yet (they become so in any order that keeps those to the same word in order, before its next
//! barrier or submit), and which of its commands are not carried out yet (before its wait returns,
//! in any order that the model allows:
//! [`overtakes`](crate::mock::hw::model::Model::overtakes)). A firmware call is one step and waits
//! for stores as a barrier does.
//!
//! # What is not, and why that is exact
//!
//! When hardware reads an entry or fills a line, and what it drops unasked, is not explored one by
//! one. A state holds the set of everything that hardware *may* have got hold of by then, called
//! facts: values of units of entries, whole lines that outlived a command, lines of the IOTLB,
//! tables that it knows on the way to an address, and what a requester keeps itself (ATS). Having
//! one fact never takes another away, and dropping one is always allowed. So one state stands for
//! all subsets of its facts, an access can come to whatever some subset leads to, and nothing is
//! counted that no hardware could do:
//! - A unit of an entry is read as it is at some time at which a lookup can come to the entry.
//!   Units of an entry are read at any time each, so a line is any combination; or, where the model
//!   says so, in order, so a line is what its units are one after the other.
//! - A command takes away the facts that it covers. For entries that is asked of whole lines; where
//!   a command drops some of them and not others, those that are left are kept as lines.
//! - A lookup, a read of an entry or a walk that is under way when a command covers what it is
//!   about is aborted by it. This is a choice: hardware that lets it finish and fill would have to
//!   be waited for in another way, which no driver does. Whether a command covers a read that is
//!   not complete is decided by all that the entry becomes in the course of the case.
//! - What a requester keeps itself (ATS) it was told by the IOTLB, as a walk filled it at some time
//!   and as no command has dropped it since. It uses that for as long as entries that a lookup
//!   reads let it, whatever the lookup comes to.
//! - A walk reads page tables at one time. What it would mix when they change meanwhile is what a
//!   walk before or behind the change comes to, as an edit changes one word that matters. That it
//!   may go on from a table which it knows is kept as a fact, and matters when the table is freed.
//!
//! A command is one atomic change of everything that it covers. An access that is aborted for want
//! of an entry does not say so to the device, unless the case says that this is an error.
//!
//! [`Options::reduce`] leaves states out: steps that only make more possible are done at once, and
//! of two states that differ in facts only, one with all facts of the other stands for both.
//! Without it, nothing but equal states is left out; a suite compares both.

mod bits;
mod case;
mod explore;
mod fact;
mod hardware;
mod index;
mod memory;
mod mutant;
mod program;
mod state;
mod stop;
mod timeline;
mod verdict;

pub(crate) use self::{
    case::{
        Case,
        Edit,
        Goal,
        Side,
        Space,
        Watch,
        PROBES, //
    },
    explore::{
        Observer,
        Options, //
    },
    mutant::Defect,
    timeline::{
        timeline,
        Shown,
        Sink, //
    },
    verdict::{
        Invariant,
        Outcome, //
    },
};

use self::{
    explore::{
        Explorer,
        Found, //
    },
    stop::Stop, //
};
use kernel::prelude::*;

/// What a case is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All DMA is answered by the old or by the new side.
    Hitless,
    /// Some DMA is aborted meanwhile.
    Blocked,
    /// Something happens that must not: the first invariant that does not hold.
    Broken(Invariant),
    /// Not known: the case does not fit; what of it does not.
    NotExhausted(&'static str),
}

/// What an exploration came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    /// What the case is worth.
    pub(crate) verdict: Verdict,
    /// All invariants that do not hold in some state, by their bits.
    pub(crate) broken: u16,
    /// Some DMA is aborted that neither side says to abort.
    pub(crate) blocked: bool,
    /// States gone through.
    pub(crate) states: u64,
    /// Events gone through.
    pub(crate) transitions: u64,
    /// Facts that came up.
    pub(crate) facts: u32,
    /// Binary logarithm of how many states of hardware they stand for.
    pub(crate) concrete: u32,
}

impl Report {
    /// Whether an invariant does not hold in some state.
    pub(crate) fn breaks(&self, invariant: Invariant) -> bool {
        self.broken & invariant.bit() != 0
    }
}

/// Goes through all states of a case.
///
/// # Errors
///
/// ENOMEM.
pub(crate) fn judge(
    case: &Case<'_>,
    options: Options,
    observe: Option<Observer<'_>>,
) -> Result<Report> {
    let mut explorer = match Explorer::new(case, options) {
        Ok(explorer) => explorer,
        Err(Stop::Error(error)) => return Err(error),
        Err(Stop::Full(why)) => return Ok(Report::not_exhausted(why)),
    };
    let found = explorer.run(observe)?;
    Ok(Report::new(&found))
}

/// The same, and also says what hardware can get hold of in the course of the case: a number for
/// each way in which lookups end and for each line of the IOTLB, in ascending order.
///
/// # Errors
///
/// ENOMEM.
pub(crate) fn judge_ways(case: &Case<'_>, options: Options) -> Result<(Report, KVec<u64>)> {
    let mut explorer = match Explorer::new(case, options) {
        Ok(explorer) => explorer,
        Err(Stop::Error(error)) => return Err(error),
        Err(Stop::Full(why)) => return Ok((Report::not_exhausted(why), KVec::new())),
    };
    let found = explorer.run(None)?;
    Ok((Report::new(&found), explorer.hardware.ways()?))
}

impl Report {
    fn new(found: &Found) -> Self {
        Self {
            verdict: match (found.first, found.stopped) {
                (Some((violation, _)), _) => Verdict::Broken(violation.invariant),
                (None, Some(why)) => Verdict::NotExhausted(why),
                (None, None) if found.blocked => Verdict::Blocked,
                (None, None) => Verdict::Hitless,
            },
            broken: found.broken,
            blocked: found.blocked,
            states: found.states,
            transitions: found.transitions,
            facts: found.facts,
            concrete: found.concrete(),
        }
    }

    fn not_exhausted(why: &'static str) -> Self {
        Self {
            verdict: Verdict::NotExhausted(why),
            broken: 0,
            blocked: false,
            states: 0,
            transitions: 0,
            facts: 0,
            concrete: 0,
        }
    }
}
