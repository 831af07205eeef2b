// SPDX-License-Identifier: GPL-2.0

//! The hardware of Intel VT-d.
