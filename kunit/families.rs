// SPDX-License-Identifier: GPL-2.0

//! The family under test.
//!
//! A suite that is declared `over Families` is there once for each: `iommu_mock_attach` for the
//! plain family, `iommu_mock_vtd_attach` for the one of that name. Fixtures and rigs ask here which
//! one it is, so that cases need not know.

use crate::{
    kapi::kunit::{
        skip,
        Outcome,
        Variants, //
    },
    mock::family::{
        Family,
        FAMILIES, //
    },
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// All families.
pub(crate) enum Families {}

/// Number of the family under test. KUnit runs one suite at a time.
static UNDER_TEST: Atomic<u32> = Atomic::new(0);

const NAMES: [&str; FAMILIES.len()] = {
    let mut names = [""; FAMILIES.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = FAMILIES[at].name;
        at += 1;
    }
    names
};

impl Variants for Families {
    const PREFIX: &'static str = "iommu_mock_";
    const NAMES: &'static [&'static str] = &NAMES;

    fn select(at: usize) {
        UNDER_TEST.store(at as u32, Relaxed);
    }
}

/// The family under test.
///
/// # Errors
///
/// EINVAL if there is none.
pub(crate) fn under_test() -> Result<Family> {
    Family::try_from(UNDER_TEST.load(Relaxed))
}

/// Skips the case for a family whose PASIDs have no domains of their own.
pub(crate) fn needs_pasids() -> Outcome {
    match under_test()?.pasid {
        true => Ok(()),
        false => Err(skip(c"the family has no PASIDs")),
    }
}

/// How many of the `operations` of a random test to do. Those of the plain family show what the
/// core does; a fifth shows that another family is no exception.
///
/// # Errors
///
/// EINVAL if no family is under test.
pub(crate) fn share(operations: u32) -> Result<u32> {
    let plain = Family::try_from(0)?.name;
    Ok(match under_test()?.name == plain {
        true => operations,
        false => operations / 5,
    })
}
