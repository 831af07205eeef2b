// SPDX-License-Identifier: GPL-2.0

//! Our core beside the kernel's.

use crate::{
    ccore::{
        is_kdump,
        PciAddress, //
    },
    differential::{
        Distortion,
        Mistake,
        Misuse,
        Slip,
        Walk, //
    },
    effort,
    families::{
        self,
        Families, //
    },
    group::defect::{
        Defect,
        Planted, //
    },
    kapi::kunit::{
        check,
        kunit_suite,
        quietly,
        skip,
        Outcome,
        Param, //
    },
    rig::Scene,
    seed,
};
use kernel::fmt;

kunit_suite! {
    iommu_mock_differential over Families:
    both_cores_agree_for_a_while;
    both_cores_agree_for_long: slow;
    comparison_finds_a_defect: each Planting in PLANTINGS;
    difference_is_shrunk_to_its_cause;
    distorted_record_is_found: each Distorted in DISTORTED;
    wrong_verdict_on_misuse_is_found: each Misjudged in MISJUDGED;
}

kunit_suite! {
    iommu_mock_differential_vm over Families:
    type_of_the_default_domain;
    one_member_must_not_be_lazy;
    direct_mappings;
    resets;
    deferred_attach;
}

/// The largest group, and the most PCI functions that a guest needs.
const MEMBERS: u32 = 6;
const FUNCTIONS: u32 = 3;

fn untranslated(steps: u32) -> Walk {
    Walk::new(Scene::Untranslated, MEMBERS, seed(), steps)
}

/// A defect that the comparison must find.
struct Planting(Defect);

impl Param for Planting {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

const PLANTINGS: [Planting; 9] = [
    Planting(Defect::UnwindSkipped),
    Planting(Defect::WrongMemberReverted),
    Planting(Defect::EarlyReturnInUnwind),
    Planting(Defect::WarnLost),
    Planting(Defect::OwnerCountOffByOne),
    Planting(Defect::BlockedGap),
    Planting(Defect::HandlePublishedEarly),
    Planting(Defect::PasidUnwindSkipped),
    Planting(Defect::ReleaseKeepsMember),
];

fn both_cores_agree_for_a_while() -> Outcome {
    let steps = families::operations(200, 40)?;
    untranslated(steps.saturating_mul(effort())).run()
}

fn both_cores_agree_for_long() -> Outcome {
    let steps = families::operations(10_000, 1_000)?;
    untranslated(steps.saturating_mul(effort())).run()
}

fn comparison_finds_a_defect(planting: &Planting) -> Outcome {
    if planting.0 == Defect::PasidUnwindSkipped {
        families::needs_pasids()?;
    }
    let _planted = Planted::new(planting.0);
    let found = quietly(|| untranslated(20_000).explore().is_err());
    check!(found, "both cores agree in spite of {:?}", planting.0);
    Ok(())
}

/// An unwind takes two members, one that fails, and nothing else.
fn difference_is_shrunk_to_its_cause() -> Outcome {
    let _planted = Planted::new(Defect::UnwindSkipped);
    let mut walk = untranslated(20_000);
    let Err(difference) = quietly(|| walk.explore()) else {
        check!(false, "both cores agree in spite of a defect");
        return Ok(());
    };
    let length = difference.length();
    let shortest = quietly(|| walk.shortest(difference));
    check!(shortest <= 2, "{shortest} of {length} operations are left");
    Ok(())
}

/// A part of a driver's calls that is recorded as it was not.
struct Distorted(Distortion);

impl Param for Distorted {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

const DISTORTED: [Distorted; Distortion::ALL.len()] = {
    let mut all = [const { Distorted(Distortion::Order) }; Distortion::ALL.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = Distorted(Distortion::ALL[at]);
        at += 1;
    }
    all
};

fn distorted_record_is_found(distorted: &Distorted) -> Outcome {
    if distorted.0 == Distortion::Pasid {
        families::needs_pasids()?;
    }
    let mut walk = untranslated(20_000).mistaken(Mistake::Record(distorted.0));
    let found = quietly(|| walk.explore().is_err());
    check!(found, "the comparison does not look at it");
    Ok(())
}

/// A misuse that is expected to end otherwise than it does.
struct Misjudged(Misuse);

impl Param for Misjudged {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

const MISJUDGED: [Misjudged; Misuse::ALL.len()] = {
    let mut all = [const { Misjudged(Misuse::ClaimByNobody) }; Misuse::ALL.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = Misjudged(Misuse::ALL[at]);
        at += 1;
    }
    all
};

fn wrong_verdict_on_misuse_is_found(misjudged: &Misjudged) -> Outcome {
    if misjudged.0 == Misuse::ReplacePasidByItself {
        families::needs_pasids()?;
    }
    for slip in [Slip::Errno, Slip::Warns, Slip::Change] {
        let mut walk = untranslated(20_000).mistaken(Mistake::Verdict(misjudged.0, slip));
        let found = quietly(|| walk.explore().is_err());
        check!(found, "a mistake is not found: {slip:?}");
    }
    Ok(())
}

/// Skips the case where the kernel cannot translate by default.
fn needs_dma_layer() -> Outcome {
    match cfg!(CONFIG_IOMMU_DMA) {
        true => Ok(()),
        false => Err(skip(c"no DMA layer")),
    }
}

fn in_scene(scene: Scene, members: u32) -> Outcome {
    let steps = families::operations(250, 10)?.saturating_mul(effort());
    Walk::new(scene, members, seed(), steps).run()
}

fn type_of_the_default_domain() -> Outcome {
    needs_dma_layer()?;
    in_scene(Scene::Translated, MEMBERS)
}

fn one_member_must_not_be_lazy() -> Outcome {
    needs_dma_layer()?;
    in_scene(Scene::OneStrict, MEMBERS)
}

fn direct_mappings() -> Outcome {
    needs_dma_layer()?;
    in_scene(Scene::Direct, MEMBERS)
}

fn resets() -> Outcome {
    needs_dma_layer()?;
    match PciAddress::with_ats(FUNCTIONS - 1) {
        Some(_) => in_scene(Scene::Resettable, FUNCTIONS),
        None => Err(skip(c"no PCI functions with ATS")),
    }
}

fn deferred_attach() -> Outcome {
    needs_dma_layer()?;
    match is_kdump() {
        true => in_scene(Scene::Deferred, MEMBERS),
        false => Err(skip(c"not booted for a crash dump")),
    }
}
