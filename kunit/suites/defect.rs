// SPDX-License-Identifier: GPL-2.0

//! Proof that the cases can fail: a defect is planted in the core, and the case that is there for
//! it must notice.

use super::{
    attach,
    default,
    detach,
    owner,
    pasid,
    recovery,
    release,
    replace,
    schedule_named,
    search,
    Size, //
};
use crate::{
    group::defect::{
        Defect,
        Planted, //
    },
    kapi::{
        kunit::{
            check,
            fails,
            kunit_suite,
            Outcome,
            Param,
            WarnCounter, //
        },
        planted::Kind, //
    },
    rig::{
        Core,
        Setting, //
    },
};
use kernel::fmt;

kunit_suite! {
    iommu_mock_defect:
    planted_defect_is_found: each Proof in PROOFS;
    every_defect_has_a_proof;
}

/// A defect and the case that finds it.
struct Proof {
    defect: Defect,
    name: &'static str,
    case: fn() -> Outcome,
}

impl Param for Proof {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} by {}", self.defect, self.name)
    }
}

/// A proof by a case that takes a group size or a setting.
macro_rules! proof {
    ($defect:ident, $suite:ident::$case:ident, $param:expr) => {
        Proof {
            defect: Defect::$defect,
            name: stringify!($case),
            case: || $suite::$case(&$param),
        }
    };
}

const FIVE: Size = Size { members: 5 };
const OURS: Setting = Setting::new(Core::Ours, 5);

const PROOFS: [Proof; 18] = [
    proof!(
        UnwindSkipped,
        attach::attach_unwinds_when_a_member_refuses,
        FIVE
    ),
    proof!(
        WrongMemberReverted,
        attach::attach_unwinds_when_a_member_refuses,
        FIVE
    ),
    proof!(
        EarlyReturnInUnwind,
        replace::failed_replace_keeps_the_old_domain_on_every_member,
        OURS
    ),
    proof!(
        WarnLost,
        detach::failed_detach_warns_once_and_blocks_the_device,
        FIVE
    ),
    proof!(
        FallbackMissing,
        detach::failed_detach_warns_once_and_blocks_the_device,
        FIVE
    ),
    proof!(
        BindAfterFailedReturn,
        detach::failed_detach_warns_once_and_blocks_the_device,
        FIVE
    ),
    proof!(
        OwnerCountOffByOne,
        owner::claims_of_devices_are_counted,
        FIVE
    ),
    proof!(
        BlockedGap,
        replace::replace_goes_straight_from_old_to_new,
        OURS
    ),
    proof!(
        ForeignAccepted,
        replace::replace_by_a_foreign_domain_is_incompatible,
        FIVE
    ),
    proof!(
        HandlePublishedEarly,
        replace::failed_replace_keeps_the_old_domain_on_every_member,
        OURS
    ),
    proof!(
        DefaultForgotten,
        default::change_unwinds_when_a_member_refuses,
        FIVE
    ),
    proof!(
        ReleaseKeepsMember,
        release::leaving_member_is_blocked_and_the_others_stay,
        FIVE
    ),
    proof!(
        ParkedMoved,
        recovery::detach_leaves_the_parked_device_alone,
        FIVE
    ),
    proof!(
        SoftErrorStops,
        search::soft_refusal_goes_on_to_the_next,
        FIVE
    ),
    proof!(
        HardErrorContinues,
        search::hard_refusal_stops_without_another_domain,
        FIVE
    ),
    proof!(
        PasidUnwindSkipped,
        pasid::attach_unwinds_when_a_member_refuses,
        FIVE
    ),
    Proof {
        defect: Defect::ReleaseOutsideMutex,
        name: "user_and_unplug_take_turns",
        case: schedule_named::user_and_unplug_take_turns,
    },
    Proof {
        defect: Defect::ClaimChecksFirst,
        name: "two_users_take_turns",
        case: schedule_named::two_users_take_turns,
    },
];

fn planted_defect_is_found(proof: &Proof) -> Outcome {
    let _quiet = WarnCounter::start()?;
    (proof.case)()?;
    let planted = Planted::new(proof.defect);
    let found = fails(proof.case);
    drop(planted);
    check!(
        found,
        "{} passes in spite of {:?}",
        proof.name,
        proof.defect
    );
    (proof.case)()
}

fn every_defect_has_a_proof() -> Outcome {
    for &defect in Defect::ALL {
        let proven = PROOFS.iter().any(|proof| proof.defect == defect);
        check!(proven, "no case is known to find {:?}", defect);
    }
    Ok(())
}
