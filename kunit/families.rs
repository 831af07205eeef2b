// SPDX-License-Identifier: GPL-2.0

//! The family under test, and the way in which it updates entries.
//!
//! A suite that is declared `over Families` is there once for each: `iommu_mock_attach` for the
//! plain family, `iommu_mock_vtd_attach` for the one of that name. One `over Protocols` is there
//! once more for each way of a family that is not its first: `iommu_mock_s390_retry_walk`. Fixtures
//! and rigs ask here what to make, so that cases need not know.

use crate::{
    kapi::kunit::{
        skip,
        Outcome,
        VariantName,
        Variants, //
    },
    mock::{
        endpoint::{
            EndpointConfig,
            InstanceConfig, //
        },
        family::{
            Family,
            FAMILIES, //
        },
        fault::FaultPlan,
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// Each family, with the way in which Linux does it.
pub(crate) enum Families {}

/// Each family with each of its ways.
pub(crate) enum Protocols {}

/// Numbers of the family under test and of its protocol. KUnit runs one suite at a time.
static UNDER_TEST: [Atomic<u32>; 2] = [Atomic::new(0), Atomic::new(0)];

/// Numbers of a family and of a protocol, and what suites for them are named after.
#[derive(Clone, Copy)]
struct Variant {
    family: u32,
    protocol: u32,
    name: VariantName,
}

const fn count_protocols() -> usize {
    let (mut count, mut at) = (0, 0);
    while at < FAMILIES.len() {
        count += FAMILIES[at].protocols.len();
        at += 1;
    }
    count
}

/// The first `N` of each family with its first protocol, or with all.
const fn variants<const N: usize>(all: bool) -> [Variant; N] {
    let mut variants = [const {
        Variant {
            family: 0,
            protocol: 0,
            name: ["", ""],
        }
    }; N];
    let (mut at, mut family) = (0, 0);
    while family < FAMILIES.len() {
        let Family {
            name, protocols, ..
        } = FAMILIES[family];
        let mut protocol = 0;
        while at < N && protocol < if all { protocols.len() } else { 1 } {
            variants[at] = Variant {
                family: family as u32,
                protocol: protocol as u32,
                name: [
                    name,
                    if protocol == 0 {
                        ""
                    } else {
                        protocols[protocol]
                    },
                ],
            };
            at += 1;
            protocol += 1;
        }
        family += 1;
    }
    variants
}

const fn names<const N: usize>(variants: &[Variant; N]) -> [VariantName; N] {
    let mut names = [["", ""]; N];
    let mut at = 0;
    while at < N {
        names[at] = variants[at].name;
        at += 1;
    }
    names
}

const FAMILY_VARIANTS: [Variant; FAMILIES.len()] = variants(false);
const PROTOCOL_VARIANTS: [Variant; count_protocols()] = variants(true);
const PREFIX: &str = "iommu_mock_";

impl Variants for Families {
    const PREFIX: &'static str = PREFIX;
    const NAMES: &'static [VariantName] = &names(&FAMILY_VARIANTS);

    fn select(at: usize) {
        select(FAMILY_VARIANTS.get(at));
    }
}

impl Variants for Protocols {
    const PREFIX: &'static str = PREFIX;
    const NAMES: &'static [VariantName] = &names(&PROTOCOL_VARIANTS);

    fn select(at: usize) {
        select(PROTOCOL_VARIANTS.get(at));
    }
}

fn select(variant: Option<&Variant>) {
    let (family, protocol) = variant.map_or((0, 0), |v| (v.family, v.protocol));
    let [under_test, way] = &UNDER_TEST;
    under_test.store(family, Relaxed);
    way.store(protocol, Relaxed);
}

/// The family under test.
///
/// # Errors
///
/// EINVAL if there is none.
pub(crate) fn under_test() -> Result<Family> {
    let [family, _] = &UNDER_TEST;
    Family::try_from(family.load(Relaxed))
}

/// What an instance of it can do unless a case wants otherwise.
pub(crate) fn config() -> InstanceConfig {
    let [_, protocol] = &UNDER_TEST;
    InstanceConfig {
        protocol: protocol.load(Relaxed),
        ..InstanceConfig::default()
    }
}

/// Whether PASIDs of what is under test can have domains of their own.
///
/// # Errors
///
/// ENOMEM.
pub(crate) fn has_pasids() -> Result<bool> {
    let mut endpoints = KVec::new();
    endpoints.push(EndpointConfig::ordinary(0), GFP_KERNEL)?;
    let faults = Arc::pin_init(FaultPlan::new(), GFP_KERNEL)?;
    let instance = under_test()?.build(config(), endpoints, faults)?;
    Ok(instance.driver.features().pasid)
}

/// Skips the case where they cannot.
pub(crate) fn needs_pasids() -> Outcome {
    match has_pasids()? {
        true => Ok(()),
        false => Err(skip(c"no PASIDs here")),
    }
}

/// How many operations of a random test to do: those of the plain family show what the core does,
/// those of the others that they are no exception.
///
/// # Errors
///
/// EINVAL if no family is under test.
pub(crate) fn operations(plain: u32, others: u32) -> Result<u32> {
    let first = Family::try_from(0)?.name;
    Ok(match under_test()?.name == first {
        true => plain,
        false => others,
    })
}
