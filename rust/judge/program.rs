// SPDX-License-Identifier: GPL-2.0

//! What each actor does, and what books say at each point of it.

use super::case::{
    Case,
    Edit, //
};
use crate::mock::hw::{
    model::{
        Answer,
        Call,
        Command,
        Model,
        Tag, //
    },
    step::{
        Note,
        Step,
        Store, //
    },
};
use kernel::prelude::*;

/// Actors of a case: these two, and who writes other fields of the entry.
pub(super) const ACTORS: usize = 3;

/// The driver whose steps are judged.
pub(super) const TRANSITION: usize = 0;
/// Who changes a mapping.
pub(super) const EDITOR: usize = 1;

/// One thing that an actor does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// Issues a store. `bit` is its own among those that may be invisible at the same time, `after`
    /// those that become visible before it. Nobody else writes the same words if it is `alone`.
    Store {
        store: Store,
        bit: u32,
        after: u32,
        alone: bool,
    },
    /// Waits until its stores are visible.
    Barrier,
    /// The same, then submits; `bit` is its own among those that may be under way, `after` those
    /// that are carried out before it.
    Submit {
        command: Command,
        bit: u32,
        after: u32,
    },
    /// Waits until its commands are carried out.
    Wait,
    /// Calls firmware.
    Call(Call, Answer),
    /// Writes its books.
    Note(Note),
    /// Writes the next word of a page table.
    Change,
    /// Reads the list, and goes on elsewhere where nobody is on it.
    Read { otherwise: u8 },
    /// Has come to its end.
    Finish,
}

/// What books say.
pub(super) struct Books {
    /// Whose tags are: number of the space, or nobody's any more.
    pub(super) owners: KVec<(Tag, Option<u64>)>,
    /// Spaces whose page tables are memory for others, by position in the case.
    pub(super) freed: u32,
    /// The edited space lists the first watched requester.
    pub(super) listed: bool,
    /// The transition has returned.
    pub(super) returned: bool,
}

/// What one actor does.
pub(super) struct Program {
    pub(super) acts: KVec<Act>,
    /// Words of page tables written at each point.
    changed: KVec<u8>,
}

/// Why a case does not fit.
pub(super) const TOO_LONG: &str = "more steps than are supported";

impl Program {
    fn new() -> Self {
        Self {
            acts: KVec::new(),
            changed: KVec::new(),
        }
    }

    /// Where the actor has come to its end.
    pub(super) fn end(&self) -> u8 {
        // `load` refuses what is longer.
        self.acts.len() as u8
    }

    /// What it does at a point; `None` at the end.
    pub(super) fn act(&self, at: u8) -> Option<&Act> {
        self.acts.get(usize::from(at))
    }

    /// Words of page tables written before a point.
    pub(super) fn changed(&self, at: u8) -> usize {
        let all = self.changed.last().copied().unwrap_or(0);
        usize::from(self.changed.get(usize::from(at)).copied().unwrap_or(all))
    }

    /// The store that has a bit among those issued last before `at`.
    pub(super) fn store(&self, at: u8, wanted: u32) -> Option<(&Store, u32)> {
        let before = self.acts.get(..usize::from(at))?;
        before.iter().rev().find_map(|act| match act {
            Act::Store {
                store, bit, after, ..
            } if *bit == wanted => Some((store, *after)),
            _ => None,
        })
    }

    /// The same, if nobody else writes the same words.
    pub(super) fn lonely_store(&self, at: u8, wanted: u32) -> Option<(&Store, u32)> {
        let before = self.acts.get(..usize::from(at))?;
        before.iter().rev().find_map(|act| match act {
            Act::Store {
                store,
                bit,
                after,
                alone,
            } if *bit == wanted => Some(alone.then_some((store, *after))),
            _ => None,
        })?
    }

    /// The command that has a bit among those submitted last before `at`, and those that are
    /// carried out before it.
    pub(super) fn command(&self, at: u8, wanted: u32) -> Option<(Command, u32)> {
        let before = self.acts.get(..usize::from(at))?;
        before.iter().rev().find_map(|act| match act {
            Act::Submit {
                command,
                bit,
                after,
            } if *bit == wanted => Some((*command, *after)),
            _ => None,
        })
    }

    fn push(&mut self, act: Act) -> Result {
        let changed = self.changed(self.end());
        self.changed.push(changed as u8, GFP_KERNEL)?;
        Ok(self.acts.push(act, GFP_KERNEL)?)
    }

    /// Adds recorded steps. `Ok(false)`: they are too many.
    fn load(
        &mut self,
        model: &dyn Model,
        steps: &[Step],
        others: &[Step],
        keep: impl Fn(&Note) -> bool,
    ) -> Result<bool> {
        let (mut stores, mut commands) = (0, 0);
        let mut epoch = self.acts.len();
        let mut batch = epoch;
        for step in steps {
            let act = match *step {
                Step::Store(store) => {
                    let after = self.overlapping(epoch, &store);
                    let bit = 1u32.checked_shl(stores).unwrap_or(0);
                    stores += 1;
                    let alone = !others.iter().any(|step| match step {
                        Step::Store(other) => overlap(&store, other),
                        _ => false,
                    });
                    Act::Store {
                        store,
                        bit,
                        after,
                        alone,
                    }
                }
                Step::Barrier => Act::Barrier,
                Step::Submit(command) => {
                    let bit = 1u32.checked_shl(commands).unwrap_or(0);
                    commands += 1;
                    Act::Submit {
                        command,
                        bit,
                        after: self.before(model, batch, command),
                    }
                }
                Step::Wait => {
                    commands = 0;
                    batch = self.acts.len() + 1;
                    Act::Wait
                }
                Step::Call(call, answer) => Act::Call(call, answer),
                Step::Note(note) if keep(&note) => Act::Note(note),
                Step::Note(_) => continue,
            };
            if stores > 32 || commands > 32 || self.acts.len() >= 250 {
                return Ok(false);
            }
            if let Act::Barrier | Act::Submit { .. } | Act::Call(..) = act {
                stores = 0;
                epoch = self.acts.len() + 1;
            }
            self.push(act)?;
        }
        Ok(true)
    }

    /// Bits of the commands from `batch` on that a new one must not overtake.
    fn before(&self, model: &dyn Model, batch: usize, new: Command) -> u32 {
        let mut bits = 0;
        for act in self.acts.get(batch..).unwrap_or(&[]) {
            match act {
                Act::Submit { command, bit, .. } if !model.overtakes(new, *command) => bits |= bit,
                _ => (),
            }
        }
        bits
    }

    /// Bits of the stores from `epoch` on that write some of the same words.
    fn overlapping(&self, epoch: usize, new: &Store) -> u32 {
        let mut bits = 0;
        for act in self.acts.get(epoch..).unwrap_or(&[]) {
            match act {
                Act::Store { store, bit, .. } if overlap(store, new) => bits |= bit,
                _ => (),
            }
        }
        bits
    }

    fn load_edit(&mut self, model: &dyn Model, edit: &Edit<'_>) -> Result<bool> {
        for n in 0..edit.changes.len() {
            self.push(Act::Change)?;
            if let Some(changed) = self.changed.last_mut() {
                *changed = n as u8;
            }
        }
        let read = self.acts.len();
        self.push(Act::Read { otherwise: 0 })?;
        if let Some(changed) = self.changed.last_mut() {
            *changed = edit.changes.len() as u8;
        }
        let mut fits = self.load(model, edit.listed, &[], |_| false)?;
        self.push(Act::Finish)?;
        let otherwise = self.end();
        fits &= self.load(model, edit.unlisted, &[], |_| false)?;
        if let Some(act) = self.acts.get_mut(read) {
            *act = Act::Read { otherwise };
        }
        Ok(fits)
    }
}

/// Whether two stores write some of the same words.
fn overlap(a: &Store, b: &Store) -> bool {
    let end = |store: &Store| store.at.saturating_add(8 * u64::from(store.count));
    a.at < end(b) && b.at < end(a)
}

/// What all actors of a case do.
pub(super) struct Programs {
    pub(super) actors: [Program; ACTORS],
    /// What books say at each point of the transition.
    books: KVec<Books>,
    /// All owners that tags have at any of them.
    owners: KVec<(Tag, u64)>,
}

impl Programs {
    /// Lays out what the actors of a case do. `Err` in it: why that does not fit.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new(case: &Case<'_>) -> Result<core::result::Result<Self, &'static str>> {
        let edited = case.edit.as_ref().map(|edit| edit.space);
        let first = case.watches.first().map(|watch| watch.requester);
        let mut transition = Program::new();
        let keep = |note: &Note| match note {
            // Only who changes a mapping reads a list.
            Note::Listed(space, requester) | Note::Unlisted(space, requester) => {
                Some(*space) == edited && Some(*requester) == first
            }
            _ => true,
        };
        let mut fits = transition.load(case.model, case.transition, case.writer, keep)?;
        let mut editor = Program::new();
        if let Some(edit) = &case.edit {
            fits &= edit.changes.len() < 100 && editor.load_edit(case.model, edit)?;
        }
        let mut writer = Program::new();
        fits &= writer.load(case.model, case.writer, case.transition, |_| false)?;
        if !fits || editor.acts.len() >= 250 || case.spaces.len() > 31 {
            return Ok(Err(TOO_LONG));
        }
        Ok(Ok(Self {
            owners: owners(case)?,
            books: books(case, &transition, edited)?,
            actors: [transition, editor, writer],
        }))
    }

    /// All owners that tags have in the course of the case.
    pub(super) fn owners(&self) -> &[(Tag, u64)] {
        &self.owners
    }

    /// What books say at a point of the transition.
    pub(super) fn books(&self, at: u8) -> Option<&Books> {
        self.books.get(usize::from(at))
    }
}

fn owners(case: &Case<'_>) -> Result<KVec<(Tag, u64)>> {
    let mut owners = KVec::new();
    owners.extend_from_slice(case.owners, GFP_KERNEL)?;
    for step in case.transition {
        if let Step::Note(Note::Tagged(space, tag)) = step {
            owners.push((*tag, *space), GFP_KERNEL)?;
        }
    }
    Ok(owners)
}

fn books(case: &Case<'_>, transition: &Program, edited: Option<u64>) -> Result<KVec<Books>> {
    let mut owners = KVec::new();
    for (tag, space) in case.owners {
        owners.push((*tag, Some(*space)), GFP_KERNEL)?;
    }
    let mut now = Books {
        owners,
        freed: 0,
        listed: edited.is_some_and(|edited| case.listed.contains(&edited)),
        returned: false,
    };
    let mut all = KVec::with_capacity(transition.acts.len() + 1, GFP_KERNEL)?;
    all.push(now.copy()?, GFP_KERNEL)?;
    for act in &transition.acts {
        if let Act::Note(note) = act {
            now.write(case, note)?;
        }
        all.push(now.copy()?, GFP_KERNEL)?;
    }
    Ok(all)
}

impl Books {
    fn copy(&self) -> Result<Self> {
        let mut owners = KVec::with_capacity(self.owners.len(), GFP_KERNEL)?;
        owners.extend_from_slice(&self.owners, GFP_KERNEL)?;
        Ok(Self { owners, ..*self })
    }

    fn write(&mut self, case: &Case<'_>, note: &Note) -> Result {
        match *note {
            Note::Listed(..) => self.listed = true,
            Note::Unlisted(..) => self.listed = false,
            Note::Tagged(space, tag) => self.own(tag, Some(space))?,
            Note::Untagged(tag) => self.own(tag, None)?,
            Note::Freed(space) => {
                if let Some(at) = case.spaces.iter().position(|s| s.number == space) {
                    self.freed |= 1 << at;
                }
            }
            Note::Return => self.returned = true,
        }
        Ok(())
    }

    fn own(&mut self, tag: Tag, owner: Option<u64>) -> Result {
        match self.owners.iter_mut().find(|(t, _)| *t == tag) {
            Some(entry) => entry.1 = owner,
            None => self.owners.push((tag, owner), GFP_KERNEL)?,
        }
        Ok(())
    }

    /// Whose a tag is.
    pub(super) fn owner(&self, tag: Tag) -> Option<u64> {
        self.owners.iter().find(|(t, _)| *t == tag)?.1
    }
}
