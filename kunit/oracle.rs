// SPDX-License-Identifier: GPL-2.0

//! Whether a group is as it must be whenever nobody works on it: its invariants, and what the core
//! believes against where the hardware sends DMA.

use super::{
    fixture::{
        wild,
        Fixture, //
    },
    mark, //
};
use crate::{
    group::{
        Belief,
        Member,
        Ownership,
        Park,
        State,
        Warning, //
    },
    iommu::{
        Attached,
        Domain,
        Pasid, //
    },
    kapi::kunit::{
        check,
        Outcome, //
    },
    mock::{
        hw::Reach,
        unit::FORMER_KERNEL, //
    },
};
use kernel::sync::Arc;

/// Checks everything about the groups of a fixture.
pub(crate) fn check(fixture: &Fixture) -> Outcome {
    for endpoint in fixture.endpoints() {
        check_group(fixture, &endpoint.group().lock())?;
    }
    let wild = wild(fixture.mock());
    check!(
        wild == 0,
        "hardware read {wild} times where there is no table"
    );
    let breaches = fixture.recorder().breaches();
    check!(
        breaches == 0,
        "{breaches} calls for a device that had left, or that another call was at work on"
    );
    Ok(())
}

/// WARNs of which one is raised when a device cannot be brought where it must be.
const STRAYED: [Warning; 4] = [
    Warning::FailedReturn,
    Warning::FailedRevert,
    Warning::FailedDefault,
    Warning::FailedRestore,
];

/// Checks everything about one group.
pub(crate) fn check_group(fixture: &Fixture, state: &State) -> Outcome {
    if state.members().is_empty() {
        let domains = (state.current(), state.default(), state.blocking());
        check!(
            matches!(domains, (None, None, None)),
            "an empty group keeps a domain"
        );
        return Ok(());
    }
    check!(
        state.default().is_none() || state.current().is_some(),
        "a default domain without a current one"
    );
    if let Ownership::User { claims, .. } = state.owner() {
        check!(claims >= 1, "owned without a claim");
        check!(
            state.blocking().is_some(),
            "owned without a blocking domain"
        );
    }
    if let Ownership::Kernel { drivers } = state.owner() {
        check!(drivers >= 1, "used by no driver");
    }
    let default = state.default().zip(state.current());
    if let (Ownership::User { .. }, Some((default, current))) = (state.owner(), default) {
        check!(
            !Arc::ptr_eq(default, current),
            "owned, but on the default domain"
        );
    }
    let warned = STRAYED.into_iter().any(|w| state.warned(w) != 0);
    for member in state.members() {
        check!(
            warned || !is_astray(member),
            "device {} is astray without a WARN",
            member.device().id().0
        );
        check_member(fixture, state, member)?;
    }
    Ok(())
}

/// Whether a device could not be brought where it must be.
pub(crate) fn is_astray(member: &Member) -> bool {
    let belief = member.belief();
    matches!(belief, Belief::Parked(Park::FailedReturn) | Belief::Lost(_))
}

fn check_member(fixture: &Fixture, state: &State, member: &Member) -> Outcome {
    let id = member.device().id();
    let reset = matches!(member.belief(), Belief::Parked(Park::Reset));
    check!(
        reset == (member.reset_depth() != 0),
        "device {}: parked {}, reset depth {}",
        id.0,
        reset,
        member.reset_depth()
    );

    let truth = fixture.mock().dma(id, None, mark::IOVA);
    if let Some(belief) = believed(state, member) {
        check!(
            truth == belief,
            "device {}: believed to reach {:x?}, reaches {:x?}",
            id.0,
            belief,
            truth
        );
    }
    let pasid_warned = [
        Warning::FailedPasidBlock,
        Warning::FailedPasidRevert,
        Warning::FailedPasidRestore,
    ];
    if pasid_warned.into_iter().any(|w| state.warned(w) != 0) {
        // The contract was broken by a driver; where its PASIDs go is nobody's knowledge.
        return Ok(());
    }
    for number in 1..member.device().max_pasids() {
        let pasid = Pasid::new(number)?;
        let entry = state.pasid_entries().iter().find(|e| e.pasid() == pasid);
        let belief = match entry {
            Some(entry) if !reset => reach(entry.domain()),
            Some(_) | None => Reach::Aborted,
        };
        let truth = fixture.mock().dma(id, Some(pasid), mark::IOVA);
        check!(
            truth == belief,
            "device {} PASID {}: believed to reach {:x?}, reaches {:x?}",
            id.0,
            number,
            belief,
            truth
        );
    }
    Ok(())
}

/// Where a member must get to, or `None` where the core admits not to know.
fn believed(state: &State, member: &Member) -> Option<Reach> {
    match member.belief() {
        Belief::OnDomain(Attached::Translating) => state.current().map(reach),
        Belief::OnDomain(Attached::Fenced) | Belief::Parked(_) => Some(Reach::Aborted),
        Belief::Deferred => Some(Reach::Memory(FORMER_KERNEL + mark::IOVA)),
        Belief::Lost(_) => None,
    }
}

/// Where a device on `domain` gets to.
pub(crate) fn reach(domain: &Arc<Domain>) -> Reach {
    domain
        .iova_to_phys(mark::IOVA)
        .map_or(Reach::Aborted, Reach::Memory)
}
