// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/config/iommu_mock/<instance>/faults/<rule>`: which call fails.

use super::{
    errno_name::Errno,
    quota::Share,
    refuse,
    text::{
        self,
        name_of,
        Page,
        Written, //
    },
    MAX_ENDPOINTS, //
};
use crate::{
    iommu::{
        EndpointId,
        Kind, //
    },
    kapi::{
        compat::configfs_attrs,
        configfs::check_shared,
        new_mutex,
        Mutex, //
    },
    mock::fault::{
        FaultPlan,
        Leave,
        Op,
        Rule,
        RuleId, //
    },
};
use kernel::{
    configfs,
    prelude::*,
    sync::Arc, //
};

/// What a rule is about, in the words of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Attach,
    Detach,
    Map,
    Unmap,
    Alloc,
    SetPasid,
    Flush,
}

/// Calls by name.
const CALLS: &[(&str, Call)] = &[
    ("attach", Call::Attach),
    ("detach", Call::Detach),
    ("map", Call::Map),
    ("unmap", Call::Unmap),
    ("alloc", Call::Alloc),
    ("set_pasid", Call::SetPasid),
    ("flush", Call::Flush),
];

const LEAVES: &[(&str, Leave)] = &[
    ("unchanged", Leave::Unchanged),
    ("blocked", Leave::Blocked),
    ("half", Leave::Half),
];

/// What is written for "whichever member".
const ANY: &str = "any";

/// The data of such a directory.
#[pin_data(PinnedDrop)]
pub(super) struct RuleDir {
    plan: Arc<FaultPlan>,
    #[pin]
    state: Mutex<State>,
    _share: Share,
}

struct State {
    call: Call,
    member: Option<EndpointId>,
    /// 0 for every matching call.
    nth: u32,
    errno: Errno,
    leave: Leave,
    /// Nothing above changes while there is one.
    armed: Option<RuleId>,
    /// By rules that were armed before.
    hits: u32,
}

const _: () = check_shared::<RuleDir>();

impl State {
    /// Adds the hits since the rule was armed, and ends that if it will hit no more.
    fn settle(&mut self, plan: &FaultPlan) {
        if let Some(progress) = self.armed.and_then(|id| plan.progress(id)) {
            if progress.spent {
                self.disarm(plan);
            }
        }
    }

    fn disarm(&mut self, plan: &FaultPlan) {
        self.hits = self.all_hits(plan);
        if let Some(id) = self.armed.take() {
            plan.disarm(id);
        }
    }

    fn all_hits(&self, plan: &FaultPlan) -> u32 {
        let progress = self.armed.and_then(|id| plan.progress(id));
        self.hits.saturating_add(progress.map_or(0, |p| p.hits))
    }

    /// The rule, if it makes sense.
    fn rule(&self) -> Result<Rule> {
        let op = match self.call {
            Call::Attach | Call::Detach => Op::Attach,
            Call::Map => Op::Map,
            Call::Unmap => Op::Unmap,
            Call::Alloc => Op::Alloc,
            Call::SetPasid => Op::SetPasid,
            // The only one that may fail: the driver tells the hardware of new mappings.
            Call::Flush => Op::SyncMap,
        };
        let name = name_of(CALLS, self.call);
        let of_domain = matches!(op, Op::Map | Op::Unmap | Op::SyncMap);
        if of_domain && self.member.is_some() {
            let why = fmt!("arm: {name} is a call for a domain, not for a member");
            return Err(refuse(EINVAL, why));
        }
        if (of_domain || op == Op::Alloc) && self.leave != Leave::Unchanged {
            let why = fmt!("arm: {name} can leave nothing but unchanged");
            return Err(refuse(EINVAL, why));
        }
        let rule = Rule::once(op, self.errno.error()).leaving(self.leave);
        let rule = match self.call {
            Call::Attach => rule.except(Kind::Blocked),
            Call::Detach => rule.towards(Kind::Blocked),
            Call::Map | Call::Unmap | Call::Alloc | Call::SetPasid | Call::Flush => rule,
        };
        let rule = match self.nth.checked_sub(1) {
            Some(skip) => rule.after(skip),
            None => rule.times(u32::MAX),
        };
        Ok(match self.member {
            Some(member) => rule.at(member),
            None => rule,
        })
    }
}

impl RuleDir {
    /// Makes a directory for a rule that is not armed.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn create(
        name: &CStr,
        plan: Arc<FaultPlan>,
        share: Share,
    ) -> Result<impl PinInit<configfs::Group<Self>, Error>> {
        let item_type = configfs_attrs! {
            container: configfs::Group<RuleDir>,
            data: RuleDir,
            attributes: [
                op: 0,
                member: 1,
                nth: 2,
                errno: 3,
                leave: 4,
                hits: 5,
                arm: 6,
            ],
        };
        let state = State {
            call: Call::Attach,
            member: None,
            nth: 1,
            errno: Errno::DEFAULT,
            leave: Leave::Unchanged,
            armed: None,
            hits: 0,
        };
        let data = try_pin_init!(Self {
            plan,
            state <- new_mutex!(state, "control::RuleDir::state"),
            _share: share,
        });
        Ok(configfs::Group::new(name.try_into()?, item_type, data))
    }

    /// Changes the rule, unless it is armed.
    fn configure(&self, change: impl FnOnce(&mut State)) -> Result {
        let mut state = self.state.lock();
        state.settle(&self.plan);
        if state.armed.is_some() {
            let why = fmt!("an armed rule cannot change");
            return Err(refuse(EBUSY, why));
        }
        change(&mut state);
        Ok(())
    }
}

#[pinned_drop]
impl PinnedDrop for RuleDir {
    fn drop(self: Pin<&mut Self>) {
        self.state.lock().disarm(&self.plan);
    }
}

#[vtable]
impl configfs::AttributeOperations<0> for RuleDir {
    type Data = Self;

    fn show(this: &Self, page: &mut Page) -> Result<usize> {
        let call = this.state.lock().call;
        text::show(page, fmt!("{}\n", name_of(CALLS, call)))
    }

    fn store(this: &Self, page: &[u8]) -> Result {
        let call = Written::new("op", page)?.one_of(CALLS)?;
        this.configure(|state| state.call = call)
    }
}

#[vtable]
impl configfs::AttributeOperations<1> for RuleDir {
    type Data = Self;

    fn show(this: &Self, page: &mut Page) -> Result<usize> {
        match this.state.lock().member {
            Some(member) => text::show(page, fmt!("{}\n", member.0)),
            None => text::show(page, fmt!("{ANY}\n")),
        }
    }

    fn store(this: &Self, page: &[u8]) -> Result {
        let written = Written::new("member", page)?;
        let member = match written.word() {
            ANY => None,
            _ => Some(EndpointId(written.number(0..=MAX_ENDPOINTS - 1)?)),
        };
        this.configure(|state| state.member = member)
    }
}

#[vtable]
impl configfs::AttributeOperations<2> for RuleDir {
    type Data = Self;

    fn show(this: &Self, page: &mut Page) -> Result<usize> {
        text::show(page, fmt!("{}\n", this.state.lock().nth))
    }

    fn store(this: &Self, page: &[u8]) -> Result {
        let nth = Written::new("nth", page)?.number(0..=u32::MAX)?;
        this.configure(|state| state.nth = nth)
    }
}

#[vtable]
impl configfs::AttributeOperations<3> for RuleDir {
    type Data = Self;

    fn show(this: &Self, page: &mut Page) -> Result<usize> {
        text::show(page, fmt!("{}\n", this.state.lock().errno))
    }

    fn store(this: &Self, page: &[u8]) -> Result {
        let errno = Errno::parse(Written::new("errno", page)?)?;
        this.configure(|state| state.errno = errno)
    }
}

#[vtable]
impl configfs::AttributeOperations<4> for RuleDir {
    type Data = Self;

    fn show(this: &Self, page: &mut Page) -> Result<usize> {
        let leave = this.state.lock().leave;
        text::show(page, fmt!("{}\n", name_of(LEAVES, leave)))
    }

    fn store(this: &Self, page: &[u8]) -> Result {
        let leave = Written::new("leave", page)?.one_of(LEAVES)?;
        this.configure(|state| state.leave = leave)
    }
}

#[vtable]
impl configfs::AttributeOperations<5> for RuleDir {
    type Data = Self;

    fn show(this: &Self, page: &mut Page) -> Result<usize> {
        let hits = this.state.lock().all_hits(&this.plan);
        text::show(page, fmt!("{hits}\n"))
    }
}

#[vtable]
impl configfs::AttributeOperations<6> for RuleDir {
    type Data = Self;

    fn show(this: &Self, page: &mut Page) -> Result<usize> {
        let mut state = this.state.lock();
        state.settle(&this.plan);
        text::show(page, fmt!("{}\n", u32::from(state.armed.is_some())))
    }

    fn store(this: &Self, page: &[u8]) -> Result {
        let arm = Written::new("arm", page)?.switch()?;
        let mut state = this.state.lock();
        state.settle(&this.plan);
        match (arm, state.armed) {
            (true, None) => state.armed = Some(this.plan.arm(state.rule()?)?),
            (false, Some(_)) => state.disarm(&this.plan),
            (true, Some(_)) | (false, None) => (),
        }
        Ok(())
    }
}
