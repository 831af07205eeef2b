// SPDX-License-Identifier: GPL-2.0

//! Ways to change an entry that hardware may read at any time.

mod handshake;
mod legacy;
mod legacy_store128;
mod sacrificial_did;
mod same_did;
mod store128;

use super::{
    super::hw::vtd::Mode,
    change::Change, //
};

/// Names by number.
pub(super) const NAMES: &[&str] = &[
    "linux",
    "store128",
    "same-did",
    "sacrificial-did",
    "legacy",
    "legacy-store128",
];

/// A way to change entries.
pub(super) struct Protocol {
    /// The mode of the hardware that it is for.
    pub(super) mode: Mode,
    /// Does it. All that can fail has been done.
    pub(super) update: fn(&Change<'_>),
}

const ALL: [Protocol; NAMES.len()] = [
    Protocol::new(Mode::Scalable, handshake::update),
    Protocol::new(Mode::Scalable, store128::update),
    Protocol::new(Mode::Scalable, same_did::update),
    Protocol::new(Mode::Scalable, sacrificial_did::update),
    Protocol::new(Mode::Legacy, legacy::update),
    Protocol::new(Mode::Legacy, legacy_store128::update),
];

impl Protocol {
    const fn new(mode: Mode, update: fn(&Change<'_>)) -> Self {
        Self { mode, update }
    }

    /// The protocol of a number.
    pub(super) fn of(number: u32) -> Option<&'static Self> {
        const { &ALL }.get(usize::try_from(number).ok()?)
    }
}
