// SPDX-License-Identifier: GPL-2.0

//! Which case is to be recorded.

/// Where DMA goes before or behind a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nowhere.
    Blocked,
    /// Untranslated.
    Identity,
    /// By the first of two spaces, of a kind by number.
    A(usize),
    /// By the second.
    B(usize),
}

impl End {
    /// Whether DMA is translated.
    pub(crate) fn is_paging(self) -> bool {
        matches!(self, Self::A(_) | Self::B(_))
    }
}

/// What somebody does to a space meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meanwhile {
    /// Nothing.
    Nothing,
    /// The second probe is unmapped in the old space.
    UnmapOld,
    /// Or in the new one.
    UnmapNew,
    /// It is mapped in the old space.
    MapOld,
    /// Or in the new one.
    MapNew,
}

impl Meanwhile {
    pub(super) fn is_old(self) -> bool {
        matches!(self, Self::UnmapOld | Self::MapOld)
    }

    pub(super) fn is_new(self) -> bool {
        matches!(self, Self::UnmapNew | Self::MapNew)
    }

    pub(super) fn is_map(self) -> bool {
        matches!(self, Self::MapOld | Self::MapNew)
    }
}

/// A case, before it is recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipe {
    /// Number of the protocol.
    pub(crate) protocol: u32,
    pub(crate) from: End,
    pub(crate) to: End,
    /// What moves: DMA without PASID, or that of a PASID.
    pub(crate) pasid: Option<u32>,
    pub(crate) meanwhile: Meanwhile,
    /// The second probe has a table of its own, which goes when it is unmapped.
    pub(crate) far: bool,
    /// It is unmapped in the space that the old or the new one is nested in.
    pub(crate) behind: bool,
    /// The endpoint was on the new side before it came to the old one.
    pub(crate) returns: bool,
    /// Both spaces map to the same.
    pub(crate) alike: bool,
    /// The endpoints keep translations themselves (ATS).
    pub(crate) ats: bool,
    /// The old space gets another top level, and nothing else happens.
    pub(crate) grows: bool,
    /// What is written by the old space is to be marked in it, or no longer, and nothing else
    /// happens.
    pub(crate) marks: Option<bool>,
    /// Another writer of the entries is at work.
    pub(crate) writer: bool,
    /// Nobody else needs the old space: it goes behind the transition.
    pub(crate) last: bool,
    /// Another endpoint is on the old space, or on the new one, and stays there.
    pub(crate) bystander: Option<Bystander>,
    /// Hardware reads that many words of an entry in one go, other than it does.
    pub(crate) reads: Option<u32>,
    /// Firmware refuses a call of the driver.
    pub(crate) refuse: Option<Refused>,
}

/// A call that firmware refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Its operation.
    pub(crate) op: u8,
    /// Calls of that operation that pass first.
    pub(crate) skip: u32,
}

/// Where another endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bystander {
    /// On the old space.
    Old,
    /// On the new one.
    New,
    /// On a third one: a PASID of the endpoint that moves.
    Pasid,
}

/// The PASID of [`Bystander::Pasid`].
pub(super) const OTHER_PASID: u32 = 2;

impl Recipe {
    /// A transition of DMA without PASID, on its own.
    pub(crate) fn new(protocol: u32, from: End, to: End) -> Self {
        Self {
            protocol,
            from,
            to,
            pasid: None,
            meanwhile: Meanwhile::Nothing,
            far: false,
            behind: false,
            returns: false,
            alike: false,
            ats: false,
            grows: false,
            marks: None,
            writer: false,
            last: true,
            bystander: None,
            reads: None,
            refuse: None,
        }
    }

    /// Whether DMA goes by the old space on both sides.
    pub(super) fn stays(&self) -> bool {
        self.grows || self.marks.is_some()
    }
}
