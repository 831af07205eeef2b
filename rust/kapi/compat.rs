// SPDX-License-Identifier: GPL-2.0

//! What differs between the kernels that are supported, Linux 7.2 and 7.3. Nowhere else does
//! anything depend on the version.

use core::borrow::Borrow;

/// The value of a module parameter: `value()` returns a reference in 7.2, the value in 7.3.
pub(crate) fn param<T: Copy>(value: impl Borrow<T>) -> T {
    *value.borrow()
}
