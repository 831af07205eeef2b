// SPDX-License-Identifier: GPL-2.0

//! A page table as it should be: a sorted list of leaves.

use kernel::prelude::*;
