// SPDX-License-Identifier: GPL-2.0

//! The list of what to invalidate: the steps of arm_smmu_v3_invs_test() in Linux, on a list that
//! keeps nothing that nobody uses.

use crate::{
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mock::smmuv3::invs::{
        Inv,
        Invs,
        Kind, //
    },
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_smmuv3_invs:
    the_list_goes_through_the_steps_of_linux;
    the_last_user_of_each_is_told;
}

const fn inv(kind: Kind, id: u32, ssid: u32) -> Inv {
    Inv { kind, id, ssid }
}

const FIRST: [Inv; 3] = [
    inv(Kind::S2Vmid, 1, 0),
    inv(Kind::S2VmidS1Clear, 1, 0),
    inv(Kind::Ats, 3, 0),
];
const SECOND: [Inv; 3] = [
    inv(Kind::S2Vmid, 1, 0),
    inv(Kind::Ats, 4, 0),
    inv(Kind::Ats, 5, 0),
];
const THIRD: [Inv; 3] = [
    inv(Kind::S2Vmid, 1, 0),
    inv(Kind::Ats, 5, 0),
    inv(Kind::Ats, 6, 0),
];
const FOURTH: [Inv; 3] = [
    inv(Kind::Ats, 10, 1),
    inv(Kind::Ats, 10, 3),
    inv(Kind::Ats, 12, 1),
];
const FIFTH: [Inv; 3] = [
    inv(Kind::Ats, 10, 2),
    inv(Kind::Ats, 10, 3),
    inv(Kind::Ats, 12, 2),
];

/// Checks ids, users and SubstreamIDs.
fn verify(invs: &Invs, expected: &[(u32, u32, u32)]) -> Outcome {
    check_eq!(invs.all().len(), expected.len());
    for (counted, expected) in invs.all().iter().zip(expected) {
        check_eq!(
            (counted.inv.id, counted.users, counted.inv.ssid),
            *expected //
        );
    }
    let sorted = invs.all().is_sorted_by(|a, b| a.inv < b.inv);
    check!(sorted, "not in order, or twice");
    Ok(())
}

fn unref(invs: &mut Invs, list: &[Inv]) -> usize {
    list.iter().filter(|inv| invs.unref(**inv)).count()
}

fn the_list_goes_through_the_steps_of_linux() -> Outcome {
    let mut invs = Invs::new();
    verify(&invs, &[])?;
    invs.merge(&FIRST)?;
    verify(&invs, &[(1, 1, 0), (1, 1, 0), (3, 1, 0)])?;
    invs.merge(&SECOND)?;
    let expected = [(1, 2, 0), (1, 1, 0), (3, 1, 0), (4, 1, 0), (5, 1, 0)];
    verify(&invs, &expected)?;
    check_eq!(unref(&mut invs, &SECOND), 2);
    verify(&invs, &[(1, 1, 0), (1, 1, 0), (3, 1, 0)])?;
    // What is added again starts anew.
    invs.merge(&THIRD)?;
    let expected = [(1, 2, 0), (1, 1, 0), (3, 1, 0), (5, 1, 0), (6, 1, 0)];
    verify(&invs, &expected)?;
    check_eq!(unref(&mut invs, &FIRST), 2);
    verify(&invs, &[(1, 1, 0), (5, 1, 0), (6, 1, 0)])?;
    check_eq!(unref(&mut invs, &THIRD), 3);
    verify(&invs, &[])?;
    // SubstreamIDs tell those of one endpoint apart.
    invs.merge(&FOURTH)?;
    verify(&invs, &[(10, 1, 1), (10, 1, 3), (12, 1, 1)])?;
    invs.merge(&FIFTH)?;
    let expected = [(10, 1, 1), (10, 1, 2), (10, 2, 3), (12, 1, 1), (12, 1, 2)];
    verify(&invs, &expected)?;
    check_eq!(unref(&mut invs, &FIFTH), 2);
    verify(&invs, &[(10, 1, 1), (10, 1, 3), (12, 1, 1)])
}

fn the_last_user_of_each_is_told() -> Outcome {
    let mut invs = Invs::new();
    let one = FIRST.first().copied().ok_or(EINVAL)?;
    check!(!invs.unref(one), "nobody was a user");
    invs.merge(&[one, one])?;
    invs.merge(&[one])?;
    check!(!invs.unref(one));
    check!(!invs.unref(one));
    check!(invs.unref(one));
    check!(!invs.unref(one));
    verify(&invs, &[])
}
