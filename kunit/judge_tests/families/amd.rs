// SPDX-License-Identifier: GPL-2.0

//! AMD-Vi.

use super::super::{
    family::{
        Expected,
        Judged,
        SpaceOf, //
    },
    matrix::Circumstance,
    recipe::{
        Bystander,
        End,
        Recipe, //
    }, //
};
use crate::{
    judge::Invariant,
    mock::{
        amd::AmdUnit,
        endpoint::{
            EndpointConfig,
            InstanceConfig, //
        },
        hw::{
            amd::dte::Dte,
            step::Step, //
        },
        unit::{
            Modelled,
            Unit, //
        },
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// See the module.
pub(crate) struct Amd;

const LINUX: u32 = 0;

/// Host page tables.
const HOST: usize = 0;

/// Guest page tables.
const GUEST: usize = 1;

/// Guest page tables of another depth than the endpoints' own have.
const SHALLOW: usize = 2;

/// Nested in a host page table of its own.
const NESTED: usize = 3;

/// Nested in the host page table that the other side is, or is nested in.
const BESIDE: usize = 4;

/// The same with page tables of another depth.
const BESIDE_SHALLOW: usize = 5;

/// The host page table that the other side is nested in.
const PARENT: usize = 6;

/// An interrupt table in a device table entry: IV, IntTabLen, the pointer.
const INTERRUPTS: u64 = 0x1234_5640 | 0xb;

/// What a space is nested in; itself where it is not.
fn parent_of(space: &Arc<SpaceOf<Amd>>) -> Arc<SpaceOf<Amd>> {
    space.parent().unwrap_or(space).clone()
}

fn is_shallow(end: End) -> bool {
    matches!(end, End::A(SHALLOW) | End::B(SHALLOW | BESIDE_SHALLOW))
}

fn has_guest_tables(end: End) -> bool {
    matches!(end, End::A(stage) | End::B(stage) if (GUEST..PARENT).contains(&stage))
}

/// What becomes of an attach that goes straight from entry to entry, without a flush by DomainID,
/// and that the books do not tell of.
fn nested_by_linux(from: End, to: End, circumstance: Circumstance) -> Expected {
    let (leaves, comes) = (Amd::is_nested(from), Amd::is_nested(to));
    // What the endpoint was on before is flushed where it is detached from that, or where the
    // DomainID that is replaced is.
    let goes = !matches!(
        circumstance,
        Circumstance::OldStays | Circumstance::OtherOnOld | Circumstance::Returns
    );
    let unflushed = match (from, to) {
        (End::A(HOST), End::B(NESTED)) => true,
        (_, End::Blocked) => leaves,
        _ => leaves && comes,
    };
    let passes =
        has_guest_tables(from) && has_guest_tables(to) && is_shallow(from) != is_shallow(to);
    // Only who is on the parent has it wait.
    let unwaited = match circumstance {
        Circumstance::UnmapBehindOld => true,
        Circumstance::UnmapBehindNew => from != End::A(HOST) || to != End::B(BESIDE),
        _ => false,
    };
    if circumstance == Circumstance::Returns && !comes && to != End::Blocked {
        return Expected::Broken(&[Invariant::New]);
    }
    match (goes && unflushed, unwaited, passes) {
        (false, false, false) => Expected::Hitless,
        (true, false, false) => Expected::Broken(&[Invariant::Tag]),
        (false, true, false) => Expected::Broken(&[Invariant::Stale]),
        (true, true, false) => Expected::Broken(&[Invariant::Tag, Invariant::Stale]),
        (false, false, true) => Expected::Broken(&[Invariant::Untranslated]),
        (true, false, true) => Expected::Broken(&[Invariant::Tag, Invariant::Untranslated]),
        (false, true, true) => Expected::Broken(&[Invariant::Stale, Invariant::Untranslated]),
        (true, true, true) => {
            Expected::Broken(&[Invariant::Tag, Invariant::Stale, Invariant::Untranslated])
        }
    }
}

impl Judged for Amd {
    type Unit = AmdUnit;
    const NAME: &'static str = "amd";
    const STAGES: &'static [&'static str] = &[
        "host",
        "guest",
        "guest, 4 levels",
        "nested",
        "nested, same parent",
        "nested, same parent, 4 levels",
        "host, the parent",
    ];
    const PASID_STAGE: Option<usize> = Some(1);
    const ATS: bool = true;
    const READS: &'static [u32] = &[4, 4];

    fn expects(protocol: u32, recipe: &Recipe, circumstance: Circumstance) -> Expected {
        let (from, to) = (recipe.from, recipe.to);
        let guest = |end| has_guest_tables(end) || end == End::Identity;
        let depth = is_shallow(from) != is_shallow(to);
        match (protocol, recipe.pasid) {
            // Without V, DMA passes untranslated while the depth changes.
            (LINUX, Some(_)) if depth => Expected::Broken(match (from, to) {
                (End::Blocked, _) | (_, End::Blocked) => &[Invariant::Blocked],
                _ => &[Invariant::Untranslated],
            }),
            (LINUX, None) if Self::is_nested(from) || Self::is_nested(to) => {
                nested_by_linux(from, to, circumstance)
            }
            // Detach, then attach.
            (LINUX, _) => Expected::through_blocked(recipe),
            (_, Some(_)) if depth => Expected::Blocked,
            (_, None) if depth && guest(from) && guest(to) => Expected::Blocked,
            _ => Expected::Hitless,
        }
    }

    fn unit(config: &InstanceConfig, endpoints: &[EndpointConfig]) -> Result<Arc<AmdUnit>> {
        AmdUnit::new(config, endpoints)
    }

    fn space(
        unit: &Arc<AmdUnit>,
        stage: usize,
        beside: Option<&Arc<SpaceOf<Self>>>,
    ) -> Result<Arc<SpaceOf<Self>>> {
        let nested = |levels| {
            let parent = match beside {
                Some(beside) if stage != NESTED => parent_of(beside),
                _ => super::space(unit, false)?,
            };
            // No two guests of a case have the same domain.
            let domain = if beside.is_some() { 2 } else { 1 };
            unit.new_nested(&parent, &Dte::of_guest(levels, domain))
        };
        match (stage, beside) {
            (PARENT, Some(beside)) => Ok(parent_of(beside)),
            (SHALLOW, _) => unit.new_guest_space(4),
            (BESIDE_SHALLOW, _) => nested(4),
            (NESTED | BESIDE, _) => nested(5),
            _ => super::space(unit, stage != HOST),
        }
    }

    fn is_nested(end: End) -> bool {
        matches!(
            end,
            End::A(NESTED) | End::B(NESTED | BESIDE | BESIDE_SHALLOW)
        )
    }

    fn behind(space: &SpaceOf<Self>) -> Option<&SpaceOf<Self>> {
        Some(space.parent()?)
    }

    fn is_wanted(from: End, to: End) -> bool {
        match (from, to) {
            (End::A(NESTED), _) | (End::Blocked | End::Identity, End::A(NESTED)) => true,
            (End::A(HOST), End::B(BESIDE)) => true,
            (End::A(from), End::B(to)) => from < NESTED && to <= NESTED,
            (End::A(end), _) | (_, End::A(end)) => end < NESTED,
            _ => true,
        }
    }

    fn endpoint(recipe: &Recipe, config: &mut EndpointConfig) {
        let nested = Self::is_nested(recipe.from) || Self::is_nested(recipe.to);
        // Linux has nobody nested who has PASIDs.
        if nested && recipe.pasid.is_none() && recipe.bystander != Some(Bystander::Pasid) {
            config.max_pasids = 0;
        }
    }

    fn writer(unit: &Arc<AmdUnit>) -> Result<KVVec<Step>> {
        unit.machine().start_tape();
        let written = unit.interrupt_writer(0, INTERRUPTS);
        let steps = unit.machine().take_tape();
        written.map(|()| steps)
    }
}
