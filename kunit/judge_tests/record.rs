// SPDX-License-Identifier: GPL-2.0

//! Making cases of what real drivers do to live hardware.

mod books;
mod space;

pub(crate) use self::space::PAGES;

use self::{
    books::{
        copy,
        Books, //
    },
    space::{
        frozen,
        map,
        truth,
        unmap,
        Marked,
        PAGE, //
    },
};
use super::{
    family::{
        Judged,
        SpaceOf, //
    },
    reads::Reads,
    recipe::{
        Bystander,
        End,
        Recipe,
        OTHER_PASID, //
    },
};
use crate::{
    judge::{
        Case,
        Edit,
        Goal,
        Side,
        Space as Truth,
        Watch,
        PROBES, //
    },
    mark,
    mock::{
        endpoint::{
            EndpointConfig,
            InstanceConfig, //
        },
        hw::{
            frozen::{
                Change,
                Frozen, //
            },
            memory::EntryMemory,
            model::{
                Model,
                Requester,
                Tag, //
            },
            step::{
                Note,
                Step, //
            }, //
        },
        unit::{
            Modelled,
            Space,
            Target,
            Unit, //
        },
    },
};
use core::marker::PhantomData;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What an edit was seen to do.
struct Edited {
    space: u64,
    map: bool,
    changes: KVec<Change>,
    freed: KVec<u64>,
    listed: KVVec<Step>,
    unlisted: KVVec<Step>,
}

/// A case that was recorded.
pub(crate) struct Recorded<J: Judged> {
    recipe: Recipe,
    unit: Arc<J::Unit>,
    reads: Option<Reads<J::Unit>>,
    goal: Goal,
    entries: EntryMemory,
    probes: [u64; PROBES],
    spaces: KVec<Truth>,
    owners: KVec<(Tag, u64)>,
    listed: KVec<u64>,
    watches: KVec<Watch>,
    /// What the driver did to hardware.
    pub(crate) steps: KVVec<Step>,
    edited: Option<Edited>,
    writer: KVVec<Step>,
    _family: PhantomData<J>,
}

struct Recorder<J: Judged> {
    unit: Arc<J::Unit>,
    recipe: Recipe,
    probes: [u64; PROBES],
    books: Books,
}

impl<J: Judged> Recorder<J> {
    fn tape<R>(&mut self, f: impl FnOnce(&Arc<J::Unit>) -> Result<R>) -> Result<(R, KVVec<Step>)> {
        self.unit.machine().start_tape();
        let result = f(&self.unit);
        let steps = self.unit.machine().take_tape();
        let result = result?;
        self.books.read(&steps)?;
        Ok((result, steps))
    }

    fn space(&mut self, stage: usize, pages: [u64; PROBES]) -> Result<Marked<SpaceOf<J>>> {
        let probes = self.probes;
        let (space, _) = self.tape(|unit| {
            let space = J::space(unit, stage)?;
            for (iova, to) in probes.into_iter().zip(pages) {
                map(&*space, iova, to)?;
            }
            Ok(space)
        })?;
        Ok(Marked { space, pages })
    }

    /// What an edit of a space does to hardware now.
    fn edit(&mut self, marked: &Marked<SpaceOf<J>>) -> Result<KVVec<Step>> {
        let ([_, iova], [_, to]) = (self.probes, marked.pages);
        let map_it = self.recipe.meanwhile.is_map();
        let ((), steps) = self.tape(|_| {
            match map_it {
                true => map(&*marked.space, iova, to)?,
                false => unmap(&*marked.space, iova),
            }
            Ok(())
        })?;
        Ok(steps)
    }

    /// The same while nobody is on its list; it has yet to be done then.
    fn edit_unlisted(&mut self, marked: &Marked<SpaceOf<J>>) -> Result<KVVec<Step>> {
        let [_, iova] = self.probes;
        let [_, to] = marked.pages;
        if self.recipe.meanwhile.is_map() {
            unmap(&*marked.space, iova);
        }
        let steps = self.edit(marked)?;
        match self.recipe.meanwhile.is_map() {
            true => unmap(&*marked.space, iova),
            false => map(&*marked.space, iova, to)?,
        }
        Ok(steps)
    }

    fn edit_listed(
        &mut self,
        marked: &Marked<SpaceOf<J>>,
        unlisted: KVVec<Step>,
    ) -> Result<(Edited, Frozen)> {
        let before = frozen(&*marked.space)?;
        let listed = self.edit(marked)?;
        let after = frozen(&*marked.space)?;
        let edited = Edited {
            space: marked.space.number(),
            map: self.recipe.meanwhile.is_map(),
            changes: before.changes(&after)?,
            freed: before.gone_in(&after)?,
            listed,
            unlisted,
        };
        Ok((edited, before))
    }
}

impl<J: Judged> Recorded<J> {
    /// Records a case; `None` where the driver says that there is no such thing.
    ///
    /// # Errors
    ///
    /// Those of the driver.
    pub(crate) fn new(recipe: Recipe) -> Result<Option<Self>> {
        let config = InstanceConfig {
            protocol: recipe.protocol,
            ..InstanceConfig::default()
        };
        let mut endpoint = EndpointConfig::ordinary(0);
        endpoint.max_pasids = 4;
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

impl<J: Judged> Recorder<J> {
    fn record(mut self) -> Result<Option<Recorded<J>>> {
        let recipe = self.recipe;
        let first = [mark::next_page(), mark::next_page()];
        let second = match recipe.alike {
            true => first,
            false => [mark::next_page(), mark::next_page()],
        };
        let mut old = match recipe.from {
            End::A(stage) | End::B(stage) => Some(self.space(stage, first)?),
            End::Blocked | End::Identity => None,
        };
        let new = match recipe.to {
            // The same space is gone to again.
            End::A(_) if recipe.from == recipe.to => None,
            End::A(stage) | End::B(stage) => Some(self.space(stage, second)?),
            End::Blocked | End::Identity => None,
        };
        let mut unlisted = KVVec::new();
        let meanwhile = recipe.meanwhile;
        if let Some(marked) = old.as_ref().filter(|_| meanwhile.is_old()) {
            unlisted = self.edit_unlisted(marked)?;
        }
        if let Some(marked) = new.as_ref().filter(|_| meanwhile.is_new()) {
            unlisted = self.edit_unlisted(marked)?;
        }
        let target = |end: End, marked: Option<&Marked<SpaceOf<J>>>| match (end, marked) {
            (End::Identity, _) => Target::Identity,
            (End::Blocked, _) | (_, None) => Target::Blocked,
            (End::A(_) | End::B(_), Some(marked)) => Target::Paging(marked.space.clone()),
        };
        let side = |end: End, marked: Option<&Marked<SpaceOf<J>>>| match (end, marked) {
            (End::Identity, _) => Side::Identity,
            (End::Blocked, _) | (_, None) => Side::Blocked,
            (End::A(_) | End::B(_), Some(marked)) => Side::Paging(marked.space.number()),
        };
        let sides = (
            side(recipe.from, old.as_ref()),
            side(recipe.to, new.as_ref()),
        );
        let start = target(recipe.from, old.as_ref());
        if recipe.pasid.is_some() {
            // What PASIDs come on top of, in some families.
            self.attach(0, None, &Target::Identity)?;
        }
        let goal = target(recipe.to, new.as_ref());
        for target in [&start, &goal] {
            if self.unit.check(0, recipe.pasid, target).is_err() {
                return Ok(None);
            }
        }
        // From what firmware left to where the case starts.
        self.attach(0, recipe.pasid, &start)?;
        let third = self.third()?;
        let of_third = third.as_ref().map(|marked| {
            let side = Side::Paging(marked.space.number());
            (
                0,
                Some(OTHER_PASID),
                Target::Paging(marked.space.clone()),
                side,
            )
        });
        let other = match recipe.bystander {
            Some(Bystander::Old) => Some((1, recipe.pasid, start.clone(), sides.0)),
            Some(Bystander::New) => Some((1, recipe.pasid, goal.clone(), sides.1)),
            Some(Bystander::Pasid) => of_third,
            None => None,
        };
        drop(start);
        if let Some((endpoint, pasid, target, _)) = &other {
            if *endpoint != 0 && pasid.is_some() {
                self.attach(*endpoint, None, &Target::Identity)?;
            }
            if self.unit.check(*endpoint, *pasid, target).is_err() {
                return Ok(None);
            }
            self.attach(*endpoint, *pasid, target)?;
        }
        if self.unit.check(0, recipe.pasid, &goal).is_err() {
            return Ok(None);
        }

        let mut edited = None;
        let mut spaces = KVec::new();
        if let Some(marked) = &old {
            let tables = match meanwhile.is_old() {
                true => {
                    let unlisted = core::mem::replace(&mut unlisted, KVVec::new());
                    let (edit, before) = self.edit_listed(marked, unlisted)?;
                    edited = Some(edit);
                    before
                }
                false => frozen(&*marked.space)?,
            };
            spaces.push(truth(marked, tables), GFP_KERNEL)?;
        }
        let mut entries = self.unit.machine().entries()?;
        let owners = copy(&self.books.owners)?;
        let mut watches = KVec::new();
        for requester in &self.unit.requesters(0, recipe.pasid)? {
            let watch = Watch {
                requester: *requester,
                old: sides.0,
                new: sides.1,
            };
            watches.push(watch, GFP_KERNEL)?;
        }
        let mut stays = |endpoint, pasid, side| -> Result {
            for requester in &self.unit.requesters(endpoint, pasid)? {
                let watch = Watch {
                    requester: *requester,
                    old: side,
                    new: side,
                };
                watches.push(watch, GFP_KERNEL)?;
            }
            Ok(())
        };
        if let Some((endpoint, pasid, _, side)) = &other {
            stays(*endpoint, *pasid, *side)?;
        }
        if recipe.pasid.is_some() {
            stays(0, None, Side::Identity)?;
        }
        drop(other);
        if let Some(marked) = &third {
            spaces.push(truth(marked, frozen(&*marked.space)?), GFP_KERNEL)?;
        }
        let listed = self.listed(watches.first().map(|watch| watch.requester))?;

        let pasid = recipe.pasid;
        let last = recipe.last;
        if let Some(call) = recipe.refuse {
            J::refuse(&self.unit, call)?;
        }
        let (done, mut steps) = self.tape(|unit| {
            let done = unit.attach(0, pasid, &goal).is_ok();
            unit.machine().note(Note::Return);
            if last && done {
                drop(old.take());
            }
            Ok(done)
        })?;
        drop(goal);
        // Some drivers say themselves when they return.
        let mut returns = 0;
        steps.retain(|step| {
            returns += u32::from(*step == Step::Note(Note::Return));
            returns < 2 || *step != Step::Note(Note::Return)
        });
        entries.add_new_of(&self.unit.machine().entries()?)?;
        if let Some(marked) = &new {
            let tables = match meanwhile.is_new() {
                true => {
                    let (edit, before) = self.edit_listed(marked, unlisted)?;
                    edited = Some(edit);
                    before
                }
                false => frozen(&*marked.space)?,
            };
            spaces.push(truth(marked, tables), GFP_KERNEL)?;
        }
        let writer = match recipe.writer {
            true => J::writer(&self.unit)?,
            false => KVVec::new(),
        };
        if !done && recipe.refuse.is_none() {
            return Err(EIO);
        }
        let reads = recipe.reads.map(|words| Reads {
            unit: self.unit.clone(),
            words,
        });
        Ok(Some(Recorded {
            recipe,
            reads,
            goal: if done { Goal::New } else { Goal::Old },
            unit: self.unit,
            entries,
            probes: self.probes,
            spaces,
            owners,
            listed,
            watches,
            steps,
            edited,
            writer,
            _family: PhantomData,
        }))
    }

    /// The space of [`Bystander::Pasid`].
    fn third(&mut self) -> Result<Option<Marked<SpaceOf<J>>>> {
        let wanted = self.recipe.bystander == Some(Bystander::Pasid);
        match J::PASID_STAGE.filter(|_| wanted) {
            Some(stage) => {
                let pages = [mark::next_page(), mark::next_page()];
                self.space(stage, pages).map(Some)
            }
            None => Ok(None),
        }
    }

    fn attach(&mut self, endpoint: u32, pasid: Option<u32>, to: &Target<SpaceOf<J>>) -> Result {
        self.tape(|unit| Ok(unit.attach(endpoint, pasid, to).map(|_| ())?))?;
        Ok(())
    }

    /// Spaces that list a requester.
    fn listed(&self, of: Option<Requester>) -> Result<KVec<u64>> {
        let mut spaces = KVec::new();
        for (space, requester) in &self.books.listed {
            if Some(*requester) == of {
                spaces.push(*space, GFP_KERNEL)?;
            }
        }
        Ok(spaces)
    }
}
