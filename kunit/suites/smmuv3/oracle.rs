// SPDX-License-Identifier: GPL-2.0

//! Which bits of an entry hardware looks at, written down from the manual a second time, as
//! numbers, and what a torn entry may look like.
//!
//! The driver has an opinion of its own on that (`smmuv3/used.rs`), which decides what it writes
//! when. Nothing here knows of it.

use crate::mock::hw::model::Words;

/// Words of an entry.
const WORDS: usize = 8;

/// Values that a word can have between two syncs.
const VALUES: usize = 4;

/// A kind of entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ste,
    Cd,
}

impl Kind {
    /// The bits that hardware looks at.
    pub(super) fn used(self, entry: &Words) -> Words {
        match self {
            Self::Ste => ste_used(entry),
            Self::Cd => cd_used(entry),
        }
    }

    /// The bits that may have either value between two entries.
    fn safe(self, a: &Words, b: &Words) -> Words {
        let mut safe = Words::default();
        if self == Self::Ste {
            let [_, a1, a2, ..] = a;
            let [_, b1, b2, ..] = b;
            // MEV only changes how faults are reported. EATS bit 0 is looked at when the endpoint
            // uses ATS, which it does not meanwhile, unless it makes something else of EATS=2, or
            // an illegal entry of S2S=1.
            safe[1] = 1 << 19;
            if (a1 | b1) & 1 << 29 == 0 && (a2 | b2) & 1 << 57 == 0 {
                safe[1] |= 1 << 28;
            }
        }
        safe
    }

    /// Hardware would do with `entry` what it does with `other`.
    pub(super) fn acts_as(self, entry: &Words, other: &Words) -> bool {
        let (used, safe) = (self.used(entry), self.safe(entry, other));
        let mut words = entry.iter().zip(other).zip(used.iter().zip(&safe));
        words.all(|((a, b), (used, safe))| (a ^ b) & used & !safe == 0)
    }

    /// Hardware aborts, as the entry is not valid.
    pub(super) fn is_invalid(self, entry: &Words) -> bool {
        let [word, ..] = entry;
        match self {
            Self::Ste => word & 1 == 0,
            Self::Cd => word & 1 << 31 == 0,
        }
    }
}

/// Section 5.2: V=0 stops everything; Config says which parts are looked at.
fn ste_used(entry: &Words) -> Words {
    let [word0, word1, ..] = *entry;
    let mut used = Words::default();
    used[0] = 0x1;
    if word0 & 0x1 == 0 {
        return used;
    }
    used[0] = 0xf;
    let config = word0 >> 1 & 0x7;
    if config & 1 != 0 {
        // S1FMT, S1ContextPtr, S1CDMax; S1DSS, S1CIR, S1COR, S1CSH, MEV, S1STALLD, EATS, STRW;
        // S2VMID.
        used[0] |= 0xf80f_ffff_ffff_fff0;
        used[1] |= 0xf808_00ff;
        used[2] |= 0xffff;
        if word1 & 0x3 == 1 {
            // SHCFG, as something passes untranslated.
            used[1] |= 0x3000_0000_0000;
        }
    }
    if config & 2 != 0 {
        // SHCFG, EATS, S2FWB, MEV; S2R, S2S, S2PTW, S2ENDI, S2AA64, S2PS to S2T0SZ, S2VMID; S2TTB.
        used[1] |= 0x3000_3208_0000;
        used[2] |= 0x065f_ffff_0000_ffff;
        used[3] |= 0x000f_ffff_ffff_fff0;
    }
    if config == 4 {
        used[1] |= 0x3000_0000_0000;
    }
    used
}

/// Section 5.4: V=0 stops everything; EPD0 makes all that is about TTB0 ignored.
fn cd_used(entry: &Words) -> Words {
    let [word0, ..] = *entry;
    let mut used = Words::default();
    if word0 & 0x8000_0000 == 0 {
        used[0] = 0x8000_0000;
        return used;
    }
    used = [u64::MAX; WORDS];
    if word0 & 0x4000 != 0 {
        used[0] = !0x3fff;
        used[1] = !0x000f_ffff_ffff_fff0;
    }
    used
}

/// All that hardware can read of an entry since the last sync, word by word.
pub(super) struct Readable {
    values: [[Option<u64>; VALUES]; WORDS],
}

impl Readable {
    /// Hardware can read this.
    pub(super) fn of(entry: &Words) -> Self {
        let mut values = [[None; VALUES]; WORDS];
        for (values, word) in values.iter_mut().zip(entry) {
            values[0] = Some(*word);
        }
        Self { values }
    }

    /// A word becomes another one. Returns whether there was room to remember.
    pub(super) fn add(&mut self, index: usize, word: u64) -> bool {
        let values = self.values.get_mut(index);
        let free = values.and_then(|values| values.iter_mut().find(|value| value.is_none()));
        let has_room = free.is_some();
        if let Some(free) = free {
            *free = Some(word);
        }
        has_room
    }

    /// Whether `holds` is true of everything that can be read.
    pub(super) fn all(&self, holds: impl Fn(&Words) -> bool) -> bool {
        let mut choice = [0usize; WORDS];
        loop {
            let mut entry = Words::default();
            for (word, (values, at)) in entry.iter_mut().zip(self.values.iter().zip(choice)) {
                *word = values.get(at).copied().flatten().unwrap_or(0);
            }
            if !holds(&entry) {
                return false;
            }
            // Counts in a system in which each digit has as many values as the word.
            let mut carry = true;
            for (values, at) in self.values.iter().zip(&mut choice) {
                if carry {
                    *at += 1;
                    carry = values.get(*at).copied().flatten().is_none();
                    if carry {
                        *at = 0;
                    }
                }
            }
            if carry {
                return true;
            }
        }
    }
}
