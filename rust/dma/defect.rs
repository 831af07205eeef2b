// SPDX-License-Identifier: GPL-2.0

//! Defects that a test plants in the flush queue, to prove that another test would find them.
//!
//! In the product [`Seeded`] is empty and every question is answered "no" by the compiler.

use crate::kapi::planted;
#[cfg(IOMMU_MOCK_KUNIT)]
use kernel::sync::atomic::Atomic;

#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) use planted::Planted;

/// A mistake that such a queue could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// A range notes the flushes that have finished instead of those that have started, so that one
    /// that is on its way counts.
    FinishedNoted,
    /// A flush counts as started only when hardware is done with it.
    StartedLate,
    /// Flushes that have finished are counted, as Linux does, whichever they are: of two at once
    /// the second covers a range that waits for the first.
    FinishedCounted,
    /// Ranges go to where IOVAs are handed out before the flush.
    ReleasedFirst,
    /// A full ring loses what it has no room for.
    FullRingLoses,
    /// The timer is stopped when the queue has been flushed, not before.
    TimerStoppedLate,
    /// A mapping that finds no IOVA fails without a flush, as in Linux.
    NoRollover,
}

pub(super) type Seeded = planted::Seeded<Defect>;

impl planted::Kind for Defect {
    #[cfg(IOMMU_MOCK_KUNIT)]
    const ALL: &'static [Self] = &[
        Defect::FinishedNoted,
        Defect::StartedLate,
        Defect::FinishedCounted,
        Defect::ReleasedFirst,
        Defect::FullRingLoses,
        Defect::TimerStoppedLate,
        Defect::NoRollover,
    ];

    #[cfg(IOMMU_MOCK_KUNIT)]
    fn place() -> &'static Atomic<u32> {
        static PLANTED: Atomic<u32> = Atomic::new(0);
        &PLANTED
    }
}
