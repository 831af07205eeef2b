// SPDX-License-Identifier: GPL-2.0

//! Misuse that our types make impossible, and that the kernel's core has to answer at run time.
//!
//! It is committed on the kernel's core alone, among the operations of both. The core must say what
//! `Documentation/ledger.rst` has for it, and have changed nothing: see [`View`]. What makes the
//! kernel crash is not here.

mod verdict;

use self::verdict::Verdict;
use super::{
    choose::Model,
    view::{
        self,
        View, //
    },
    Pair, //
};
use crate::{
    ccore::misuse,
    iommu::Pasid,
    kapi::kunit::{
        check,
        Outcome,
        WarnCounter, //
    },
    rig::{
        DomainNo,
        HandleNo,
        Kernel,
        Rig,
        Scene, //
    },
};
use kernel::prelude::*;

/// What is got wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misuse {
    ClaimGroupByNobody,
    ClaimByNobody,
    AttachWithoutHandle,
    ReplaceByNothing,
    ReplaceWithoutHandle,
    AttachUnattachable,
    ReplaceByUnattachable,
    AttachOfNobodys,
    AttachWithoutIommu,
    HandleOfOtherType,
    DetachElsewhere,
    DetachOneOfSeveral,
    AttachPasidZero,
    AttachPasidInvalid,
    AttachPasidUnattachable,
    ReplacePasidZero,
    ReplacePasidWithoutHandle,
    ReplacePasidByItself,
    SetUnknownType,
    MapWithOddFlags,
    MapUnmappable,
    UnmapUnmappable,
    AllocForStranger,
    AttachStranger,
    AttachPasidOfStranger,
    ClaimStranger,
}

/// Each, the row of the ledger, and what it is called.
const ROWS: [(Misuse, &str, &str); 26] = [
    (
        Misuse::ClaimGroupByNobody,
        "E-claim-group-1",
        "claim by nobody",
    ),
    (
        Misuse::ClaimByNobody,
        "E-claim-device-1",
        "claim of a device by nobody",
    ),
    (
        Misuse::AttachWithoutHandle,
        "E-attach-handle-1",
        "attach with no handle",
    ),
    (
        Misuse::ReplaceByNothing,
        "E-replace-1",
        "replace by no domain",
    ),
    (
        Misuse::ReplaceWithoutHandle,
        "E-replace-2",
        "replace with no handle",
    ),
    (
        Misuse::AttachUnattachable,
        "E-attach-group-6",
        "attach of what cannot be",
    ),
    (
        Misuse::ReplaceByUnattachable,
        "E-replace-6",
        "replace by what cannot be attached",
    ),
    (
        Misuse::AttachOfNobodys,
        "E-attach-group-3",
        "attach of nobody's domain",
    ),
    (
        Misuse::AttachWithoutIommu,
        "E-attach-group-2",
        "attach of a group behind no IOMMU",
    ),
    (
        Misuse::HandleOfOtherType,
        "E-handle-get-3",
        "handle of another type",
    ),
    (Misuse::DetachElsewhere, "W-15", "detach from elsewhere"),
    (
        Misuse::DetachOneOfSeveral,
        "W-16",
        "detach of one of several",
    ),
    (
        Misuse::AttachPasidZero,
        "E-pasid-attach-4",
        "attach PASID 0",
    ),
    (
        Misuse::AttachPasidInvalid,
        "E-pasid-attach-6",
        "attach a PASID that is none",
    ),
    (
        Misuse::AttachPasidUnattachable,
        "E-pasid-attach-2",
        "attach a PASID to what cannot be",
    ),
    (
        Misuse::ReplacePasidZero,
        "E-pasid-replace-4",
        "replace PASID 0",
    ),
    (
        Misuse::ReplacePasidWithoutHandle,
        "E-pasid-replace-5",
        "replace a PASID with no handle",
    ),
    (
        Misuse::ReplacePasidByItself,
        "E-pasid-replace-9",
        "replace a PASID's handle by itself",
    ),
    (
        Misuse::SetUnknownType,
        "E-type-3",
        "set a type that is none",
    ),
    (Misuse::MapWithOddFlags, "E-map-2", "map by odd flags"),
    (
        Misuse::MapUnmappable,
        "E-map-3",
        "map where that is impossible",
    ),
    (
        Misuse::UnmapUnmappable,
        "W-23",
        "unmap where that is impossible",
    ),
    (
        Misuse::AllocForStranger,
        "E-alloc-1",
        "allocate for a stranger",
    ),
    (
        Misuse::AttachStranger,
        "E-attach-device-1",
        "attach a stranger",
    ),
    (
        Misuse::AttachPasidOfStranger,
        "E-pasid-attach-1",
        "attach a PASID of a stranger",
    ),
    (
        Misuse::ClaimStranger,
        "E-claim-device-2",
        "claim a stranger",
    ),
];

/// How it is committed: on which device, with which domain and PASID where it takes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct How {
    pub(super) at: u32,
    pub(super) domain: DomainNo,
    pub(super) pasid: Pasid,
}

/// A mistake in what is expected, for a test of the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slip {
    /// Another errno, or none.
    Errno,
    /// WARNs that do not come.
    Warns,
    /// Something does change.
    Change,
}

impl Misuse {
    /// Every one.
    pub(crate) const ALL: [Self; ROWS.len()] = {
        let mut all = [Self::ClaimByNobody; ROWS.len()];
        let mut at = 0;
        while at < ROWS.len() {
            assert!(ROWS[at].0 as usize == at);
            all[at] = ROWS[at].0;
            at += 1;
        }
        all
    };

    /// Its row of the ledger, and what it is called.
    pub(super) fn names(self) -> (&'static str, &'static str) {
        let row = ROWS.iter().find(|(misuse, ..)| *misuse == self);
        row.map_or(("", ""), |(_, row, name)| (row, name))
    }

    /// Whether it can be committed as things are, and would change nothing.
    pub(super) fn is_possible(self, how: How, model: &Model) -> bool {
        if model.present.get(how.at as usize).is_none() {
            return false;
        }
        match self {
            // The kernel takes the deferral away before it looks.
            Self::AttachUnattachable | Self::ReplaceByUnattachable => {
                model.scene != Scene::Deferred
            }
            Self::DetachElsewhere => model.attached != Some(how.domain),
            Self::DetachOneOfSeveral => {
                model.attached == Some(how.domain) && model.present.len() > 1
            }
            // Those functions have no PASIDs, so that the group takes any.
            Self::AttachPasidInvalid => model.scene != Scene::Resettable,
            Self::ReplacePasidByItself => model.pasid_has_handle(how.pasid),
            _ => true,
        }
    }

    /// Whether it must have been seen in a walk, on devices with PASIDs or without.
    pub(super) fn belongs(self, scene: Scene, pasids: bool) -> bool {
        match self {
            Self::AttachUnattachable | Self::ReplaceByUnattachable => scene != Scene::Deferred,
            Self::AttachPasidInvalid => scene != Scene::Resettable,
            Self::ReplacePasidByItself => pasids,
            _ => true,
        }
    }

    /// Commits it.
    fn commit(self, how: How, kernel: &Kernel) -> Result {
        let (domain, pasid) = (kernel.get(how.domain)?, how.pasid);
        let endpoint = kernel.endpoint(how.at)?;
        let wrong = endpoint.misuse();
        match self {
            Self::ClaimGroupByNobody => wrong.claim_group_by_nobody(),
            Self::ClaimByNobody => wrong.claim_by_nobody(),
            Self::AttachWithoutHandle => wrong.attach_without_handle(domain),
            Self::ReplaceByNothing => wrong.replace_by_nothing(),
            Self::ReplaceWithoutHandle => wrong.replace_without_handle(domain),
            Self::AttachUnattachable => wrong.attach_unattachable(),
            Self::ReplaceByUnattachable => wrong.replace_by_unattachable(),
            Self::AttachOfNobodys => wrong.attach_of_nobodys(),
            Self::AttachWithoutIommu => wrong.attach_group_without_iommu(domain),
            Self::HandleOfOtherType => wrong.handle_of_other_type(),
            Self::DetachElsewhere | Self::DetachOneOfSeveral => {
                endpoint.detach(domain);
                Ok(())
            }
            Self::AttachPasidZero => wrong.attach_pasid_0(domain),
            Self::AttachPasidInvalid => wrong.attach_pasid_invalid(domain),
            Self::AttachPasidUnattachable => wrong.attach_pasid_unattachable(pasid),
            Self::ReplacePasidZero => wrong.replace_pasid_0(domain),
            Self::ReplacePasidWithoutHandle => wrong.replace_pasid_without_handle(domain, pasid),
            Self::ReplacePasidByItself => wrong.replace_pasid_by_itself(pasid),
            Self::SetUnknownType => wrong.set_unknown_type(),
            Self::MapWithOddFlags => wrong.map_with_odd_flags(domain, view::BESIDE.try_into()?),
            Self::MapUnmappable => wrong.map_unmappable(),
            Self::UnmapUnmappable => wrong.unmap_unmappable(),
            Self::AllocForStranger => misuse::alloc_for_stranger(),
            Self::AttachStranger => misuse::attach_stranger(domain),
            Self::AttachPasidOfStranger => misuse::attach_pasid_of_stranger(domain, pasid),
            Self::ClaimStranger => misuse::claim_stranger(),
        }
    }
}

impl Pair {
    /// Commits it on the kernel's core, which must say what it has to and have changed nothing.
    pub(super) fn misuse(
        &mut self,
        misuse: Misuse,
        how: How,
        warnings: &WarnCounter,
        slip: Option<Slip>,
    ) -> Outcome {
        let kernel = &mut *self.kernel;
        let Verdict {
            mut result,
            mut warned,
        } = misuse.verdict(&self.model, kernel.mock().features().pasid);
        match slip {
            Some(Slip::Errno) => result = Err(EIO),
            Some(Slip::Warns) => warned = warned.end() + 1..=u32::MAX,
            Some(Slip::Change) | None => (),
        }
        kernel.recorder().clear();
        let before = View::of(kernel, &self.model)?;
        let count = warnings.count();
        let said = misuse.commit(how, kernel);
        let count = warnings.count() - count;
        if slip == Some(Slip::Change) {
            let _ = kernel.replace(how.domain, HandleNo(0));
        }
        check!(
            said == result && warned.contains(&count),
            "{misuse:?} {how:?}: the kernel's core says {said:?} and warns {count} times, not \
             {result:?} and {warned:?}"
        );
        let events = kernel.recorder().take();
        check!(
            events.is_empty(),
            "{misuse:?} {how:?}: the kernel's core calls {:?}",
            &events[..]
        );
        let after = View::of(kernel, &self.model)?;
        check!(
            before == after,
            "{misuse:?} {how:?}: the kernel's core was {before:?} and is {after:?}"
        );
        Ok(())
    }
}
