// SPDX-License-Identifier: GPL-2.0

//! What a family adds to the cases that all families have in common.

use super::{
    matrix::Circumstance,
    recipe::{
        End,
        Recipe,
        Refused, //
    },
};
use crate::{
    judge::{
        Invariant,
        Report,
        Verdict, //
    },
    kapi::errno,
    mock::{
        endpoint::{
            EndpointConfig,
            InstanceConfig, //
        },
        hw::step::Step,
        unit::Modelled, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What a case is worth.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// All DMA is answered by the old or by the new side.
    Hitless,
    /// Some is aborted.
    Blocked,
    /// Exactly these invariants do not hold.
    Broken(&'static [Invariant]),
}

impl Expected {
    /// Whether a report is that.
    pub(crate) fn is(self, report: &Report) -> bool {
        match self {
            Self::Hitless => report.verdict == Verdict::Hitless,
            Self::Blocked => report.verdict == Verdict::Blocked,
            Self::Broken(invariants) => {
                let all = invariants.iter().fold(0, |all, i| all | i.bit());
                matches!(report.verdict, Verdict::Broken(_)) && report.broken == all
            }
        }
    }

    /// What a way through blocked is worth; who comes from there or goes there does not notice.
    pub(crate) fn through_blocked(recipe: &Recipe) -> Self {
        match (recipe.from, recipe.to) {
            (End::Blocked, _) | (_, End::Blocked) => Self::Hitless,
            _ => Self::Blocked,
        }
    }
}

/// See the module.
pub(crate) trait Judged: 'static {
    /// What is judged.
    type Unit: Modelled;

    /// Name of the kind of hardware.
    const NAME: &'static str;

    /// Names of the kinds of page tables that DMA without PASID can go by.
    const STAGES: &'static [&'static str];

    /// The kind of page tables that the DMA of a PASID can go by, by number.
    const PASID_STAGE: Option<usize>;

    /// Makes an instance.
    ///
    /// # Errors
    ///
    /// Those of [`Unit::new`](crate::mock::unit::Unit::new).
    fn unit(config: &InstanceConfig, endpoints: &[EndpointConfig]) -> Result<Arc<Self::Unit>>;

    /// Makes an empty page table of a kind, by number, for endpoint 0; `beside` is that of the old
    /// side, where it is for the new one.
    ///
    /// # Errors
    ///
    /// Those of [`Unit::new_space`](crate::mock::unit::Unit::new_space).
    fn space(
        unit: &Arc<Self::Unit>,
        stage: usize,
        beside: Option<&Arc<SpaceOf<Self>>>,
    ) -> Result<Arc<SpaceOf<Self>>>;

    /// Whether page tables are nested in others in such a way that it is to be judged what goes on
    /// there, and where the endpoint was before.
    fn is_nested(_end: End) -> bool {
        false
    }

    /// What a page table of that kind is nested in, where nothing is mapped for it yet.
    fn behind(_space: &SpaceOf<Self>) -> Option<&SpaceOf<Self>> {
        None
    }

    /// Says what is to be judged of the transitions between kinds of page tables.
    fn is_wanted(_from: End, _to: End) -> bool {
        true
    }

    /// Changes what endpoints are like.
    fn endpoint(_recipe: &Recipe, _config: &mut EndpointConfig) {}

    /// Endpoints can keep translations themselves (ATS), if they are resettable.
    const ATS: bool = false;

    /// For each protocol, how many words of an entry hardware must read in one go at least.
    const READS: &'static [u32];

    /// Whether what unmapping flushes during a transition is what it flushes before or behind it.
    /// Only that can be recorded.
    fn flushes_alike(_protocol: u32, _from: End, _to: End) -> bool {
        true
    }

    /// Lets firmware refuse a call of the next transition, for want of resources.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP where no step can fail.
    fn refuse(_unit: &Arc<Self::Unit>, _call: Refused) -> Result {
        Err(errno::eopnotsupp())
    }

    /// What a case is worth.
    fn expects(protocol: u32, recipe: &Recipe, circumstance: Circumstance) -> Expected;

    /// What another writer of the entries of endpoint 0 does at any time.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    fn writer(_unit: &Arc<Self::Unit>) -> Result<KVVec<Step>> {
        Ok(KVVec::new())
    }
}

/// Page tables of a family.
pub(crate) type SpaceOf<J> = <<J as Judged>::Unit as crate::mock::unit::Unit>::Space;
