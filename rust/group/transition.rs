// SPDX-License-Identifier: GPL-2.0

//! The one way in which a group changes its current domain.
//!
//! Follows `__iommu_group_set_domain_internal()` of
//! [`drivers/iommu/iommu.c`](srctree/drivers/iommu/iommu.c): members move one by one, in order. A
//! transition that may fail puts back those that moved, and the driver of the failing one has kept
//! it where it was. A transition that must succeed goes on, blocks the members that fail, and its
//! caller warns once.

use super::{
    defect::Defect,
    member::{
        Belief,
        Member,
        Park, //
    },
    state::{
        is,
        State, //
    },
    warning::Warning,
};
use crate::iommu::{
    AttachError,
    Attached,
    Domain,
    Kind, //
};
use core::mem;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What happens to a transition when a member fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// It is undone.
    MayFail,
    /// It goes on without that member.
    MustSucceed,
}

/// What a transition did to one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: it was there, is being reset, is deferred, or came behind the failing one.
    Untouched,
    /// It moved.
    Moved,
    /// It "moved", and is fenced.
    Fenced,
    /// It refused, and is where it was.
    Refused,
    /// It moved, and was put back when another one refused.
    Reverted,
    /// It could not go where it must, and is blocked.
    Parked,
    /// It could not go where it must, nor be blocked.
    Lost,
}

/// How many members a transition did what to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// See [`Step::Moved`].
    pub(crate) moved: usize,
    /// See [`Step::Reverted`].
    pub(crate) reverted: usize,
    /// See [`Step::Fenced`].
    pub(crate) fenced: usize,
    /// See [`Step::Parked`].
    pub(crate) parked: usize,
}

/// The fixed part of a transition, borrowed from the group.
struct Move<'a> {
    to: &'a Arc<Domain>,
    from: Option<&'a Arc<Domain>>,
    default: Option<&'a Arc<Domain>>,
    blocking: Option<&'a Arc<Domain>>,
}

impl State {
    /// Moves all members to `to`.
    ///
    /// Members that are being reset stay where they are and follow when the reset is done. A member
    /// that went astray earlier is moved even if the group is on `to` already, unless
    /// [`Recovery::LeaveBlocked`](super::recovery::Recovery) says otherwise.
    ///
    /// # Errors
    ///
    /// The first failing member's. With [`Policy::MayFail`] nothing has changed then, and EBUSY is
    /// returned while a member is being reset. With [`Policy::MustSucceed`] `to` has become the
    /// current domain, the failing members are blocked, and the caller has to warn.
    pub(super) fn transition(
        &mut self,
        to: &Arc<Domain>,
        policy: Policy,
    ) -> Result<(), AttachError> {
        let from = self.current.clone();
        if is(from.as_ref(), to) && !self.has_strays() {
            return Ok(());
        }
        if policy == Policy::MayFail && self.recovering() != 0 {
            return Err(AttachError::Failed(EBUSY));
        }
        for member in &mut self.members {
            member.step = Step::Untouched;
        }

        let seeded = self.seeded;
        let (plan, members) = self.plan(to, from.as_ref());
        let mut failed: Option<(usize, AttachError)> = None;
        for (index, member) in members.iter_mut().enumerate() {
            let skip = member.is_reset() && !seeded.has(Defect::ParkedMoved);
            if skip || plan.is_there(member) {
                continue;
            }
            let Err(error) = plan.advance(member) else {
                continue;
            };
            failed.get_or_insert((index, error));
            if policy == Policy::MayFail {
                break;
            }
            if !seeded.has(Defect::FallbackMissing) {
                plan.park(member);
            }
        }
        if let (Some((index, error)), Policy::MayFail) = (failed, policy) {
            self.unwind(index, to, from.as_ref());
            return Err(error);
        }
        self.current = Some(to.clone());
        failed.map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Moves all members to `to`, and raises `warning` once if that fails.
    pub(super) fn transition_or_warn(&mut self, to: &Arc<Domain>, warning: Warning) {
        let result = self.transition(to, Policy::MustSucceed);
        if result.is_err() && !self.seeded.has(Defect::WarnLost) {
            self.warn(warning);
        }
    }

    /// Moves a member that has just joined to the current domain.
    ///
    /// # Errors
    ///
    /// The driver's.
    pub(super) fn follow(&mut self, index: usize) -> Result<(), AttachError> {
        let Some(current) = self.current.clone() else {
            return Ok(());
        };
        let (plan, members) = self.plan(&current, None);
        match members.get_mut(index) {
            Some(member) => plan.advance(member),
            None => Ok(()),
        }
    }

    /// Attaches one member, which is on `from`, to `to`. With [`Policy::MustSucceed`] it is
    /// blocked if that fails.
    ///
    /// # Errors
    ///
    /// The driver's; with [`Policy::MustSucceed`] the caller has to warn.
    pub(super) fn attach_member(
        &mut self,
        index: usize,
        to: &Arc<Domain>,
        from: Option<&Arc<Domain>>,
        policy: Policy,
    ) -> Result<(), AttachError> {
        let (plan, members) = self.plan(to, from);
        let member = members.get_mut(index).ok_or(ENODEV)?;
        let result = plan.attach(member);
        if result.is_err() && policy == Policy::MustSucceed {
            plan.park(member);
        }
        result
    }

    /// What the latest transition did.
    pub(crate) fn outcome(&self) -> Outcome {
        let mut outcome = Outcome::default();
        for member in &self.members {
            match member.step {
                Step::Moved => outcome.moved += 1,
                Step::Reverted => outcome.reverted += 1,
                Step::Fenced => outcome.fenced += 1,
                Step::Parked => outcome.parked += 1,
                Step::Untouched | Step::Refused | Step::Lost => (),
            }
        }
        outcome
    }

    /// Puts the members before `failing` back to what they were before a transition to `to`.
    fn unwind(&mut self, failing: usize, to: &Arc<Domain>, from: Option<&Arc<Domain>>) {
        let seeded = self.seeded;
        if seeded.has(Defect::UnwindSkipped) {
            return;
        }
        let Some(back) = from else {
            return;
        };
        let mut failed = 0;
        let (plan, members) = self.plan(back, Some(to));
        let first = usize::from(seeded.has(Defect::WrongMemberReverted));
        for member in members.iter_mut().take(failing).skip(first) {
            if !matches!(member.step, Step::Moved | Step::Fenced) {
                continue;
            }
            let result = match member.was {
                Was::Parked => plan.block(member),
                Was::Home => plan.attach(member),
            };
            match result {
                Ok(()) => member.step = Step::Reverted,
                Err(_) => {
                    plan.park(member);
                    failed += 1;
                }
            }
            if seeded.has(Defect::EarlyReturnInUnwind) {
                break;
            }
        }
        for _ in 0..failed {
            self.warn(Warning::FailedRevert);
        }
    }

    fn plan<'a>(
        &'a mut self,
        to: &'a Arc<Domain>,
        from: Option<&'a Arc<Domain>>,
    ) -> (Move<'a>, &'a mut KVec<Member>) {
        let plan = Move {
            to,
            from,
            default: self.default.as_ref(),
            blocking: self.blocking.as_ref(),
        };
        (plan, &mut self.members)
    }
}

/// What a member was before it moved, as far as an unwind needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Was {
    /// With its group.
    Home,
    /// Parked after a failed return, or lost.
    Parked,
}

impl Move<'_> {
    /// Whether a member need not be touched: it is on the target, or is deferred and the target is
    /// the default domain, which its driver will attach later.
    fn is_there(&self, member: &Member) -> bool {
        match member.belief {
            Belief::OnDomain(_) => is(self.from, self.to),
            Belief::Deferred => is(self.default, self.to),
            Belief::Parked(_) | Belief::Lost(_) => false,
        }
    }

    /// Moves one member as part of a transition, unless firmware forbids it.
    fn advance(&self, member: &mut Member) -> Result<(), AttachError> {
        if self.is_there(member) {
            return Ok(());
        }
        let blocks = self.to.kind() == Kind::Blocked || is(self.blocking, self.to);
        if member.require_direct && blocks {
            member.step = Step::Refused;
            return Err(AttachError::Failed(EINVAL));
        }
        self.attach(member)
    }

    /// Calls the driver.
    fn attach(&self, member: &mut Member) -> Result<(), AttachError> {
        let device = &member.device;
        let old = self.old(member);
        match device.driver().attach(device, self.to, old) {
            Ok(attached) => {
                member.was = match member.is_astray() {
                    true => Was::Parked,
                    false => Was::Home,
                };
                member.belief = Belief::OnDomain(attached);
                member.step = match attached {
                    Attached::Translating => Step::Moved,
                    Attached::Fenced => Step::Fenced,
                };
                Ok(())
            }
            Err(error) => {
                member.step = Step::Refused;
                Err(error)
            }
        }
    }

    /// Where the driver is told that the member comes from.
    fn old<'a>(&'a self, member: &'a Member) -> Option<&'a Arc<Domain>> {
        match &member.belief {
            Belief::OnDomain(_) | Belief::Deferred => self.from,
            Belief::Parked(_) => self.refuge(member),
            Belief::Lost(domain) => domain.as_ref(),
        }
    }

    /// Blocks a member that could not go where it must, by all means. If even that fails, it may
    /// still reach where it came from.
    fn park(&self, member: &mut Member) {
        let old = self.old(member).cloned();
        if self.block(member).is_ok() {
            member.step = Step::Parked;
        } else {
            member.belief = Belief::Lost(old);
            member.step = Step::Lost;
        }
    }

    fn block(&self, member: &mut Member) -> Result<(), AttachError> {
        let refuge = self.refuge(member).ok_or(AttachError::Failed(ENODEV))?;
        if Arc::ptr_eq(refuge, self.to) {
            return Err(AttachError::Failed(ENODEV));
        }
        let device = &member.device;
        device.driver().attach(device, refuge, self.old(member))?;
        let parked = Belief::Parked(Park::FailedReturn);
        let _ = mem::replace(&mut member.belief, parked);
        Ok(())
    }

    /// The domain that blocks a member without any preparation.
    fn refuge<'a>(&'a self, member: &'a Member) -> Option<&'a Arc<Domain>> {
        self.blocking.or_else(|| member.device.driver().blocked())
    }
}
