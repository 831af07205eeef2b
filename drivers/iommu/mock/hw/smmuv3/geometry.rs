// SPDX-License-Identifier: GPL-2.0

//! How deep tables are, as entries say it (Arm ARM, "Translation using the VMSAv8-64 translation
//! system", 4 KiB granule).

use super::{
    super::model::Stage,
    cd,
    ste, //
};

/// Set in [`Stage::format`] beside the T0SZ: tables of stage 2.
const STAGE2: u8 = 1 << 7;

/// T0SZ of 48 and of 25 address bits, between which it must be.
const T0SZ: core::ops::RangeInclusive<u64> = 16..=39;

/// Bits of the index into a table.
const INDEX: u32 = 9;

/// Base-2 logarithm of the tables that can be one behind the other at the start of stage 2.
const CONCATENATED: u32 = 4;

/// Bits of an input address.
pub(super) fn input_bits(of: &Stage) -> u32 {
    64 - u32::from(of.format & 0x3f)
}

/// Whether tables have the format of stage 2.
pub(super) fn is_stage2(of: &Stage) -> bool {
    of.format & STAGE2 != 0
}

/// Stage 1 of a CD; `None` where it is illegal.
pub(crate) fn stage1(cd: &[u64]) -> Option<Stage> {
    let t0sz = cd::T0SZ.get(cd);
    if !T0SZ.contains(&t0sz) || cd::TG0.get(cd) != 0 {
        return None;
    }
    let bits = 64 - t0sz as u32;
    Some(Stage {
        root: cd::TTB0.address(cd),
        levels: (bits - 12).div_ceil(INDEX),
        format: t0sz as u8,
    })
}

/// Stage 2 of an STE; `None` where it is illegal.
pub(crate) fn stage2(ste: &[u64]) -> Option<Stage> {
    let (t0sz, start) = (ste::S2T0SZ.get(ste), ste::S2SL0.get(ste));
    let legal = T0SZ.contains(&t0sz)
        && start <= 2
        && ste::S2TG.get(ste) == 0
        && ste::S2AA64.is_set(ste)
        && !ste::S2ENDI.is_set(ste);
    if !legal {
        return None;
    }
    let (bits, levels) = (64 - t0sz as u32, 2 + start as u32);
    // What the first table resolves must be something, and not more than tables can be lined up.
    let first = bits.checked_sub(12 + INDEX * (levels - 1))?;
    let most = match levels {
        4 => INDEX,
        _ => INDEX + CONCATENATED,
    };
    (1..=most).contains(&first).then_some(Stage {
        root: ste::S2TTB.address(ste),
        levels,
        format: t0sz as u8 | STAGE2,
    })
}
