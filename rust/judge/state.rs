// SPDX-License-Identifier: GPL-2.0

//! Where all actors are, and what can happen next.

use super::{
    bits::Facts,
    hardware::Hardware,
    memory::Contents,
    program::{
        Act,
        Program,
        Programs,
        ACTORS,
        EDITOR,
        TRANSITION, //
    },
    stop::Go, //
};
use crate::mock::hw::step::Note;

/// Where one actor is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// What it does next.
    pub(super) at: u8,
    /// Its stores that are not visible yet.
    pub(super) pending: u32,
    /// Its commands that are not carried out yet.
    pub(super) running: u32,
}

/// Everything but what hardware has got hold of. Says how many events have led here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) places: [Place; ACTORS],
    /// Number of the contents of memory.
    pub(super) memory: u32,
}

/// A state.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub(super) control: Control,
    /// What hardware may have got hold of.
    pub(super) facts: Facts,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// An actor goes on.
    Step(u8),
    /// A store of an actor becomes visible.
    Visible(u8, u32),
    /// A command of an actor is carried out.
    Execute(u8, u32),
}

impl Control {
    /// All of it as words.
    pub(super) fn words(&self) -> [u64; ACTORS + 2] {
        let [a, b, c] = self.places;
        let pair = |p: Place| u64::from(p.pending) << 32 | u64::from(p.running);
        let at = u64::from(a.at) << 16 | u64::from(b.at) << 8 | u64::from(c.at);
        [pair(a), pair(b), pair(c), at, u64::from(self.memory)]
    }

    pub(super) fn place(&self, actor: usize) -> Place {
        self.places.get(actor).copied().unwrap_or_default()
    }

    fn place_mut(&mut self, actor: usize) -> &mut Place {
        let last = ACTORS - 1;
        let [transition, editor, writer] = &mut self.places;
        match actor.min(last) {
            TRANSITION => transition,
            EDITOR => editor,
            _ => writer,
        }
    }
}

impl Place {
    /// Whether all that the actor did has reached hardware.
    pub(super) fn is_idle(&self) -> bool {
        self.pending == 0 && self.running == 0
    }

    /// Whether the actor can go on.
    fn can_go(&self, act: &Act) -> bool {
        match act {
            Act::Barrier | Act::Submit { .. } | Act::Call(..) => self.pending == 0,
            Act::Wait => self.running == 0,
            _ => true,
        }
    }
}

impl Act {
    /// It only makes more possible, or more forbidden, and no other actor looks at it: whatever
    /// may happen before it may happen behind it, with no fewer violations.
    fn is_private(&self) -> bool {
        match self {
            Self::Store { .. } | Self::Barrier | Self::Submit { .. } | Self::Wait => true,
            Self::Note(note) => {
                matches!(note, Note::Untagged(_) | Note::Freed(_) | Note::Return)
            }
            Self::Finish => true,
            Self::Call(..) | Self::Change | Self::Read { .. } => false,
        }
    }
}

impl Programs {
    /// Calls `visit` with all that can happen next.
    pub(super) fn events(&self, control: &Control, mut visit: impl FnMut(Event) -> Go) -> Go {
        for (n, (actor, place)) in self.actors.iter().zip(&control.places).enumerate() {
            let name = n as u8;
            for bit in bits(place.pending) {
                let after = actor.store(place.at, bit).map_or(0, |(_, after)| after);
                if after & place.pending == 0 {
                    visit(Event::Visible(name, bit))?;
                }
            }
            for bit in bits(place.running) {
                let after = actor.command(place.at, bit).map_or(0, |(_, after)| after);
                if after & place.running == 0 {
                    visit(Event::Execute(name, bit))?;
                }
            }
            if actor.act(place.at).is_some_and(|act| place.can_go(act)) {
                visit(Event::Step(name))?;
            }
        }
        Ok(())
    }

    /// Words of page tables that the edit has written.
    pub(super) fn changed(&self, control: &Control) -> usize {
        let [_, editor, _] = &self.actors;
        editor.changed(control.place(EDITOR).at)
    }

    /// Whether the edit has returned.
    pub(super) fn edited(&self, control: &Control) -> bool {
        let [_, editor, _] = &self.actors;
        editor.end() != 0 && control.place(EDITOR).at == editor.end()
    }

    /// Whether an actor has come to its end.
    pub(super) fn ended(&self, control: &Control, actor: usize) -> bool {
        let end = self.actors.get(actor).map_or(0, Program::end);
        control.place(actor).at == end && control.place(actor).is_idle()
    }

    /// Lets actors do what nobody else notices. Stores of what is there already become visible.
    pub(super) fn hurry(&self, contents: &mut Contents, control: &mut Control) -> Go {
        let memory = control.memory;
        for (n, actor) in self.actors.iter().enumerate() {
            loop {
                let place = control.place_mut(n);
                let mut idle = 0;
                for bit in bits(place.pending) {
                    if let Some((store, after)) = actor.lonely_store(place.at, bit) {
                        if after & place.pending == 0 && contents.store(memory, store)? == memory {
                            idle |= bit;
                        }
                    }
                }
                place.pending &= !idle;
                let place = control.place_mut(n);
                let act = actor.act(place.at);
                match act.filter(|act| act.is_private() && place.can_go(act)) {
                    Some(act) => place.go(act, actor.end()),
                    None if idle == 0 => break,
                    None => (),
                }
            }
        }
        Ok(())
    }

    /// What is behind an event, but for what hardware gets hold of then.
    pub(super) fn apply(
        &self,
        hardware: &mut Hardware<'_>,
        state: &State,
        event: Event,
    ) -> Go<State> {
        let mut new = *state;
        let (Event::Step(n) | Event::Visible(n, _) | Event::Execute(n, _)) = event;
        let n = usize::from(n);
        let Some(actor) = self.actors.get(n) else {
            return Ok(new);
        };
        let at = state.control.place(n).at;
        match event {
            Event::Visible(_, bit) => {
                new.control.place_mut(n).pending &= !bit;
                if let Some((store, _)) = actor.store(at, bit) {
                    let memory = new.control.memory;
                    new.control.memory = hardware.contents.store(memory, store)?;
                }
            }
            Event::Execute(_, bit) => {
                new.control.place_mut(n).running &= !bit;
                if let Some((command, _)) = actor.command(at, bit) {
                    new.facts = hardware.execute(command, &new.facts)?;
                }
            }
            Event::Step(_) => {
                let Some(act) = actor.act(at) else {
                    return Ok(new);
                };
                match act {
                    Act::Call(call, answer) => {
                        let (memory, case) = (new.control.memory, hardware.case);
                        let (memory, forget) =
                            hardware.contents.call(case, memory, *call, *answer)?;
                        new.control.memory = memory;
                        if forget {
                            new.facts = hardware.forget(*call, &new.facts);
                        }
                        new.control.place_mut(n).go(act, actor.end());
                    }
                    Act::Read { otherwise } => {
                        let books = self.books(new.control.place(TRANSITION).at);
                        match books.is_some_and(|books| books.listed) {
                            true => new.control.place_mut(n).go(act, actor.end()),
                            false => new.control.place_mut(n).at = *otherwise,
                        }
                    }
                    _ => new.control.place_mut(n).go(act, actor.end()),
                }
            }
        }
        Ok(new)
    }
}

impl Place {
    /// Goes on behind an act.
    fn go(&mut self, act: &Act, end: u8) {
        self.at = self.at.saturating_add(1);
        match act {
            Act::Store { bit, .. } => self.pending |= bit,
            Act::Submit { bit, .. } => self.running |= bit,
            Act::Finish => self.at = end,
            _ => (),
        }
    }
}

/// Bits of a mask, one by one.
pub(super) fn bits(mask: u32) -> impl Iterator<Item = u32> {
    let mut rest = mask;
    core::iter::from_fn(move || {
        let bit = rest & rest.wrapping_neg();
        rest &= !bit;
        (bit != 0).then_some(bit)
    })
}
