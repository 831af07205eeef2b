// SPDX-License-Identifier: GPL-2.0

//! What differs between the kernels that are supported, Linux 7.2 and 7.3. Nowhere else does
//! anything depend on the version.

use core::borrow::Borrow;

/// The value of a module parameter: `value()` returns a reference in 7.2, the value in 7.3.
pub(crate) fn param<T: Copy>(value: impl Borrow<T>) -> T {
    *value.borrow()
}

/// The `kernel` crate's `configfs_attrs!`: in 7.2 it names the module as the caller imported it.
#[cfg(all(IOMMU_MOCK_KERNEL_7_2, not(IOMMU_MOCK_KUNIT)))]
macro_rules! configfs_attrs {
    ($($tokens:tt)*) => {{
        use crate::THIS_MODULE;
        kernel::configfs_attrs! { $($tokens)* }
    }};
}
#[cfg(all(IOMMU_MOCK_KERNEL_7_2, not(IOMMU_MOCK_KUNIT)))]
pub(crate) use configfs_attrs;
#[cfg(not(any(IOMMU_MOCK_KERNEL_7_2, IOMMU_MOCK_KUNIT)))]
pub(crate) use kernel::configfs_attrs;
