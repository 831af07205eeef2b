// SPDX-License-Identifier: GPL-2.0

//! Making cases of what real drivers do to live hardware.

mod recorder;
mod space;
mod transition;

pub(crate) use self::space::PAGES;

use self::{
    recorder::{
        Books,
        Edited,
        Recorder, //
    },
    space::PAGE,
};
use super::{
    family::Judged,
    reads::Reads,
    recipe::{
        Bystander,
        Recipe, //
    },
};
use crate::{
    judge::{
        Case,
        Edit,
        Goal,
        Space,
        Watch,
        PROBES, //
    },
    mock::{
        endpoint::{
            EndpointConfig,
            InstanceConfig, //
        },
        hw::{
            memory::EntryMemory,
            model::{
                Model,
                Requester,
                Tag, //
            },
            step::Step, //
        },
        unit::Modelled,
    },
};
use core::marker::PhantomData;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A case that was recorded.
pub(crate) struct Recorded<J: Judged> {
    recipe: Recipe,
    unit: Arc<J::Unit>,
    reads: Option<Reads<J::Unit>>,
    goal: Goal,
    entries: EntryMemory,
    probes: [u64; PROBES],
    spaces: KVec<Space>,
    owners: KVec<(Tag, u64)>,
    listed: KVec<u64>,
    watches: KVec<Watch>,
    /// What the driver did to hardware.
    pub(crate) steps: KVVec<Step>,
    edited: Option<Edited>,
    writer: KVVec<Step>,
    _family: PhantomData<J>,
}

impl<J: Judged> Recorded<J> {
    /// Records a case; `None` where the driver says that there is no such thing.
    ///
    /// # Errors
    ///
    /// Those of the driver.
    pub(crate) fn new(recipe: Recipe) -> Result<Option<Self>> {
        let edited = if recipe.meanwhile.is_new() {
            recipe.to
        } else {
            recipe.from
        };
        // Guests that are judged so send nothing for what endpoints keep.
        let nested = J::is_nested(recipe.from) || J::is_nested(recipe.to);
        if recipe.ats && (!J::ATS || nested)
            || recipe.returns && !J::is_nested(recipe.from)
            || recipe.behind && !J::is_nested(edited)
        {
            return Ok(None);
        }
        let config = InstanceConfig {
            protocol: recipe.protocol,
            ..InstanceConfig::default()
        };
        let mut endpoint = EndpointConfig::ordinary(0);
        endpoint.max_pasids = 4;
        endpoint.resettable = recipe.ats;
        J::endpoint(&recipe, &mut endpoint);
        let unit = J::unit(&config, &[endpoint, endpoint])?;
        let distance = if recipe.far { 1 << 30 } else { PAGE };

        let recorder = Recorder::<J> {
            unit,
            recipe,
            // At the first address a walk of the wrong depth comes furthest.
            probes: [0, distance],
            books: Books::default(),
        };
        recorder.record()
    }

    /// Whether the family has what the recipe asked for: another writer, or PASIDs.
    pub(crate) fn is_as_wanted(&self) -> bool {
        let lacks_pasid =
            self.recipe.bystander == Some(Bystander::Pasid) && J::PASID_STAGE.is_none();
        !(lacks_pasid || self.recipe.writer && self.writer.is_empty())
    }

    /// The hardware, as far as the driver knows.
    pub(crate) fn model(&self) -> &dyn Model {
        self.unit.machine().model()
    }

    /// The same, as the family has it.
    pub(crate) fn registers(&self) -> &<J::Unit as Modelled>::Model {
        self.unit.machine().model()
    }

    /// Under which names DMA arrives that is watched.
    pub(crate) fn requesters(&self) -> impl Iterator<Item = Requester> + '_ {
        self.watches.iter().map(|watch| watch.requester)
    }

    /// Whether the driver says that it failed.
    pub(crate) fn failed(&self) -> bool {
        self.goal == Goal::Old
    }

    /// How many stores, commands, waits and calls the driver needed.
    pub(crate) fn cost(&self) -> [usize; 4] {
        let count = |is: fn(&Step) -> bool| self.steps.iter().filter(|step| is(step)).count();
        [
            count(|step| matches!(step, Step::Store(_))),
            count(|step| matches!(step, Step::Submit(_))),
            count(|step| matches!(step, Step::Wait)),
            count(|step| matches!(step, Step::Call(..))),
        ]
    }

    /// What is to be judged, with these steps of the driver.
    pub(crate) fn case<'a>(&'a self, steps: &'a [Step]) -> Case<'a> {
        let own = self.unit.machine().model();
        let model: &dyn Model = match &self.reads {
            Some(reads) => reads,
            None => own,
        };
        Case {
            model,
            entries: &self.entries,
            probes: self.probes,
            spaces: &self.spaces,
            owners: &self.owners,
            listed: &self.listed,
            watches: &self.watches,
            transition: steps,
            edit: self.edited.as_ref().map(|edited| Edit {
                space: edited.space,
                map: edited.map,
                changes: &edited.changes,
                freed: &edited.freed,
                listed: &edited.listed,
                unlisted: &edited.unlisted,
            }),
            writer: &self.writer,
            goal: self.goal,
            abort_is_error: model.abort_is_error(),
        }
    }
}
