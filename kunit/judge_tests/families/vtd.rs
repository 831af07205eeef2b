// SPDX-License-Identifier: GPL-2.0

//! Intel VT-d.

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
    judge::Invariant,
    mock::{
        endpoint::{
            EndpointConfig,
            InstanceConfig, //
        },
        unit::{
            Space,
            Unit, //
        },
        vtd::VtdUnit,
    },
    pgtable::{
        PageTable,
        X86FirstStage, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

const GIB: u64 = 1 << 30;

const LINUX: u32 = 0;
const STORE128: u32 = 1;
const SAME_DID: u32 = 2;
const SACRIFICIAL_DID: u32 = 3;
const LEGACY: u32 = 4;

/// Whether both are spaces of the first stage, or both of the second.
fn is_of_one_stage(from: End, to: End) -> bool {
    matches!((from, to), (End::A(a @ ..=1), End::B(b)) if a == b)
}

/// Lists are changed on the wrong side of the entry: whoever unmaps flushes nothing for an endpoint
/// that still, or already, translates.
fn by_linux(recipe: &Recipe, circumstance: Circumstance) -> Expected {
    match circumstance {
        Circumstance::UnmapOld | Circumstance::CutOld | Circumstance::AtsUnmapOld => {
            Expected::Broken(&[Invariant::Stale])
        }
        Circumstance::UnmapNew | Circumstance::CutNew | Circumstance::AtsUnmapNew => {
            Expected::Broken(&[Invariant::Line, Invariant::Stale])
        }
        _ => Expected::through_blocked(recipe),
    }
}

/// In scalable mode.
pub(crate) struct Scalable;

impl Judged for Scalable {
    type Unit = VtdUnit;
    const NAME: &'static str = "vtd";
    const STAGES: &'static [&'static str] = &["second stage", "first stage", "nested"];
    const PASID_STAGE: Option<usize> = Some(1);
    const ATS: bool = true;
    const READS: &'static [u32] = &[1, 2, 1, 1];

    fn flushes_alike(protocol: u32, from: End, to: End) -> bool {
        protocol != SACRIFICIAL_DID || !is_of_one_stage(from, to)
    }

    fn expects(protocol: u32, recipe: &Recipe, circumstance: Circumstance) -> Expected {
        let (from, to) = (recipe.from, recipe.to);
        let weak = Expected::through_blocked(recipe);
        let uses_both = |end| matches!(end, End::A(1..) | End::B(1..));
        let other = matches!(
            circumstance,
            Circumstance::OtherOnOld | Circumstance::OtherOnNew
        );
        match protocol {
            LINUX if recipe.pasid.is_none() => by_linux(recipe, circumstance),
            STORE128 if !(uses_both(from) && uses_both(to)) => Expected::Hitless,
            SAME_DID if is_of_one_stage(from, to) && !other => Expected::Hitless,
            SACRIFICIAL_DID if is_of_one_stage(from, to) => Expected::Hitless,
            _ => weak,
        }
    }

    fn unit(config: &InstanceConfig, endpoints: &[EndpointConfig]) -> Result<Arc<VtdUnit>> {
        VtdUnit::new(config, endpoints)
    }

    fn space(
        unit: &Arc<VtdUnit>,
        stage: usize,
        _beside: Option<&Arc<SpaceOf<Self>>>,
    ) -> Result<Arc<SpaceOf<Self>>> {
        match stage {
            0 => unit.new_second_stage_space(0),
            1 => unit.new_first_stage_space(0),
            _ => {
                let parent = unit.new_second_stage_space(0)?;
                let guest = Arc::pin_init(PageTable::<X86FirstStage>::new(4), GFP_KERNEL)?;
                // The guest has its tables and its pages where they are.
                let tables = guest.top().root & !(GIB - 1);
                parent.map(tables, tables, GIB, 1, Prot::RW).result?;
                parent.map(PAGES, PAGES, GIB, 8, Prot::RW).result?;
                unit.new_nested(&parent, guest)
            }
        }
    }
}

/// In legacy mode.
pub(crate) struct Legacy;

impl Judged for Legacy {
    type Unit = VtdUnit;
    const NAME: &'static str = "vtd";
    const STAGES: &'static [&'static str] = &["second stage"];
    const PASID_STAGE: Option<usize> = None;
    const ATS: bool = true;
    const READS: &'static [u32] = &[0, 0, 0, 0, 1, 2];

    fn expects(protocol: u32, recipe: &Recipe, circumstance: Circumstance) -> Expected {
        match protocol {
            LEGACY => by_linux(recipe, circumstance),
            _ => Expected::Hitless,
        }
    }

    fn unit(config: &InstanceConfig, endpoints: &[EndpointConfig]) -> Result<Arc<VtdUnit>> {
        VtdUnit::new(config, endpoints)
    }

    fn space(
        unit: &Arc<VtdUnit>,
        _stage: usize,
        _beside: Option<&Arc<SpaceOf<Self>>>,
    ) -> Result<Arc<SpaceOf<Self>>> {
        unit.new_second_stage_space(0)
    }
}
