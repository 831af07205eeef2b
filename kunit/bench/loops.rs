// SPDX-License-Identifier: GPL-2.0

//! A loop whose instructions are known, for whoever takes the time for a number of instructions.

use super::{
    measure::time,
    sheet::{
        Row,
        Sheet, //
    },
};
use crate::kapi::known_loop;
use core::num::NonZeroU64;
use kernel::prelude::*;

/// Measures that loop where no interrupt is in it.
pub(super) fn measure(sheet: &mut Sheet) -> Result {
    const TIMES: u64 = 1_000_000;
    let times = NonZeroU64::new(TIMES).ok_or(EINVAL)?;
    let mut least = u64::MAX;
    for _ in sheet.rounds() {
        let taken = time(|| match known_loop::run(times) {
            true => Ok(()),
            false => Err(ENODEV),
        })?;
        least = least.min(taken);
    }
    let row = Row {
        what: "a loop of two instructions",
        size: 0,
        peer: "",
        limits: None,
        times: 1,
    };
    sheet.figure(&row, least.saturating_mul(1000) / TIMES, "instructions");
    Ok(())
}
