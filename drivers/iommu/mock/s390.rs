// SPDX-License-Identifier: GPL-2.0

//! The driver of s390 PCI functions.
