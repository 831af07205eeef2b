// SPDX-License-Identifier: GPL-2.0

//! The family of mock IOMMUs: models of hardware, and a driver for each.

pub(crate) mod fault;
pub(crate) mod hw;
pub(crate) mod plain;
