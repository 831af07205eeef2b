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
        hw::step::Step,
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

/// Guest page tables of another depth than the endpoints' own have.
const SHALLOW: usize = 2;

/// An interrupt table in a device table entry: IV, IntTabLen, the pointer.
const INTERRUPTS: u64 = 0x1234_5640 | 0xb;

impl Judged for Amd {
    type Unit = AmdUnit;
    const NAME: &'static str = "amd";
    const STAGES: &'static [&'static str] = &["host", "guest", "guest, 4 levels"];
    const PASID_STAGE: Option<usize> = Some(1);
    const ATS: bool = true;
    const READS: &'static [u32] = &[4, 4];

    fn expects(protocol: u32, recipe: &Recipe, _circumstance: Circumstance) -> Expected {
        let (from, to) = (recipe.from, recipe.to);
        let is_shallow = |end| matches!(end, End::A(SHALLOW) | End::B(SHALLOW));
        let guest = |end| matches!(end, End::A(1..) | End::B(1..) | End::Identity);
        let depth = is_shallow(from) != is_shallow(to);
        match (protocol, recipe.pasid) {
            // Without V, DMA passes untranslated while the depth changes.
            (LINUX, Some(_)) if depth => Expected::Broken(match (from, to) {
                (End::Blocked, _) | (_, End::Blocked) => &[Invariant::Blocked],
                _ => &[Invariant::Untranslated],
            }),
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

    fn space(unit: &Arc<AmdUnit>, stage: usize) -> Result<Arc<SpaceOf<Self>>> {
        match stage {
            SHALLOW => unit.new_guest_space(4),
            _ => super::space(unit, stage != 0),
        }
    }

    fn writer(unit: &Arc<AmdUnit>) -> Result<KVVec<Step>> {
        unit.machine().start_tape();
        let written = unit.interrupt_writer(0, INTERRUPTS);
        let steps = unit.machine().take_tape();
        written.map(|()| steps)
    }
}
