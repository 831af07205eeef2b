// SPDX-License-Identifier: GPL-2.0

//! Defects that tests plant in the code under test. Without the tests there are none, and what asks
//! for one is compiled away.

#[cfg(not(IOMMU_MOCK_KUNIT))]
use core::marker::PhantomData;
#[cfg(IOMMU_MOCK_KUNIT)]
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// The defects of one part of the code.
pub(crate) trait Kind: Copy + PartialEq + 'static {
    /// Every defect.
    #[cfg(IOMMU_MOCK_KUNIT)]
    const ALL: &'static [Self];

    /// Where the defect of what is made from now on is kept: its place in `ALL`, plus one; 0 for
    /// none.
    #[cfg(IOMMU_MOCK_KUNIT)]
    fn place() -> &'static Atomic<u32>;
}

/// The defect of an object, if any.
#[derive(Clone, Copy)]
pub(crate) struct Seeded<D>(
    #[cfg(IOMMU_MOCK_KUNIT)] Option<D>,
    #[cfg(not(IOMMU_MOCK_KUNIT))] PhantomData<D>,
);

#[cfg(not(IOMMU_MOCK_KUNIT))]
impl<D: Kind> Seeded<D> {
    /// That of a new object.
    pub(crate) fn for_new() -> Self {
        Self(PhantomData)
    }

    /// Whether it is this one.
    #[inline(always)]
    pub(crate) fn has(self, _defect: D) -> bool {
        false
    }
}

#[cfg(IOMMU_MOCK_KUNIT)]
impl<D: Kind> Seeded<D> {
    /// That of a new object.
    pub(crate) fn for_new() -> Self {
        let number = D::place().load(Relaxed) as usize;
        Self(number.checked_sub(1).and_then(|at| D::ALL.get(at)).copied())
    }

    /// Whether it is this one.
    pub(crate) fn has(self, defect: D) -> bool {
        self.0 == Some(defect)
    }
}

/// While this lives, new objects have a defect.
#[cfg(IOMMU_MOCK_KUNIT)]
pub(crate) struct Planted<D: Kind>(D);

#[cfg(IOMMU_MOCK_KUNIT)]
impl<D: Kind> Planted<D> {
    /// Plants `defect`.
    pub(crate) fn new(defect: D) -> Self {
        let at = D::ALL.iter().position(|d| *d == defect);
        D::place().store(at.map_or(0, |at| at as u32 + 1), Relaxed);
        Self(defect)
    }
}

#[cfg(IOMMU_MOCK_KUNIT)]
impl<D: Kind> Drop for Planted<D> {
    fn drop(&mut self) {
        D::place().store(0, Relaxed);
    }
}
