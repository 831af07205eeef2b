// SPDX-License-Identifier: GPL-2.0

//! What an operation must have done, and what it must have left alone.

use crate::{
    fixture::Fixture,
    group::{
        Belief,
        Group,
        Owner,
        Ownership,
        Park,
        Warning, //
    },
    iommu::{
        AttachError,
        Attached,
        DefaultType,
        Domain,
        EndpointId,
        Pasid, //
    },
    kapi::kunit::{
        check,
        check_eq,
        Outcome,
        WarnCounter, //
    },
    oracle,
    recorder::{
        Call,
        Event,
        Tag, //
    },
};
use core::num::NonZeroU64;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A user.
pub(super) const OWNER: Owner = Owner(NonZeroU64::MIN);

/// Another one.
pub(super) const OTHER: Owner = Owner(NonZeroU64::MAX);

/// Device `id` was asked to go from `from` to `to`, and did.
pub(super) fn attach(id: u32, to: &Arc<Domain>, from: Option<&Arc<Domain>>) -> Event {
    call(id, None, to, from)
}

/// Device `id` was asked to send `pasid` from `from` to `to`, and did.
pub(super) fn pasid(id: u32, pasid: Pasid, to: &Arc<Domain>, from: Option<&Arc<Domain>>) -> Event {
    call(id, Some(pasid), to, from)
}

/// The same call, refused by the driver, whatever its errno.
pub(super) fn refused(event: Event) -> Event {
    match event.call {
        Call::Attach {
            pasid, to, from, ..
        } => Event {
            call: Call::Attach {
                pasid,
                to,
                from,
                answer: Err(AttachError::Incompatible),
            },
            ..event
        },
        Call::Probe | Call::Release => event,
    }
}

/// Device `id` was probed.
pub(super) fn probe(id: u32) -> Event {
    let call = Call::Probe;
    Event {
        endpoint: EndpointId(id),
        call,
    }
}

/// Device `id` was released.
pub(super) fn release(id: u32) -> Event {
    let call = Call::Release;
    Event {
        endpoint: EndpointId(id),
        call,
    }
}

fn call(id: u32, pasid: Option<Pasid>, to: &Arc<Domain>, from: Option<&Arc<Domain>>) -> Event {
    Event {
        endpoint: EndpointId(id),
        call: Call::Attach {
            pasid,
            to: Tag::of(to),
            from: from.map(Tag::of),
            answer: Ok(Attached::Translating),
        },
    }
}

/// One call for each of the devices `ids`, in that order.
pub(super) fn each(
    ids: impl Iterator<Item = u32>,
    call: impl Fn(u32) -> Event,
) -> Result<KVec<Event>> {
    let mut events = KVec::new();
    for id in ids {
        events.push(call(id), GFP_KERNEL)?;
    }
    Ok(events)
}

/// Checks that the driver got exactly these calls since it was last looked at.
#[track_caller]
pub(super) fn check_calls(fixture: &Fixture, expected: &[Event]) -> Outcome {
    let events = fixture.recorder().take();
    for (at, (event, expected)) in events.iter().zip(expected).enumerate() {
        check!(
            event.outline() == *expected,
            "call {} is {:?}, expected {:?}",
            at,
            event,
            expected
        );
    }
    check!(
        events.len() == expected.len(),
        "{} calls, expected {}: {:?}",
        events.len(),
        expected.len(),
        &events[..]
    );
    Ok(())
}

/// The default domain of the fixture's group.
pub(super) fn default_of(fixture: &Fixture) -> Result<Arc<Domain>> {
    Ok(fixture.group()?.lock().default().ok_or(ENODEV)?.clone())
}

/// What the core believes of a member, without its domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    OnDomain(Attached),
    Deferred,
    Parked(Park),
    Lost,
}

/// The state of a group, to be compared. WARNs and the blocking domain are left out: they stay when
/// an operation fails.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    current: Option<Tag>,
    default: Option<Tag>,
    default_type: Option<DefaultType>,
    owner: Ownership,
    handle: Option<u64>,
    members: KVec<(EndpointId, Where, u32)>,
    pasids: KVec<(Pasid, Tag)>,
}

impl Snapshot {
    /// Takes one.
    pub(super) fn of(group: &Group) -> Result<Self> {
        let state = group.lock();
        let mut members = KVec::new();
        for member in state.members() {
            let place = match member.belief() {
                Belief::OnDomain(attached) => Where::OnDomain(*attached),
                Belief::Deferred => Where::Deferred,
                Belief::Parked(why) => Where::Parked(*why),
                Belief::Lost(_) => Where::Lost,
            };
            let id = member.device().id();
            members.push((id, place, member.reset_depth()), GFP_KERNEL)?;
        }
        let mut pasids = KVec::new();
        for entry in state.pasid_entries() {
            pasids.push((entry.pasid(), Tag::of(entry.domain())), GFP_KERNEL)?;
        }
        Ok(Self {
            current: state.current().map(Tag::of),
            default: state.default().map(Tag::of),
            default_type: state.default_type(),
            owner: state.owner(),
            handle: state.handle().map(|handle| handle.cookie()),
            members,
            pasids,
        })
    }
}

/// Counts the WARNs of a case and looks after operations that must change nothing.
pub(super) struct Watch(WarnCounter);

impl Watch {
    /// Starts counting.
    pub(super) fn start() -> Result<Self> {
        WarnCounter::start().map(Self)
    }

    /// WARNs so far.
    pub(super) fn count(&self) -> u32 {
        self.0.count()
    }

    /// Checks that `op` fails with `error` without WARN, call or change.
    #[track_caller]
    pub(super) fn refuses<T, E: Into<Error>>(
        &self,
        fixture: &Fixture,
        group: &Group,
        error: Error,
        op: impl FnOnce() -> Result<T, E>,
    ) -> Outcome {
        let warned = self.count();
        let result = self.changes_nothing(fixture, group, op)?;
        let seen = result.err().map(Into::into);
        check!(seen == Some(error), "{:?}, expected {:?}", seen, error);
        check_eq!(self.count(), warned);
        Ok(())
    }

    /// Checks that `op` raises this one WARN and does nothing else.
    #[track_caller]
    pub(super) fn only_warns<T>(
        &self,
        fixture: &Fixture,
        group: &Group,
        warning: Warning,
        op: impl FnOnce() -> T,
    ) -> Outcome<T> {
        let (warned, of_kind) = (self.count(), group.lock().warned(warning));
        let result = self.changes_nothing(fixture, group, op)?;
        check_eq!(group.lock().warned(warning), of_kind + 1);
        check_eq!(self.count(), warned + 1);
        Ok(result)
    }

    #[track_caller]
    fn changes_nothing<T>(
        &self,
        fixture: &Fixture,
        group: &Group,
        op: impl FnOnce() -> T,
    ) -> Outcome<T> {
        fixture.recorder().clear();
        let before = Snapshot::of(group)?;
        let result = op();
        check_calls(fixture, &[])?;
        check_eq!(Snapshot::of(group)?, before);
        oracle::check(fixture)?;
        Ok(result)
    }
}
