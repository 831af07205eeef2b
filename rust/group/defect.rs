// SPDX-License-Identifier: GPL-2.0

//! Defects that a test plants in the core, to prove that another test would find them.
//!
//! In the product [`Seeded`] is empty and every question is answered "no" by the compiler.

/// A mistake that such a core could have. Most have been in some version of the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// A failed transition leaves the members before the failing one where they went.
    UnwindSkipped,
    /// The unwind leaves the first member out.
    WrongMemberReverted,
    /// The unwind returns after the first member it put back.
    EarlyReturnInUnwind,
    /// A failed move that must succeed raises no WARN.
    WarnLost,
    /// A device that could not go where it must is not blocked.
    FallbackMissing,
    /// A kernel driver may bind while a device is parked after a failed return.
    BindAfterFailedReturn,
    /// A second claim by the same owner is not counted.
    OwnerCountOffByOne,
    /// Replace goes through the blocking domain.
    BlockedGap,
    /// Replace takes a domain of another driver.
    ForeignAccepted,
    /// The handle of a failed replace is kept.
    HandlePublishedEarly,
    /// A transition moves members that are being reset.
    ParkedMoved,
    /// A search of an address space stops at a soft error.
    SoftErrorStops,
    /// A search of an address space goes on after a hard error.
    HardErrorContinues,
    /// A failed PASID attach leaves the members before the failing one attached.
    PasidUnwindSkipped,
    /// A failed change of the default domain forgets the old one.
    DefaultForgotten,
    /// A device is released without being unlisted.
    ReleaseKeepsMember,
    /// The driver is told to release a device before the group's mutex is taken (R1.1).
    ReleaseOutsideMutex,
    /// The group's mutex is dropped between the check of a claim and the claim.
    ClaimChecksFirst,
}

/// The defect of a group, if any.
#[derive(Clone, Copy)]
pub(super) struct Seeded(#[cfg(IOMMU_MOCK_KUNIT)] Option<Defect>);

#[cfg(not(IOMMU_MOCK_KUNIT))]
impl Seeded {
    pub(super) fn for_new_group() -> Self {
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

    /// The defect of groups made from now on, plus one; 0 for none.
    static PLANTED: Atomic<u32> = Atomic::new(0);

    impl Seeded {
        pub(in super::super) fn for_new_group() -> Self {
            let planted = PLANTED.load(Relaxed);
            Self(Defect::ALL.into_iter().find(|d| *d as u32 + 1 == planted))
        }

        pub(in super::super) fn has(self, defect: Defect) -> bool {
            self.0 == Some(defect)
        }
    }

    impl Defect {
        /// Every defect.
        pub(crate) const ALL: [Defect; 18] = [
            Defect::UnwindSkipped,
            Defect::WrongMemberReverted,
            Defect::EarlyReturnInUnwind,
            Defect::WarnLost,
            Defect::FallbackMissing,
            Defect::BindAfterFailedReturn,
            Defect::OwnerCountOffByOne,
            Defect::BlockedGap,
            Defect::ForeignAccepted,
            Defect::HandlePublishedEarly,
            Defect::ParkedMoved,
            Defect::SoftErrorStops,
            Defect::HardErrorContinues,
            Defect::PasidUnwindSkipped,
            Defect::DefaultForgotten,
            Defect::ReleaseKeepsMember,
            Defect::ReleaseOutsideMutex,
            Defect::ClaimChecksFirst,
        ];
    }

    /// While this lives, new groups have the defect.
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
