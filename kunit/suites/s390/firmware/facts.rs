// SPDX-License-Identifier: GPL-2.0

//! What is found out about a function in trouble, each thing on a group of its own.

use super::{
    super::Way,
    scene::{
        Back,
        Scene,
        Trouble, //
    },
};
use crate::{
    group::{
        Recovery,
        Warning, //
    },
    kapi::kunit::{
        check_eq,
        Outcome, //
    },
    mock::fault::Rule,
};
use kernel::{
    fmt,
    prelude::*, //
};

/// See the module.
pub(super) struct Facts {
    /// Where DMA went during the move, one letter for each change.
    trail: KVec<u8>,
    /// Where it goes after the move.
    after: char,
    belief: &'static str,
    warns: u32,
    /// What the core answers while the trouble lasts.
    answers: [Result; Ask::ALL.len()],
    /// Where DMA goes after each way back.
    ways: [char; Back::ALL.len()],
}

impl Facts {
    /// Finds all of it out, with a driver that makes a mistake if there is one.
    pub(super) fn gather(
        way: &Way,
        recovery: Recovery,
        trouble: Trouble,
        mistake: Option<Rule>,
    ) -> Outcome<Self> {
        let scene = || Scene::new(way, recovery, trouble, mistake);
        let mut first = scene()?;
        let group = first.rig.group()?.clone();
        let warns = group.lock().warnings();
        check_eq!(group.lock().warned(Warning::FailedReturn), warns);
        // R0.7: all others have arrived.
        check_eq!(first.letter(1), 'I');
        let mut facts = Self {
            after: first.letter(0),
            belief: first.belief()?,
            trail: core::mem::take(&mut first.trail),
            warns,
            answers: [Ok(()); Ask::ALL.len()],
            ways: ['?'; Back::ALL.len()],
        };
        drop(first);
        for (ask, answer) in Ask::ALL.into_iter().zip(&mut facts.answers) {
            *answer = ask.of(&scene()?)?;
        }
        for (back, letter) in Back::ALL.into_iter().zip(&mut facts.ways) {
            let mut scene = scene()?;
            scene.end()?;
            *letter = scene.back(back)?;
            check_eq!(scene.letter(1), 'I');
        }
        Ok(facts)
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in &self.trail {
            write!(f, "{}", char::from(*letter))?;
        }
        write!(f, " {} {} {} |", self.after, self.belief, self.warns)?;
        for (at, answer) in self.answers.iter().enumerate() {
            let name = match answer {
                Ok(()) => "ok",
                Err(EBUSY) => "EBUSY",
                Err(EIO) => "EIO",
                Err(_) => "?",
            };
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma} {name}")?;
        }
        f.write_str(" | ")?;
        self.ways
            .iter()
            .try_for_each(|letter| write!(f, "{letter}"))
    }
}

/// What the core is asked for.
#[derive(Clone, Copy)]
enum Ask {
    Bind,
    Again,
    Elsewhere,
    Claim,
    Reset,
}

impl Ask {
    const ALL: [Self; 5] = [
        Self::Bind,
        Self::Again,
        Self::Elsewhere,
        Self::Claim,
        Self::Reset,
    ];

    /// Asks, and undoes what was granted. The other function has to be where its group is.
    fn of(self, scene: &Scene) -> Outcome<Result> {
        let (group, endpoint) = (scene.rig.group()?, scene.rig.endpoint(0)?);
        Ok(match self {
            Self::Bind => {
                let result = endpoint.use_default();
                if result.is_ok() {
                    endpoint.unuse_default();
                }
                result
            }
            Self::Again => {
                let result = scene.again().map_err(Error::from);
                check_eq!(scene.letter(1), 'I');
                result
            }
            Self::Elsewhere => {
                let result = group.attach(&scene.new).map_err(Error::from);
                let expected = if result.is_ok() { 'B' } else { 'I' };
                check_eq!(scene.letter(1), expected);
                if result.is_ok() {
                    group.detach(&scene.new);
                }
                result
            }
            Self::Claim => {
                let result = scene.claim().map_err(Error::from);
                let expected = if result.is_ok() { '-' } else { 'I' };
                check_eq!(scene.letter(1), expected);
                if result.is_ok() {
                    group.release_claims();
                }
                result
            }
            Self::Reset => {
                let result = endpoint.reset_prepare().map_err(Error::from);
                check_eq!(scene.letter(1), 'I');
                if result.is_ok() {
                    endpoint.reset_done();
                }
                result
            }
        })
    }
}
