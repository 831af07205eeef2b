// SPDX-License-Identifier: GPL-2.0

//! Arm SMMUv3.

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
    record::PAGES,
};
use crate::{
    iommu::Prot,
    mock::{
        endpoint::{
            EndpointConfig,
            InstanceConfig, //
        },
        smmuv3::Smmuv3Unit,
        unit::{
            Space,
            Unit, //
        },
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// See the module.
pub(crate) struct Smmuv3;

impl Judged for Smmuv3 {
    type Unit = Smmuv3Unit;
    const NAME: &'static str = "smmuv3";
    const STAGES: &'static [&'static str] = &["stage 1", "stage 2", "nested"];
    const PASID_STAGE: Option<usize> = Some(0);
    const ATS: bool = true;
    const READS: &'static [u32] = &[1, 1];

    fn expects(protocol: u32, recipe: &Recipe, _circumstance: Circumstance) -> Expected {
        // Hardware families, 4.2: more than one critical word.
        match (recipe.from, recipe.to) {
            (End::A(0), End::B(0)) if protocol != 0 => Expected::Hitless,
            (End::A(_), End::B(_)) => Expected::Blocked,
            _ => Expected::Hitless,
        }
    }

    fn unit(config: &InstanceConfig, endpoints: &[EndpointConfig]) -> Result<Arc<Smmuv3Unit>> {
        Smmuv3Unit::new(config, endpoints)
    }

    fn space(
        unit: &Arc<Smmuv3Unit>,
        stage: usize,
        _beside: Option<&Arc<SpaceOf<Self>>>,
    ) -> Result<Arc<SpaceOf<Self>>> {
        match stage {
            0 => super::space(unit, false),
            1 => unit.new_stage2_space(48),
            _ => {
                let parent = unit.new_nest_parent()?;
                parent.map(PAGES, PAGES, 1 << 30, 8, Prot::RW).result?;
                unit.new_nested(&parent)
            }
        }
    }
}
