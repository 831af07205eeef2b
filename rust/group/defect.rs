// SPDX-License-Identifier: GPL-2.0

//! Defects that a test plants in the core, to prove that another test would find them.
//!
//! In the product [`Seeded`] is empty and every question is answered "no" by the compiler.

use crate::kapi::planted;
#[cfg(IOMMU_MOCK_KUNIT)]
use kernel::sync::atomic::Atomic;

#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) use planted::Planted;

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

pub(super) type Seeded = planted::Seeded<Defect>;

impl planted::Kind for Defect {
    #[cfg(IOMMU_MOCK_KUNIT)]
    const ALL: &'static [Self] = &[
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

    #[cfg(IOMMU_MOCK_KUNIT)]
    fn place() -> &'static Atomic<u32> {
        static PLANTED: Atomic<u32> = Atomic::new(0);
        &PLANTED
    }
}
