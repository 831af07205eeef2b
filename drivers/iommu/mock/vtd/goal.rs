// SPDX-License-Identifier: GPL-2.0

//! What an entry is to say.

use super::{
    super::hw::{
        model::{
            Stage,
            Translation,
            Words, //
        },
        vtd::{
            entry::{
                context,
                pasid, //
            },
            walk::{
                FIRST,
                SECOND, //
            },
            Field,
        },
    },
    dids::IDENTITY_DID,
};

/// Address width of the unit, as an AW field says it: 5 levels.
const AGAW: u64 = 3;

/// Root and depth of a page table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Root {
    /// Address of the root.
    pub(super) at: u64,
    /// Levels.
    pub(super) levels: u32,
}

impl Root {
    /// AW: two less than the levels.
    fn aw(self) -> u64 {
        self.levels.saturating_sub(2).into()
    }

    /// FSPM: 0 for 4 levels.
    fn fspm(self) -> u64 {
        self.levels.saturating_sub(4).into()
    }

    fn stage(self, format: u8) -> Stage {
        Stage {
            root: self.at,
            levels: self.levels,
            format,
        }
    }
}

/// Through which tables DMA goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Through {
    /// The first stage.
    First(Root),
    /// The second stage.
    Second(Root),
    /// Both.
    Nested { first: Root, second: Root },
}

impl Through {
    /// Whether hardware that translates so does it through these tables.
    pub(super) fn is(self, by: &Translation) -> bool {
        let (first, second) = match self {
            Self::First(first) => (first.stage(FIRST), None),
            Self::Second(second) => (second.stage(SECOND), None),
            Self::Nested { first, second } => (first.stage(FIRST), Some(second.stage(SECOND))),
        };
        (by.first, by.second) == (first, second)
    }
}

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// Not present.
    Blocked,
    /// Pass through.
    PassThrough,
    /// Translate.
    Translate {
        /// Cached under this identifier.
        did: u16,
        through: Through,
        /// The second stage marks what is written.
        marks: bool,
    },
}

impl Goal {
    /// The domain identifier.
    pub(super) fn did(self) -> u16 {
        match self {
            Self::Blocked => 0,
            Self::PassThrough => IDENTITY_DID,
            Self::Translate { did, .. } => did,
        }
    }

    /// Sets the fields of a PASID entry, all but P, in the order of Linux
    /// (`pasid_pte_config_first_level()` and those next to it).
    pub(super) fn each_pasid_field(self, mut set: impl FnMut(Field, u64)) {
        use pasid::*;
        let (did, at) = (u64::from(self.did()), |root: Root| root.at >> 12);
        let Self::Translate { through, marks, .. } = self else {
            if self == Self::PassThrough {
                set(DID, did);
                set(AW, AGAW);
                set(PGTT, PGTT_PASS_THROUGH);
                set(FPD, 0);
                set(PWSNP, 1);
            }
            return;
        };
        match through {
            Through::First(first) => {
                set(FSPTPTR, at(first));
                if first.levels > 4 {
                    set(FSPM, first.fspm());
                }
                set(DID, did);
                set(AW, AGAW);
                set(PWSNP, 1);
                set(PGTT, PGTT_FIRST);
            }
            Through::Second(second) => {
                set(DID, did);
                set(SSPTPTR, at(second));
                set(AW, second.aw());
                set(PGTT, PGTT_SECOND);
                set(FPD, 0);
                set(PWSNP, 1);
                if marks {
                    set(SSADE, 1);
                }
            }
            Through::Nested { first, second } => {
                if first.levels > 4 {
                    set(FSPM, first.fspm());
                }
                set(FSPTPTR, at(first));
                set(SSPTPTR, at(second));
                set(FPD, 0);
                set(DID, did);
                set(AW, second.aw());
                set(PWSNP, 1);
                if marks {
                    set(SSADE, 1);
                }
                set(PGTT, PGTT_NESTED);
            }
        }
    }

    /// Sets the fields of a context entry of legacy mode, all but P, in the order of Linux
    /// (`domain_context_mapping_one()`, `context_setup_pass_through()`). A device-TLB (`ats`) has
    /// no use where DMA is passed through.
    pub(super) fn each_context_field(self, ats: bool, mut set: impl FnMut(Field, u64)) {
        use context::*;
        let (root, aw, tt) = match self {
            Self::PassThrough => (None, AGAW, TT_PASS_THROUGH),
            Self::Translate {
                through: Through::Second(root),
                ..
            } => {
                let tt = match ats {
                    true => TT_DEV_IOTLB,
                    false => TT_MULTI_LEVEL,
                };
                (Some(root.at >> 12), root.aw(), tt)
            }
            // There is no first stage in this mode.
            Self::Blocked | Self::Translate { .. } => return,
        };
        set(DID, self.did().into());
        if let Some(root) = root {
            set(SSPTPTR, root);
        }
        set(AW, aw);
        set(TT, tt);
        set(FPD, 0);
    }

    /// A whole PASID entry.
    pub(super) fn pasid_entry(self) -> Words {
        let mut words = Words::default();
        self.each_pasid_field(|field, value| field.set(&mut words, value));
        pasid::P.set(&mut words, (self != Self::Blocked).into());
        words
    }

    /// A whole context entry of legacy mode.
    pub(super) fn context_entry(self, ats: bool) -> [u64; 2] {
        let mut words = [0; 2];
        self.each_context_field(ats, |field, value| field.set(&mut words, value));
        context::P.set(&mut words, (self != Self::Blocked).into());
        words
    }
}
