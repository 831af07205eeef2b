// SPDX-License-Identifier: GPL-2.0

//! The function information block, as far as it is about DMA, with a word of firmware's own.
//!
//! Source: `struct zpci_fib` of
//! [`arch/s390/include/asm/pci_insn.h`](srctree/arch/s390/include/asm/pci_insn.h).

use super::{
    super::model::Words,
    iota::Iota, //
};
use kernel::fmt;

/// Function controls, in the high byte of word 1.
const FC_ENABLED: u64 = 0x80 << 56;
const FC_ERROR: u64 = 0x40 << 56;
const FC_LS_BLOCKED: u64 = 0x20 << 56;
const FC_DMAAS_REG: u64 = 0x10 << 56;

/// Firmware's own, in word 5, of which the block shows nothing.
const RECOVERING: u64 = 1;
const GONE: u64 = 2;

/// What may become of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It exists, but does nothing and knows nothing.
    Disabled,
    /// It works.
    Enabled,
    /// An error has stopped it: neither DMA, nor load and store.
    Error,
    /// After an error: load and store work again, DMA does not.
    Blocked,
    /// Firmware is at work with it. No DMA.
    Recovering,
    /// It was pulled out.
    Gone,
}

impl State {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Disabled,
        Self::Enabled,
        Self::Error,
        Self::Blocked,
        Self::Recovering,
        Self::Gone,
    ];

    /// The state that a block says.
    pub(crate) fn of(words: &Words) -> Self {
        let [_, fc, _, _, _, own, _, _] = words;
        let has = |bit| fc & bit != 0;
        match (has(FC_ENABLED), has(FC_ERROR), has(FC_LS_BLOCKED)) {
            _ if own & GONE != 0 => Self::Gone,
            _ if own & RECOVERING != 0 => Self::Recovering,
            (false, _, _) => Self::Disabled,
            (true, false, _) => Self::Enabled,
            (true, true, false) => Self::Blocked,
            (true, true, true) => Self::Error,
        }
    }

    /// Bits of words 1 and 5 that say it.
    fn bits(self) -> (u64, u64) {
        match self {
            Self::Disabled => (0, 0),
            Self::Enabled => (FC_ENABLED, 0),
            Self::Error => (FC_ENABLED | FC_ERROR | FC_LS_BLOCKED, 0),
            Self::Blocked => (FC_ENABLED | FC_ERROR, 0),
            Self::Recovering => (FC_ENABLED | FC_ERROR | FC_LS_BLOCKED, RECOVERING),
            Self::Gone => (0, GONE),
        }
    }

    /// What firmware writes for it, and which bits that leaves alone: the registration, unless the
    /// function loses it.
    pub(crate) fn store(self) -> (Words, Words) {
        let mut fixed = FC_ENABLED | FC_ERROR | FC_LS_BLOCKED;
        if matches!(self, Self::Disabled | Self::Gone) {
            fixed |= FC_DMAAS_REG;
        }
        let (fc, own) = self.bits();
        let mut keep = [u64::MAX; super::WORDS];
        let mut words = Words::default();
        let [_, keep_fc, _, _, _, keep_own, _, _] = &mut keep;
        (*keep_fc, *keep_own) = (!fixed, 0);
        let [_, to_fc, _, _, _, to_own, _, _] = &mut words;
        (*to_fc, *to_own) = (fc, own);
        (words, keep)
    }

    /// Writes it into a block.
    pub(crate) fn put(self, words: &mut Words) {
        let (new, keep) = self.store();
        for ((word, new), keep) in words.iter_mut().zip(new).zip(keep) {
            *word = (*word & keep) | (new & !keep);
        }
    }

    /// Whether firmware keeps the function from DMA until it has been reset.
    pub(crate) fn is_fenced(self) -> bool {
        matches!(self, Self::Error | Self::Blocked | Self::Recovering)
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Error => "in error",
            Self::Blocked => "blocked",
            Self::Recovering => "recovering",
            Self::Gone => "gone",
        }
    }
}

/// The registered address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ioat {
    /// None: no DMA.
    None,
    /// DMA without translation.
    Direct,
    /// DMA translated by a table.
    Table(Iota),
}

impl Ioat {
    /// The registration that a block says.
    pub(crate) fn of(words: &Words) -> Self {
        let [_, fc, _, _, iota, ..] = words;
        match fc & FC_DMAAS_REG {
            0 => Self::None,
            _ if !Iota(*iota).is_translating() => Self::Direct,
            _ => Self::Table(Iota(*iota)),
        }
    }

    /// The first and last address it is for.
    pub(crate) fn range(words: &Words) -> (u64, u64) {
        let [_, _, pba, pal, ..] = words;
        (*pba, *pal)
    }

    /// Writes a registration into a block.
    pub(crate) fn register(words: &mut Words, operands: [u64; 3]) {
        let [_, fc, pba, pal, iota, ..] = words;
        *fc |= FC_DMAAS_REG;
        [*pba, *pal, *iota] = operands;
    }

    /// Takes the registration out of a block.
    pub(crate) fn deregister(words: &mut Words) {
        Self::register(words, [0; 3]);
        let [_, fc, ..] = words;
        *fc &= !FC_DMAAS_REG;
    }

    pub(super) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no address space"),
            Self::Direct => f.write_str("direct"),
            Self::Table(iota) => write!(f, "IOTA {:#x}", iota.0),
        }
    }
}
