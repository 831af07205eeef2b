// SPDX-License-Identifier: GPL-2.0

//! Recording one transition, with all that goes on besides.

use super::{
    super::{
        family::{
            Judged,
            SpaceOf, //
        },
        reads::Reads,
        recipe::{
            Bystander,
            End,
            OTHER_PASID, //
        },
    },
    recorder::{
        copy,
        Edited,
        Recorder, //
    },
    space::{
        frozen,
        map,
        truth,
        Marked, //
    },
    Recorded, //
};
use crate::{
    judge::{
        Goal,
        Side,
        Watch, //
    },
    mark,
    mock::{
        hw::{
            frozen::Frozen,
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
use kernel::prelude::*;

/// An address that the smallest page tables that grow do not cover.
const TOP: u64 = 1 << 45;

/// Spaces that a case is about.
struct Cast<S> {
    old: Option<Marked<S>>,
    new: Option<Marked<S>>,
    third: Option<Marked<S>>,
    /// What the edit does while nobody is on the list.
    unlisted: KVVec<Step>,
}

/// Who stays where it is.
struct Other<S> {
    endpoint: u32,
    pasid: Option<u32>,
    target: Target<S>,
    side: Side,
}

fn target<S>(end: End, marked: &Option<Marked<S>>) -> Target<S> {
    match (end, marked) {
        (End::Identity, _) => Target::Identity,
        (End::Blocked, _) | (_, None) => Target::Blocked,
        (End::A(_) | End::B(_), Some(marked)) => Target::Paging(marked.space.clone()),
    }
}

fn side<S: Space>(end: End, marked: &Option<Marked<S>>) -> Side {
    match (end, marked) {
        (End::Identity, _) => Side::Identity,
        (End::Blocked, _) | (_, None) => Side::Blocked,
        (End::A(_) | End::B(_), Some(marked)) => Side::Paging(marked.space.number()),
    }
}

impl<J: Judged> Recorder<J> {
    /// Records it; `None` where the driver says that there is no such thing.
    ///
    /// # Errors
    ///
    /// Those of the driver.
    pub(super) fn record(mut self) -> Result<Option<Recorded<J>>> {
        let recipe = self.recipe;
        let mut cast = self.cast()?;
        let goal = target(recipe.to, &cast.new);
        let Some(watches) = self.set_up(&cast, &goal)? else {
            return Ok(None);
        };
        let (mut spaces, mut edited) = (KVec::new(), None);
        if let Some(old) = &cast.old {
            let edits = recipe.meanwhile.is_old();
            let unlisted = match edits {
                true => core::mem::take(&mut cast.unlisted),
                false => KVVec::new(),
            };
            let tables = self.edit_now(old, edits, unlisted, &mut edited)?;
            if !recipe.stays() {
                spaces.push(truth(old, tables), GFP_KERNEL)?;
            }
        }
        if let Some(third) = &cast.third {
            spaces.push(truth(third, frozen(&*third.space)?), GFP_KERNEL)?;
        }
        let mut entries = self.unit.machine().entries()?;
        let owners = copy(&self.books.owners)?;
        let listed = self.listed(watches.first().map(|watch| watch.requester))?;

        let (done, steps) = self.go(goal, &mut cast.old)?;
        entries.add_new_of(&self.unit.machine().entries()?)?;
        if let Some(new) = &cast.new {
            let edits = recipe.meanwhile.is_new();
            let tables = self.edit_now(new, edits, cast.unlisted, &mut edited)?;
            spaces.push(truth(new, tables), GFP_KERNEL)?;
        }
        self.finish(Recorded {
            recipe,
            reads: recipe.reads.map(|words| Reads {
                unit: self.unit.clone(),
                words,
            }),
            goal: if done { Goal::New } else { Goal::Old },
            unit: self.unit.clone(),
            entries,
            probes: self.probes,
            spaces,
            owners,
            listed,
            watches,
            steps,
            edited,
            writer: KVVec::new(),
            _family: PhantomData,
        })
    }

    /// Makes the spaces.
    fn cast(&mut self) -> Result<Cast<SpaceOf<J>>> {
        let recipe = self.recipe;
        let pages = || [mark::next_page(), mark::next_page()];
        let first = pages();
        let second = if recipe.alike { first } else { pages() };
        let mut space = |end, pages, beside: Option<&Marked<_>>| match end {
            End::A(stage) | End::B(stage) => {
                let beside = beside.map(|marked| &marked.space);
                self.space(stage, pages, beside).map(Some)
            }
            End::Blocked | End::Identity => Ok(None),
        };
        let old = space(recipe.from, first, None)?;
        let new = match (recipe.stays(), &old) {
            (true, Some(old)) => Some(Marked {
                space: old.space.clone(),
                pages: first,
            }),
            _ => space(recipe.to, second, old.as_ref())?,
        };
        let wanted = recipe.bystander == Some(Bystander::Pasid);
        let third = match J::PASID_STAGE.filter(|_| wanted) {
            Some(stage) => Some(self.space(stage, pages(), None)?),
            None => None,
        };
        let edited = match (recipe.meanwhile.is_old(), recipe.meanwhile.is_new()) {
            (true, _) => &old,
            (_, true) => &new,
            _ => &None,
        };
        let unlisted = match edited {
            Some(marked) => self.edit_unlisted(marked)?,
            None => KVVec::new(),
        };
        Ok(Cast {
            old,
            new,
            third,
            unlisted,
        })
    }

    /// Brings everybody to where the case starts, and says whose DMA is to be watched; `None` where
    /// the driver says that there is no such thing.
    fn set_up(
        &mut self,
        cast: &Cast<SpaceOf<J>>,
        goal: &Target<SpaceOf<J>>,
    ) -> Result<Option<KVec<Watch>>> {
        let recipe = self.recipe;
        let pasid = recipe.pasid;
        if pasid.is_some() {
            // What PASIDs come on top of, in some families.
            self.attach(0, None, &Target::Identity)?;
        }
        let start = target(recipe.from, &cast.old);
        for target in [&start, goal] {
            if self.unit.check(0, pasid, target).is_err() {
                return Ok(None);
            }
        }
        if recipe.returns {
            self.attach(0, pasid, goal)?;
        }
        // From what firmware left, or from there, to where the case starts.
        self.attach(0, pasid, &start)?;
        if let (Target::Paging(space), Some(false)) = (&start, recipe.marks) {
            self.tape(|_| space.set_dirty_tracking(true))?;
        }
        let mut watches = KVec::new();
        let (old, new) = (side(recipe.from, &cast.old), side(recipe.to, &cast.new));
        self.watch((0, pasid), (old, new), &mut watches)?;
        if pasid.is_some() {
            let side = Side::Identity;
            self.watch((0, None), (side, side), &mut watches)?;
        }
        if let Some(other) = self.other(cast, start, goal) {
            let Other {
                endpoint,
                pasid,
                target,
                side,
            } = other;
            if endpoint != 0 && pasid.is_some() {
                self.attach(endpoint, None, &Target::Identity)?;
            }
            if self.unit.check(endpoint, pasid, &target).is_err() {
                return Ok(None);
            }
            self.attach(endpoint, pasid, &target)?;
            self.watch((endpoint, pasid), (side, side), &mut watches)?;
        }
        Ok(self.unit.check(0, pasid, goal).is_ok().then_some(watches))
    }

    fn other(
        &self,
        cast: &Cast<SpaceOf<J>>,
        start: Target<SpaceOf<J>>,
        goal: &Target<SpaceOf<J>>,
    ) -> Option<Other<SpaceOf<J>>> {
        let recipe = self.recipe;
        let (old, new) = (side(recipe.from, &cast.old), side(recipe.to, &cast.new));
        let (endpoint, pasid, target, side) = match recipe.bystander? {
            Bystander::Old => (1, recipe.pasid, start, old),
            Bystander::New => (1, recipe.pasid, goal.clone(), new),
            Bystander::Pasid => {
                let space = &cast.third.as_ref()?.space;
                let side = Side::Paging(space.number());
                (0, Some(OTHER_PASID), Target::Paging(space.clone()), side)
            }
        };
        Some(Other {
            endpoint,
            pasid,
            target,
            side,
        })
    }

    fn watch(
        &self,
        (endpoint, pasid): (u32, Option<u32>),
        (old, new): (Side, Side),
        watches: &mut KVec<Watch>,
    ) -> Result {
        for requester in &self.unit.requesters(endpoint, pasid)? {
            let requester = *requester;
            let watch = Watch {
                requester,
                old,
                new,
            };
            watches.push(watch, GFP_KERNEL)?;
        }
        Ok(())
    }

    /// The tables of a space, before the edit if it is the one that is edited.
    fn edit_now(
        &mut self,
        marked: &Marked<SpaceOf<J>>,
        edits: bool,
        unlisted: KVVec<Step>,
        edited: &mut Option<Edited>,
    ) -> Result<Frozen> {
        if !edits {
            return frozen(&*marked.space);
        }
        let (edit, before) = self.edit_listed(marked, unlisted)?;
        *edited = Some(edit);
        Ok(before)
    }

    /// The transition itself: whether it succeeded, and its steps.
    fn go(
        &mut self,
        goal: Target<SpaceOf<J>>,
        old: &mut Option<Marked<SpaceOf<J>>>,
    ) -> Result<(bool, KVVec<Step>)> {
        let recipe = self.recipe;
        if let Some(call) = recipe.refuse {
            J::refuse(&self.unit, call)?;
        }
        let (done, mut steps) = self.tape(|unit| {
            let done = match (&goal, recipe.grows, recipe.marks) {
                (Target::Paging(space), true, _) => map(&**space, TOP, 0).is_ok(),
                (Target::Paging(space), _, Some(marks)) => space.set_dirty_tracking(marks).is_ok(),
                _ => unit.attach(0, recipe.pasid, &goal).is_ok(),
            };
            unit.machine().note(Note::Return);
            if recipe.last && done && !recipe.stays() {
                drop(old.take());
            }
            Ok(done)
        })?;
        if !done && recipe.refuse.is_none() {
            return Err(EIO);
        }
        // Some drivers say themselves when they return.
        let mut returned = false;
        steps.retain(|step| {
            let returns = *step == Step::Note(Note::Return);
            let again = returns && returned;
            returned |= returns;
            !again
        });
        Ok((done, steps))
    }

    fn finish(&mut self, mut recorded: Recorded<J>) -> Result<Option<Recorded<J>>> {
        if self.recipe.writer {
            recorded.writer = J::writer(&self.unit)?;
        }
        Ok(Some(recorded))
    }
}
