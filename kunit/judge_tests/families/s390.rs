// SPDX-License-Identifier: GPL-2.0

//! PCI functions of s390.

use super::super::{
    family::{
        Expected,
        Judged,
        SpaceOf, //
    },
    matrix::Circumstance,
    recipe::{
        Recipe,
        Refused, //
    }, //
};
use crate::{
    judge::Invariant,
    mock::{
        endpoint::{
            EndpointConfig,
            InstanceConfig, //
        },
        hw::{model::Answer, s390::instruction::status},
        s390::{
            plan::Rule,
            S390Unit, //
        },
        unit::Unit, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

const LINUX: u32 = 0;
const RETRY: u32 = 2;

/// See the module.
pub(crate) struct S390;

impl Judged for S390 {
    type Unit = S390Unit;
    const NAME: &'static str = "s390";
    const STAGES: &'static [&'static str] = &["table"];
    const PASID_STAGE: Option<usize> = None;
    const READS: &'static [u32] = &[1, 1, 1, 1];

    fn refuse(unit: &Arc<S390Unit>, call: Refused) -> Result {
        let rule = Rule::once(call.op, Answer::refused(status::INSUF_RES));
        unit.pci().answer_by(rule.after(call.skip))
    }

    fn expects(protocol: u32, recipe: &Recipe, circumstance: Circumstance) -> Expected {
        use Invariant::*;
        let stops = matches!(Expected::through_blocked(recipe), Expected::Blocked);
        match (protocol, circumstance, stops) {
            (LINUX, Circumstance::UnmapOld | Circumstance::CutOld, false) => {
                Expected::Broken(&[Stale])
            }
            (LINUX, Circumstance::UnmapOld | Circumstance::CutOld, true) => {
                Expected::Broken(&[Stale, Error])
            }
            (LINUX, Circumstance::UnmapNew | Circumstance::CutNew, false) => {
                Expected::Broken(&[Line, Stale])
            }
            (LINUX, Circumstance::UnmapNew | Circumstance::CutNew, true) => {
                Expected::Broken(&[Line, Stale, Error])
            }
            (LINUX | RETRY, _, true) => Expected::Broken(&[Error]),
            _ => Expected::Hitless,
        }
    }

    fn unit(config: &InstanceConfig, endpoints: &[EndpointConfig]) -> Result<Arc<S390Unit>> {
        S390Unit::new(config, endpoints)
    }

    fn space(
        unit: &Arc<S390Unit>,
        _stage: usize,
        _beside: Option<&Arc<SpaceOf<Self>>>,
    ) -> Result<Arc<SpaceOf<Self>>> {
        super::space(unit, false)
    }
}
