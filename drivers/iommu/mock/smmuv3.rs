// SPDX-License-Identifier: GPL-2.0

//! The driver of Arm SMMUv3.
