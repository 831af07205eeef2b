// SPDX-License-Identifier: GPL-2.0

//! The driver of Intel VT-d.
