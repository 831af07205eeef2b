// SPDX-License-Identifier: GPL-2.0

//! A live unit, what it does to hardware, and what its books say.

use super::{
    super::{
        family::{
            Judged,
            SpaceOf, //
        },
        recipe::Recipe, //
    },
    space::{
        frozen,
        map,
        unmap,
        Marked, //
    },
};
use crate::{
    judge::PROBES,
    mock::{
        hw::{
            frozen::{
                Change,
                Frozen, //
            },
            model::{
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
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What an edit was seen to do.
pub(super) struct Edited {
    pub(super) space: u64,
    pub(super) map: bool,
    pub(super) changes: KVec<Change>,
    pub(super) freed: KVec<u64>,
    pub(super) listed: KVVec<Step>,
    pub(super) unlisted: KVVec<Step>,
}

/// What books said so far.
#[derive(Default)]
pub(super) struct Books {
    pub(super) owners: KVec<(Tag, u64)>,
    listed: KVec<(u64, Requester)>,
}

impl Books {
    fn read(&mut self, steps: &[Step]) -> Result {
        for step in steps {
            match *step {
                Step::Note(Note::Listed(space, requester)) => {
                    self.listed.push((space, requester), GFP_KERNEL)?;
                }
                Step::Note(Note::Unlisted(space, requester)) => {
                    self.listed.retain(|of| *of != (space, requester));
                }
                Step::Note(Note::Tagged(space, tag)) => {
                    self.owners.retain(|(of, _)| *of != tag);
                    self.owners.push((tag, space), GFP_KERNEL)?;
                }
                Step::Note(Note::Untagged(tag)) => self.owners.retain(|(of, _)| *of != tag),
                _ => (),
            }
        }
        Ok(())
    }
}

/// A live unit that is recorded.
pub(super) struct Recorder<J: Judged> {
    pub(super) unit: Arc<J::Unit>,
    pub(super) recipe: Recipe,
    pub(super) probes: [u64; PROBES],
    pub(super) books: Books,
}

impl<J: Judged> Recorder<J> {
    /// Writes down what `f` does to hardware, and reads the books of it.
    ///
    /// # Errors
    ///
    /// Those of `f`, ENOMEM.
    pub(super) fn tape<R>(
        &mut self,
        f: impl FnOnce(&Arc<J::Unit>) -> Result<R>,
    ) -> Result<(R, KVVec<Step>)> {
        self.unit.machine().start_tape();
        let result = f(&self.unit);
        let steps = self.unit.machine().take_tape();
        let result = result?;
        self.books.read(&steps)?;
        Ok((result, steps))
    }

    /// Makes a space of a kind that maps the probes to pages.
    pub(super) fn space(
        &mut self,
        stage: usize,
        pages: [u64; PROBES],
        beside: Option<&Arc<SpaceOf<J>>>,
    ) -> Result<Marked<SpaceOf<J>>> {
        let probes = self.probes;
        let (space, _) = self.tape(|unit| {
            let space = J::space(unit, stage, beside)?;
            for (iova, to) in probes.into_iter().zip(pages) {
                map(&*space, iova, to)?;
                match J::behind(&space) {
                    Some(behind) if behind.iova_to_phys(to).is_none() => map(behind, to, to)?,
                    _ => (),
                }
            }
            Ok(space)
        })?;
        Ok(Marked { space, pages })
    }

    /// What an edit of a space does to hardware now.
    fn edit(&mut self, marked: &Marked<SpaceOf<J>>) -> Result<KVVec<Step>> {
        let (map_it, (space, iova, to)) = (self.recipe.meanwhile.is_map(), self.edited(marked));
        let ((), steps) = self.tape(|_| {
            match map_it {
                true => map(space, iova, to)?,
                false => unmap(space, iova),
            }
            Ok(())
        })?;
        Ok(steps)
    }

    /// Where an edit is done, and which address goes where there.
    fn edited<'a>(&self, marked: &'a Marked<SpaceOf<J>>) -> (&'a SpaceOf<J>, u64, u64) {
        let ([_, iova], [_, to]) = (self.probes, marked.pages);
        match J::behind(&marked.space).filter(|_| self.recipe.behind) {
            Some(behind) => (behind, to, to),
            None => (&marked.space, iova, to),
        }
    }

    /// The same while nobody is on its list; it has yet to be done then.
    pub(super) fn edit_unlisted(&mut self, marked: &Marked<SpaceOf<J>>) -> Result<KVVec<Step>> {
        let (space, iova, to) = self.edited(marked);
        if self.recipe.meanwhile.is_map() {
            unmap(space, iova);
        }
        let steps = self.edit(marked)?;
        match self.recipe.meanwhile.is_map() {
            true => unmap(space, iova),
            false => map(space, iova, to)?,
        }
        Ok(steps)
    }

    /// What an edit does while the endpoint is on the list, with the tables as they were before.
    pub(super) fn edit_listed(
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

    /// Attaches, which is not what is to be recorded.
    pub(super) fn attach(
        &mut self,
        endpoint: u32,
        pasid: Option<u32>,
        to: &Target<SpaceOf<J>>,
    ) -> Result {
        self.tape(|unit| Ok(unit.attach(endpoint, pasid, to).map(|_| ())?))?;
        Ok(())
    }

    /// Spaces that list a requester.
    pub(super) fn listed(&self, of: Option<Requester>) -> Result<KVec<u64>> {
        let mut spaces = KVec::new();
        for (space, requester) in &self.books.listed {
            if Some(*requester) == of {
                spaces.push(*space, GFP_KERNEL)?;
            }
        }
        Ok(spaces)
    }
}

/// A copy.
pub(super) fn copy<T: Copy>(from: &[T]) -> Result<KVec<T>> {
    let mut to = KVec::with_capacity(from.len(), GFP_KERNEL)?;
    to.extend_from_slice(from, GFP_KERNEL)?;
    Ok(to)
}
