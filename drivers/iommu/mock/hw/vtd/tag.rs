// SPDX-License-Identifier: GPL-2.0

//! What keys lines of the IOTLB, and the caches of tables.
//!
//! Source: VT-d specification, "Tagging of Cached Translations". Pass-through caches nothing here;
//! that lines of the first stage and of nested translation are told apart is a choice of this
//! model.

use super::{
    super::model::Tag,
    entry::pasid::{
        PGTT_FIRST,
        PGTT_NESTED,
        PGTT_SECOND, //
    },
    field::Field,
};

const DID: Field = Field::bits(15, 0);
const PASID: Field = Field::bits(35, 16);
const PGTT: Field = Field::bits(38, 36);

/// A tag taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// Second stage, whatever the PASID.
    Second {
        /// Domain identifier.
        did: u16,
    },
    /// First stage.
    First {
        /// Domain identifier.
        did: u16,
        /// The PASID, which is RID_PASID for requests without one.
        pasid: u32,
    },
    /// Both stages; a line holds what comes out of the second.
    Nested {
        /// Domain identifier.
        did: u16,
        /// As above.
        pasid: u32,
    },
}

impl Key {
    /// The tag of this key.
    pub(crate) const fn tag(self) -> Tag {
        let (pgtt, did, pasid) = match self {
            Self::Second { did } => (PGTT_SECOND, did, 0),
            Self::First { did, pasid } => (PGTT_FIRST, did, pasid),
            Self::Nested { did, pasid } => (PGTT_NESTED, did, pasid),
        };
        Tag(PGTT.place(pgtt) | PASID.place(pasid as u64) | DID.place(did as u64))
    }

    /// The key of a tag; `None` for a number that is no tag of this family.
    pub(crate) fn of(tag: Tag) -> Option<Self> {
        let word = [tag.0];
        // CAST: The fields are that narrow.
        let (did, pasid) = (DID.get(&word) as u16, PASID.get(&word) as u32);
        match PGTT.get(&word) {
            PGTT_SECOND => Some(Self::Second { did }),
            PGTT_FIRST => Some(Self::First { did, pasid }),
            PGTT_NESTED => Some(Self::Nested { did, pasid }),
            _ => None,
        }
    }
}
