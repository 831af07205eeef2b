// SPDX-License-Identifier: GPL-2.0

//! The hardware of s390 PCI functions.
