// SPDX-License-Identifier: GPL-2.0

//! Defects that a test plants in the flush queue, to prove that another test would find them.
//!
//! In the product [`Seeded`] is empty and every question is answered "no" by the compiler.

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

/// The defect of a queue, if any.
#[derive(Clone, Copy)]
pub(super) struct Seeded(#[cfg(IOMMU_MOCK_KUNIT)] Option<Defect>);

#[cfg(not(IOMMU_MOCK_KUNIT))]
impl Seeded {
    pub(super) fn for_new_queue() -> Self {
        Self()
    }

    #[inline(always)]
    pub(super) fn has(self, _defect: Defect) -> bool {
        false
    }
}

#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) use planted::Planted;

#[cfg(IOMMU_MOCK_KUNIT)]
mod planted {
    use super::{
        Defect,
        Seeded, //
    };
    use kernel::sync::atomic::{
        Atomic,
        Relaxed, //
    };

    /// The defect of queues made from now on, plus one; 0 for none.
    static PLANTED: Atomic<u32> = Atomic::new(0);

    impl Seeded {
        pub(in super::super) fn for_new_queue() -> Self {
            let planted = PLANTED.load(Relaxed);
            Self(Defect::ALL.into_iter().find(|d| *d as u32 + 1 == planted))
        }

        pub(in super::super) fn has(self, defect: Defect) -> bool {
            self.0 == Some(defect)
        }
    }

    impl Defect {
        /// Every defect.
        pub(crate) const ALL: [Defect; 7] = [
            Defect::FinishedNoted,
            Defect::StartedLate,
            Defect::FinishedCounted,
            Defect::ReleasedFirst,
            Defect::FullRingLoses,
            Defect::TimerStoppedLate,
            Defect::NoRollover,
        ];
    }

    /// While this lives, new queues have the defect.
    pub(crate) struct Planted(());

    impl Planted {
        /// Plants `defect`.
        pub(crate) fn new(defect: Defect) -> Self {
            PLANTED.store(defect as u32 + 1, Relaxed);
            Self(())
        }
    }

    impl Drop for Planted {
        fn drop(&mut self) {
            PLANTED.store(0, Relaxed);
        }
    }
}
