// SPDX-License-Identifier: GPL-2.0

//! Steps and facts in the words of the manual.

use super::super::{
    fact::Fact,
    hardware::Hardware,
    program::Act, //
};
use crate::mock::hw::{
    model::{
        Call,
        Command,
        Model,
        Tag,
        Words, //
    },
    step::{
        Note,
        Step,
        Store, //
    }, //
};
use kernel::fmt;

/// Bytes of a line.
const ROOM: usize = 160;

/// A short text; what does not fit is cut off.
pub(super) struct Line {
    bytes: [u8; ROOM],
    used: usize,
}

impl Line {
    pub(super) fn of(what: fmt::Arguments<'_>) -> Self {
        let mut line = Self {
            bytes: [0; ROOM],
            used: 0,
        };
        // It is cut off without an error.
        let _ = fmt::Write::write_fmt(&mut line, what);
        line
    }

    pub(super) fn text(&self) -> &str {
        let bytes = self.bytes.get(..self.used).unwrap_or(&[]);
        core::str::from_utf8(bytes).unwrap_or("?")
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for byte in s.bytes() {
            if let Some(slot) = self.bytes.get_mut(self.used) {
                *slot = byte;
                self.used += 1;
            }
        }
        Ok(())
    }
}

/// A step of a driver, in the words of the manual.
pub(crate) struct Shown<'a>(pub(crate) &'a dyn Model, pub(crate) &'a Step);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Step::Store(store) => Doing::Store(store),
            Step::Barrier => Doing::Text("barrier"),
            Step::Submit(command) => Doing::Submit(self.0, *command),
            Step::Wait => Doing::Text("wait"),
            Step::Call(call, answer) => Doing::Call(self.0, *call, answer.cc),
            Step::Note(note) => Doing::Note(self.0, *note),
        }
        .fmt(f)
    }
}

/// What an actor does.
pub(super) enum Doing<'a> {
    Store(&'a Store),
    Command(&'a dyn Model, Command),
    Submit(&'a dyn Model, Command),
    Call(&'a dyn Model, Call, u8),
    Note(&'a dyn Model, Note),
    Text(&'static str),
}

impl<'a> Doing<'a> {
    /// What is to be told of an act when the actor goes on behind it. Stores are told of when they
    /// become visible.
    pub(super) fn of(model: &'a dyn Model, act: &Act) -> Option<Self> {
        Some(match act {
            Act::Store { .. } => return None,
            Act::Barrier => Self::Text("barrier"),
            Act::Submit { command, .. } => Self::Submit(model, *command),
            Act::Wait => Self::Text("wait ends"),
            Act::Call(call, answer) => Self::Call(model, *call, answer.cc),
            Act::Note(note) => Self::Note(model, *note),
            Act::Change => Self::Text("writes the page table"),
            Act::Read { .. } => Self::Text("reads the list"),
            Act::Finish => Self::Text("returns"),
        })
    }
}

impl fmt::Display for Doing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(store) => {
                write!(f, "store {:#x} <-", store.at)?;
                for word in store.words.iter().take(store.count as usize) {
                    write!(f, " {word:x}")?;
                }
                Ok(())
            }
            Self::Command(model, command) => model.show_command(*command, f),
            Self::Submit(model, command) => {
                f.write_str("submit ")?;
                model.show_command(*command, f)
            }
            Self::Call(model, call, cc) => {
                model.show_call(*call, f)?;
                write!(f, " = cc {cc}")
            }
            Self::Note(model, note) => show_note(*model, *note, f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

fn show_note(model: &dyn Model, note: Note, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match note {
        Note::Listed(space, _) => write!(f, "on the list of space {space}"),
        Note::Unlisted(space, _) => write!(f, "off the list of space {space}"),
        Note::Tagged(space, tag) => {
            model.show_tag(tag, f)?;
            write!(f, " is that of space {space}")
        }
        Note::Untagged(tag) => {
            model.show_tag(tag, f)?;
            f.write_str(" is free")
        }
        Note::Freed(space) => write!(f, "tables of space {space} are freed"),
        Note::Return => f.write_str("returns"),
    }
}

/// What hardware gets hold of.
pub(super) enum Having<'a> {
    Entry(&'a dyn Model, u8, &'a Words),
    Read(&'a dyn Model, u8, &'a Words),
    Unit(u8, u8, [u64; 2]),
    Line(&'a dyn Model, Tag, u64, u64),
    Tables(&'a dyn Model, Tag, u8),
    Kept(u32, u64, u64),
}

impl<'a> Having<'a> {
    pub(super) fn of(hardware: &Hardware<'a>, fact: &'a Fact) -> Self {
        let (case, model) = (hardware.case, hardware.case.model);
        match fact {
            Fact::Unit { slot, unit, words } => {
                let slot = hardware.known.slots.get(*slot);
                let size = slot.map_or(1, |slot| slot.fetch.unit.max(1)) as usize;
                let kind = slot.map_or(0, |slot| slot.fetch.kind);
                let mut rest = words.iter().skip(size.saturating_mul((*unit).into()));
                let mut word = || rest.next().copied().unwrap_or(0);
                match slot {
                    // All of it.
                    Some(slot) if slot.count() == 1 => Self::Read(model, kind, words),
                    _ => Self::Unit(kind, *unit, [word(), word()]),
                }
            }
            Fact::Line { slot, words } => {
                let kind = hardware.known.slots.get(*slot).map_or(0, |s| s.fetch.kind);
                Self::Read(model, kind, words)
            }
            Fact::Translation { tag, probe, to } => {
                let iova = case.probes.get(usize::from(*probe)).copied();
                Self::Line(model, *tag, iova.unwrap_or(0), *to)
            }
            Fact::Tables { tag, group, .. } => Self::Tables(model, *tag, *group),
            Fact::Kept { watch, probe, to } => {
                let iova = case.probes.get(usize::from(*probe)).copied();
                let from = hardware.requester(*watch).map_or(0, |from| from.id);
                Self::Kept(from, iova.unwrap_or(0), *to)
            }
        }
    }
}

impl fmt::Display for Having<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(model, kind, words) => model.show_entry(*kind, words, f),
            Self::Read(model, kind, words) => {
                f.write_str("reads ")?;
                model.show_entry(*kind, words, f)
            }
            Self::Unit(kind, unit, [first, second]) => {
                write!(f, "reads unit {unit} of entry {kind}: {first:x} {second:x}")
            }
            Self::Line(model, tag, iova, to) => {
                f.write_str("fills line ")?;
                model.show_tag(*tag, f)?;
                write!(f, " {iova:#x} -> {to:#x}")
            }
            Self::Kept(from, iova, to) => {
                write!(f, "keeps in {from:#x} itself {iova:#x} -> {to:#x}")
            }
            Self::Tables(model, tag, group) => {
                write!(f, "knows tables of group {group} under ")?;
                model.show_tag(*tag, f)
            }
        }
    }
}
