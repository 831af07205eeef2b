// SPDX-License-Identifier: GPL-2.0

//! What an exploration is about: which operations meet, on which group.

use super::{
    named::{
        Named,
        NAMED_SCENES, //
    },
    subject::{
        Layout,
        Start,
        Subject,
        LAYOUTS, //
    },
};
use crate::{
    fixture::Wrap,
    kapi::schedule::MAX_THREADS, //
};

/// Operations of a thread.
pub(crate) const MAX_OPS: usize = 4;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    /// What names it in a replay.
    pub(crate) number: u64,
    /// How many threads.
    pub(crate) threads: usize,
    /// The operations of each.
    pub(crate) scripts: [&'static [Subject]; MAX_THREADS],
    /// Where the group starts.
    pub(crate) start: Start,
    /// Its size.
    pub(crate) layout: Layout,
    /// What stands between the core and the driver.
    pub(crate) wrap: Option<Wrap>,
}

/// Where numbers of [`Named`] scenes begin.
const NAMED: u64 = 1 << 20;

const SUBJECTS: u64 = Subject::ALL.len() as u64;
const STARTS: u64 = Start::ALL.len() as u64;
const SIZES: u64 = LAYOUTS.len() as u64;

impl Scene {
    /// The scene of single operations by place in [`Subject::ALL`], `None` for a pair's third, and
    /// places of start and layout.
    pub(crate) fn single(
        subjects: [Option<usize>; 3],
        start: usize,
        layout: usize,
    ) -> Option<Self> {
        let mut number = 0;
        let mut scripts: [&'static [Subject]; MAX_THREADS] = [&[]; MAX_THREADS];
        let mut threads = 0;
        for (script, subject) in scripts.iter_mut().zip(subjects).rev() {
            number *= SUBJECTS + 1;
            if let Some(at) = subject {
                *script = Subject::LIST.get(at..=at)?;
                number += at as u64 + 1;
                threads += 1;
            }
        }
        Some(Self {
            number: (number * STARTS + start as u64) * SIZES + layout as u64,
            threads,
            scripts,
            start: *Start::ALL.get(start)?,
            layout: *LAYOUTS.get(layout)?,
            wrap: None,
        })
    }

    /// A named scene.
    pub(crate) fn named(named: &Named, place: usize, layout: usize) -> Option<Self> {
        let mut scripts: [&'static [Subject]; MAX_THREADS] = [&[]; MAX_THREADS];
        for (slot, script) in scripts.iter_mut().zip(named.scripts) {
            *slot = script;
        }
        Some(Self {
            number: NAMED + place as u64 * SIZES + layout as u64,
            threads: named.scripts.len(),
            scripts,
            start: named.start,
            layout: *LAYOUTS.get(layout)?,
            wrap: None,
        })
    }

    /// The scene of that number.
    pub(crate) fn of(number: u64) -> Option<Self> {
        let layout = (number % SIZES) as usize;
        if let Some(place) = (number / SIZES).checked_sub(NAMED / SIZES) {
            return Self::named(NAMED_SCENES.get(place as usize)?, place as usize, layout);
        }
        let start = (number / SIZES % STARTS) as usize;
        let mut rest = number / SIZES / STARTS;
        let subjects = [(); 3].map(|()| {
            let digit = rest % (SUBJECTS + 1);
            rest /= SUBJECTS + 1;
            digit.checked_sub(1).map(|at| at as usize)
        });
        Self::single(subjects, start, layout)
    }
}
