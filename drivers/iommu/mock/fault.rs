// SPDX-License-Identifier: GPL-2.0

//! Which call of a driver fails, how, and what it leaves behind.

use crate::{
    iommu::{
        EndpointId,
        Kind, //
    },
    kapi::{
        new_mutex,
        Mutex, //
    },
};
use kernel::prelude::*;

/// What a rule applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// [`Driver::attach`](crate::iommu::Driver::attach).
    Attach,
    /// [`Driver::set_pasid`](crate::iommu::Driver::set_pasid).
    SetPasid,
    /// [`Driver::alloc_paging`](crate::iommu::Driver::alloc_paging).
    Alloc,
    /// [`Driver::probe`](crate::iommu::Driver::probe).
    Probe,
    /// [`Driver::group`](crate::iommu::Driver::group).
    Group,
    /// [`Paging::map`](crate::iommu::Paging::map).
    Map,
    /// [`Paging::unmap`](crate::iommu::Paging::unmap), which says so by unmapping nothing.
    Unmap,
    /// [`Paging::sync_map`](crate::iommu::Paging::sync_map).
    SyncMap,
}

/// What a failing call does before it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// Nothing: the contract.
    Unchanged,
    /// Blocks the device's DMA, then fails: what several real drivers do.
    Blocked,
    /// Switches the hardware over, then fails.
    Half,
    /// Does nothing and returns success: a defect that must be noticed.
    Lie,
    /// Blocks the device's DMA and reports it fenced, which is not a failure.
    Fenced,
}

/// A rule of a [`FaultPlan`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// The call.
    pub(crate) op: Op,
    /// The device, or any.
    pub(crate) endpoint: Option<EndpointId>,
    /// The kind of the domain it is about, or any.
    pub(crate) to: Option<Kind>,
    /// A kind of domain it is never about.
    pub(crate) except: Option<Kind>,
    /// Matching calls that still go through.
    pub(crate) skip: u32,
    /// Matching calls that then fail.
    pub(crate) times: u32,
    /// With what.
    pub(crate) error: Error,
    /// Leaving what.
    pub(crate) leave: Leave,
}

impl Rule {
    /// The next such call fails with `error` and changes nothing.
    pub(crate) fn once(op: Op, error: Error) -> Self {
        Self {
            op,
            endpoint: None,
            to: None,
            except: None,
            skip: 0,
            times: 1,
            error,
            leave: Leave::Unchanged,
        }
    }

    /// The same for one device only.
    pub(crate) fn at(self, endpoint: EndpointId) -> Self {
        let endpoint = Some(endpoint);
        Self { endpoint, ..self }
    }

    /// The same towards one kind of domain only.
    pub(crate) fn towards(self, kind: Kind) -> Self {
        let to = Some(kind);
        Self { to, ..self }
    }

    /// The same towards any but one kind of domain.
    pub(crate) fn except(self, kind: Kind) -> Self {
        let except = Some(kind);
        Self { except, ..self }
    }

    /// The same for the next `times` calls.
    pub(crate) fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// The same after `skip` calls that go through.
    pub(crate) fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    /// The same with something left behind.
    pub(crate) fn leaving(self, leave: Leave) -> Self {
        Self { leave, ..self }
    }
}

/// A hit: what the failing call has to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// The error to return.
    pub(crate) error: Error,
    /// What to do before.
    pub(crate) leave: Leave,
}

/// Names a rule of one plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RuleId(u64);

/// How far a rule has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Calls that failed by it.
    pub(crate) hits: u32,
    /// It will make none fail any more.
    pub(crate) spent: bool,
}

struct Armed {
    id: RuleId,
    rule: Rule,
    hits: u32,
}

struct Rules {
    armed: KVec<Armed>,
    next: u64,
    hits: u32,
}

/// The rules of one hardware instance; the first that matches a call counts it.
#[pin_data]
pub(crate) struct FaultPlan {
    #[pin]
    rules: Mutex<Rules>,
}

impl FaultPlan {
    /// Makes an empty plan.
    pub(crate) fn new() -> impl PinInit<Self> {
        let rules = Rules {
            armed: KVec::new(),
            next: 0,
            hits: 0,
        };
        pin_init!(Self { rules <- new_mutex!(rules, "FaultPlan::rules") })
    }

    /// Adds a rule behind the others.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn add(&self, rule: Rule) -> Result {
        self.arm(rule).map(|_| ())
    }

    /// Adds a rule behind the others and names it.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn arm(&self, rule: Rule) -> Result<RuleId> {
        let mut rules = self.rules.lock();
        let id = RuleId(rules.next);
        let hits = 0;
        rules.armed.push(Armed { id, rule, hits }, GFP_KERNEL)?;
        rules.next += 1;
        Ok(id)
    }

    /// Removes one rule.
    pub(crate) fn disarm(&self, id: RuleId) {
        self.rules.lock().armed.retain(|armed| armed.id != id);
    }

    /// How far a rule has come; `None` for one that was removed.
    pub(crate) fn progress(&self, id: RuleId) -> Option<Progress> {
        let rules = self.rules.lock();
        let armed = rules.armed.iter().find(|armed| armed.id == id)?;
        Some(Progress {
            hits: armed.hits,
            spent: armed.rule.times == 0,
        })
    }

    /// Removes all rules.
    pub(crate) fn clear(&self) {
        self.rules.lock().armed.clear();
    }

    /// Calls that failed by this plan so far.
    pub(crate) fn hits(&self) -> u32 {
        self.rules.lock().hits
    }

    /// Asks whether this call fails.
    pub(crate) fn hit(
        &self,
        op: Op,
        endpoint: Option<EndpointId>,
        to: Option<Kind>,
    ) -> Option<Fault> {
        let mut rules = self.rules.lock();
        let Rules { armed, hits, .. } = &mut *rules;
        let armed = armed.iter_mut().find(|Armed { rule, .. }| {
            rule.op == op
                && rule.times != 0
                && (rule.endpoint.is_none() || rule.endpoint == endpoint)
                && (rule.to.is_none() || rule.to == to)
                && (rule.except.is_none() || rule.except != to)
        })?;
        let rule = &mut armed.rule;
        if rule.skip != 0 {
            rule.skip -= 1;
            return None;
        }
        rule.times -= 1;
        armed.hits = armed.hits.saturating_add(1);
        *hits = hits.saturating_add(1);
        Some(Fault {
            error: rule.error,
            leave: rule.leave,
        })
    }
}
