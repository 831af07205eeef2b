// SPDX-License-Identifier: GPL-2.0

//! What a state is worth: invariants I1 to I10 of the families' specification.

use super::{
    bits::{
        Ends,
        Facts, //
    },
    case::{
        Case,
        Goal,
        Side,
        EDITED, //
    },
    fact::Fact,
    hardware::{
        Hardware,
        Way,
        CUT, //
    },
    program::Books,
    stop::Go, //
};
use crate::mock::hw::model::Tag;
use kernel::fmt;

/// What must always hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invariant {
    /// I1: DMA reaches what the old or what the new side says, or nothing.
    Mixed,
    /// I2: a line of the IOTLB is as the space that owns its tag says, or as one of those between
    /// which the transition hands the tag over.
    Line,
    /// I3: a tag that is nobody's has no line.
    Tag,
    /// I4: what is unmapped is not reached: whoever can translate by a space is flushed for it.
    Stale,
    /// I5: hardware reads no tables that are memory for others.
    Freed,
    /// I6: behind success only the new side is in force.
    New,
    /// I7: behind failure only the old side is in force.
    Old,
    /// I8: DMA is never untranslated, unless a side is.
    Untranslated,
    /// I9: and least of all on the way to or from blocked.
    Blocked,
    /// I10: a device whose aborted DMA is an error is not driven into one.
    Error,
    /// Not of the list: what another writer wrote into the entry is kept.
    Update,
}

impl Invariant {
    /// All of them.
    pub(crate) const ALL: [Self; 11] = [
        Self::Mixed,
        Self::Line,
        Self::Tag,
        Self::Stale,
        Self::Freed,
        Self::New,
        Self::Old,
        Self::Untranslated,
        Self::Blocked,
        Self::Error,
        Self::Update,
    ];

    /// Its name in the specification.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mixed => "I1",
            Self::Line => "I2",
            Self::Tag => "I3",
            Self::Stale => "I4",
            Self::Freed => "I5",
            Self::New => "I6",
            Self::Old => "I7",
            Self::Untranslated => "I8",
            Self::Blocked => "I9",
            Self::Error => "I10",
            Self::Update => "lost update",
        }
    }

    /// What is the matter where it does not hold.
    pub(crate) fn matter(self) -> &'static str {
        match self {
            Self::Mixed => "DMA reaches what neither side says",
            Self::Line => "a line of the IOTLB is not as the owner of its tag says",
            Self::Tag => "there is something cached under a tag that is nobody's",
            Self::Stale => "DMA reaches what was unmapped and flushed",
            Self::Freed => "tables are read that are memory for others",
            Self::New => "it returned success, and the new side is not in force",
            Self::Old => "it returned failure, and the old side is not in force",
            Self::Untranslated => "DMA is untranslated",
            Self::Blocked => "DMA is untranslated on the way to or from blocked",
            Self::Error => "an aborted access is an error of the device",
            Self::Update => "what another writer wrote is gone",
        }
    }

    /// Its bit in a set.
    pub(crate) fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// What one DMA access comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is aborted.
    Aborted,
    /// It passes through untranslated.
    Untranslated,
    /// It reaches this physical address.
    Reaches(u64),
    /// Its walk reads tables that are memory for others, or none at all.
    Wild,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aborted => f.write_str("is aborted"),
            Self::Untranslated => f.write_str("passes untranslated"),
            Self::Reaches(to) => write!(f, "reaches {to:#x}"),
            Self::Wild => f.write_str("walks what is no table"),
        }
    }
}

/// What an outcome hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// How a lookup ended, and the line of the IOTLB that was hit.
    End(usize, Option<usize>),
    /// A fact alone.
    Fact(usize),
    /// Memory.
    Memory,
}

/// Something that must not be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Violation {
    pub(super) invariant: Invariant,
    /// Whose access, by position in the case, to which probe, with which outcome.
    pub(super) access: Option<(usize, usize, Outcome)>,
    pub(super) cause: Cause,
}

/// A state, as far as its worth depends on it.
pub(super) struct Moment<'a> {
    pub(super) facts: &'a Facts,
    pub(super) ends: &'a Ends,
    pub(super) books: &'a Books,
    /// Words of page tables that the edit has written.
    pub(super) changed: usize,
    /// The edit has returned.
    pub(super) edited: bool,
    /// The transition has returned, and all that it did has reached hardware.
    pub(super) settled: bool,
    /// All actors have come to their ends.
    pub(super) ended: bool,
    /// All owners that tags have in the course of the case.
    pub(super) owners: &'a [(Tag, u64)],
}

/// What came out for one state.
pub(super) trait Findings {
    /// Something that must not be.
    fn broken(&mut self, violation: Violation);

    /// DMA is aborted that neither side says to abort.
    fn blocked(&mut self);

    /// DMA comes to this.
    fn outcome(&mut self, _watch: usize, _probe: usize, _outcome: Outcome) {}
}

impl Moment<'_> {
    /// Looks at everything that must hold.
    pub(super) fn check(&self, hardware: &mut Hardware<'_>, findings: &mut dyn Findings) -> Go {
        let case = hardware.case;
        let mut walks = kernel::alloc::KVec::new();
        for end in self.ends.iter() {
            walks.push(
                hardware.walk(end, self.changed)?,
                kernel::prelude::GFP_KERNEL,
            )?;
        }
        let hardware = &*hardware;
        for ((number, end), walk) in hardware.ends(self.ends).zip(&walks) {
            for probe in 0..case.probes.len() {
                let mut access = |outcome, line| {
                    findings.outcome(end.watch, probe, outcome);
                    self.judge(case, (end.watch, probe, outcome), (number, line), findings);
                };
                match (end.way, walk) {
                    (Way::Bypass, _) => access(Outcome::Untranslated, None),
                    (Way::Abort(_), _) => access(Outcome::Aborted, None),
                    (Way::Translate(by), Some(walk)) => {
                        let Some(reached) = walk.probes.get(probe) else {
                            continue;
                        };
                        let freed = reached.groups & self.freed() != 0;
                        access(
                            match reached.to {
                                _ if freed || reached.wild => Outcome::Wild,
                                Some(to) => Outcome::Reaches(to),
                                None => Outcome::Aborted,
                            },
                            None,
                        );
                        for (line, fact) in hardware.known.of(self.facts) {
                            match *fact {
                                Fact::Translation { tag, probe: p, to }
                                    if tag == by.tag
                                        && usize::from(p) == probe
                                        && reached.to != Some(to) =>
                                {
                                    access(Outcome::Reaches(to), Some(line));
                                }
                                Fact::Tables {
                                    tag,
                                    probe: p,
                                    group,
                                } if tag == by.tag
                                    && usize::from(p) == probe
                                    && self.freed() & 1 << group != 0 =>
                                {
                                    access(Outcome::Wild, Some(line));
                                }
                                _ => (),
                            }
                        }
                    }
                    (Way::Wild | Way::Translate(_), _) => access(Outcome::Wild, None),
                }
                // What the requester keeps itself is not looked up again.
                for (line, fact) in hardware.known.of(self.facts).filter(|_| end.ats) {
                    match *fact {
                        Fact::Kept {
                            watch,
                            probe: p,
                            to,
                        } if watch == end.watch && usize::from(p) == probe => {
                            access(Outcome::Reaches(to), Some(line));
                        }
                        _ => (),
                    }
                }
            }
        }
        self.check_lines(hardware, findings);
        Ok(())
    }

    /// Groups of tables that are memory for others.
    fn freed(&self) -> u32 {
        let cut = u32::from(self.edited) << CUT;
        self.books.freed | cut
    }

    /// Lines of the IOTLB and known tables, each under its tag.
    fn check_lines(&self, hardware: &Hardware<'_>, findings: &mut dyn Findings) {
        let case = hardware.case;
        for (number, fact) in hardware.known.of(self.facts) {
            let (tag, line) = match *fact {
                Fact::Translation { tag, probe, to } => (tag, Some((usize::from(probe), to))),
                Fact::Tables { tag, .. } => (tag, None),
                Fact::Unit { .. } | Fact::Line { .. } | Fact::Kept { .. } => continue,
            };
            let cause = Cause::Fact(number);
            let mut broken = |invariant| {
                findings.broken(Violation {
                    invariant,
                    access: None,
                    cause,
                });
            };
            let Some(owner) = self.books.owner(tag) else {
                broken(Invariant::Tag);
                continue;
            };
            let Some((probe, to)) = line else {
                continue;
            };
            let says = |space| self.says(case, space, probe, Outcome::Reaches(to));
            // A tag is handed over from one space to another for those who move between them, who
            // may be answered by both. Whoever else uses it is watched.
            let other = |(of, space): &(Tag, u64)| *of == tag && says(*space);
            let handed_over = !self.settled && self.owners.iter().any(other);
            // What is unmapped is not to be reached, which is for others to see. Nor may it be left
            // behind, which shows at the end.
            let stale = !self.ended && self.unmapped(case, probe, to) && self.edits(case, owner);
            if !says(owner) && !handed_over && !stale {
                broken(Invariant::Line);
            }
        }
    }

    fn edits(&self, case: &Case<'_>, space: u64) -> bool {
        case.edit.as_ref().is_some_and(|edit| edit.space == space)
    }

    /// Whether a space sends a probe there, as its tables were or are.
    fn says(&self, case: &Case<'_>, space: u64, probe: usize, outcome: Outcome) -> bool {
        let Some(truth) = case.spaces.iter().find(|s| s.number == space) else {
            return false;
        };
        let to = truth.maps.get(probe).copied().flatten();
        let edit = case.edit.as_ref();
        let edit = edit.filter(|edit| probe == EDITED && edit.space == space);
        let (mapped, absent) = match edit {
            None => (true, to.is_none()),
            Some(edit) if edit.map => (self.changed > 0, !self.edited),
            Some(_) => (!self.edited, self.changed > 0),
        };
        match outcome {
            Outcome::Reaches(at) => mapped && to == Some(at),
            Outcome::Aborted => absent,
            Outcome::Untranslated | Outcome::Wild => false,
        }
    }

    fn allows(&self, case: &Case<'_>, side: Side, probe: usize, outcome: Outcome) -> bool {
        match side {
            Side::Blocked => outcome == Outcome::Aborted,
            Side::Identity => {
                let iova = case.probes.get(probe).copied();
                outcome == Outcome::Untranslated
                    || matches!(outcome, Outcome::Reaches(to) if Some(to) == iova)
            }
            Side::Paging(space) => self.says(case, space, probe, outcome),
        }
    }

    /// Whether an address is what an edit has unmapped.
    fn unmapped(&self, case: &Case<'_>, probe: usize, to: u64) -> bool {
        let Some(edit) = case.edit.as_ref().filter(|edit| !edit.map && self.edited) else {
            return false;
        };
        let space = case.spaces.iter().find(|s| s.number == edit.space);
        let old = space.and_then(|s| s.maps.get(probe).copied().flatten());
        probe == EDITED && old == Some(to)
    }

    fn judge(
        &self,
        case: &Case<'_>,
        access: (usize, usize, Outcome),
        (end, line): (usize, Option<usize>),
        findings: &mut dyn Findings,
    ) {
        let (watch, probe, outcome) = access;
        let Some(watch) = case.watches.get(watch) else {
            return;
        };
        let goal = match case.goal {
            Goal::New => watch.new,
            Goal::Old => watch.old,
        };
        let allows = |side| self.allows(case, side, probe, outcome);
        let either = allows(watch.old) || allows(watch.new);
        if allows(goal) || either && !self.settled {
            return;
        }
        let blocked = watch.old == Side::Blocked || watch.new == Side::Blocked;
        let invariant = match outcome {
            Outcome::Wild => Invariant::Freed,
            Outcome::Aborted if !self.settled => {
                findings.blocked();
                match case.abort_is_error {
                    true => Invariant::Error,
                    false => return,
                }
            }
            Outcome::Reaches(to) if self.unmapped(case, probe, to) => Invariant::Stale,
            _ if self.settled && (either || outcome == Outcome::Aborted) => match case.goal {
                Goal::New => Invariant::New,
                Goal::Old => Invariant::Old,
            },
            Outcome::Untranslated if blocked => Invariant::Blocked,
            Outcome::Untranslated => Invariant::Untranslated,
            _ => Invariant::Mixed,
        };
        findings.broken(Violation {
            invariant,
            access: Some(access),
            cause: Cause::End(end, line),
        });
    }
}
