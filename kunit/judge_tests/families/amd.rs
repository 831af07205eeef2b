// SPDX-License-Identifier: GPL-2.0

//! AMD-Vi.

use super::super::{
    family::{
        Expected,
        Judged,
        SpaceOf, //
    },
    matrix::Circumstance,
    recipe::Recipe, //
};
use crate::mock::{
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
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// See the module.
pub(crate) struct Amd;

/// An interrupt table in a device table entry: IV, IntTabLen, the pointer.
const INTERRUPTS: u64 = 0x1234_5640 | 0xb;

impl Judged for Amd {
    type Unit = AmdUnit;
    const NAME: &'static str = "amd";
    const STAGES: &'static [&'static str] = &["host", "guest"];
    const PASID_STAGE: Option<usize> = Some(1);
    const READS: &'static [u32] = &[4, 4];

    fn expects(protocol: u32, recipe: &Recipe, _circumstance: Circumstance) -> Expected {
        match protocol {
            // Detach, then attach.
            0 => Expected::through_blocked(recipe),
            _ => Expected::Hitless,
        }
    }

    fn unit(config: &InstanceConfig, endpoints: &[EndpointConfig]) -> Result<Arc<AmdUnit>> {
        AmdUnit::new(config, endpoints)
    }

    fn space(unit: &Arc<AmdUnit>, stage: usize) -> Result<Arc<SpaceOf<Self>>> {
        super::space(unit, stage != 0)
    }

    fn writer(unit: &Arc<AmdUnit>) -> Result<KVVec<Step>> {
        unit.machine().start_tape();
        let written = unit.interrupt_writer(0, INTERRUPTS);
        let steps = unit.machine().take_tape();
        written.map(|()| steps)
    }
}
