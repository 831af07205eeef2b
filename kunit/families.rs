// SPDX-License-Identifier: GPL-2.0

//! The family under test.
//!
//! A suite that is declared `over Families` is there once for each: `iommu_mock_attach` for the
//! plain family, `iommu_mock_vtd_attach` for the one of that name. Fixtures and rigs ask here which
//! one it is, so that cases need not know.

use crate::{
    kapi::kunit::Variants,
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
