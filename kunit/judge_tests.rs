// SPDX-License-Identifier: GPL-2.0

//! What the judge is given to judge: steps written by hand, and steps of real drivers.

pub(crate) mod families;
pub(crate) mod family;
pub(crate) mod literal;
pub(crate) mod matrix;
pub(crate) mod mutants;
pub(crate) mod reads;
pub(crate) mod recipe;
pub(crate) mod record;
pub(crate) mod toy;
mod transitions;
