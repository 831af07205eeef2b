// SPDX-License-Identifier: GPL-2.0

//! Stream Table Entry (IHI 0070, 5.2).

use super::Field;

/// Bytes of an entry.
pub(crate) const BYTES: u64 = 64;

/// Valid. An entry without it aborts with C_BAD_STE, and nothing else of it is looked at.
pub(crate) const V: Field = Field::bit(0, 0);
/// What is done with transactions; see [`config`].
pub(crate) const CONFIG: Field = Field::new(0, 3, 1);
/// Shape of the table of CDs: 0 is linear.
pub(crate) const S1FMT: Field = Field::new(0, 5, 4);
/// Address of the table of CDs.
pub(crate) const S1_CONTEXT_PTR: Field = Field::new(0, 51, 6);
/// Base-2 logarithm of the number of CDs. With 0 there are no substreams.
pub(crate) const S1CDMAX: Field = Field::new(0, 63, 59);

/// What is done with transactions without SubstreamID; see [`s1dss`].
pub(crate) const S1DSS: Field = Field::new(1, 1, 0);
/// Inner cacheability of CD fetches.
pub(crate) const S1CIR: Field = Field::new(1, 3, 2);
/// Outer cacheability of CD fetches.
pub(crate) const S1COR: Field = Field::new(1, 5, 4);
/// Shareability of CD fetches.
pub(crate) const S1CSH: Field = Field::new(1, 7, 6);
/// Merge Event records.
pub(crate) const MEV: Field = Field::bit(1, 19);
/// Stage 2 forces write-back.
pub(crate) const S2FWB: Field = Field::bit(1, 25);
/// Stage 1 must not stall.
pub(crate) const S1STALLD: Field = Field::bit(1, 27);
/// ATS; see [`eats`].
pub(crate) const EATS: Field = Field::new(1, 29, 28);
/// Stream world: 0 is Non-secure EL1.
pub(crate) const STRW: Field = Field::new(1, 31, 30);
/// Shareability of what is not translated; 1 leaves it as it comes in.
pub(crate) const SHCFG: Field = Field::new(1, 45, 44);

/// Virtual machine identifier; also tags stage 1 without stage 2.
pub(crate) const S2VMID: Field = Field::new(2, 15, 0);
/// 64 less the bits of an IPA.
pub(crate) const S2T0SZ: Field = Field::new(2, 37, 32);
/// Where the walk starts: 0 for level 2, 1 for level 1, 2 for level 0.
pub(crate) const S2SL0: Field = Field::new(2, 39, 38);
/// Inner cacheability of walks.
pub(crate) const S2IR0: Field = Field::new(2, 41, 40);
/// Outer cacheability of walks.
pub(crate) const S2OR0: Field = Field::new(2, 43, 42);
/// Shareability of walks.
pub(crate) const S2SH0: Field = Field::new(2, 45, 44);
/// Granule: 0 is 4 KiB.
pub(crate) const S2TG: Field = Field::new(2, 47, 46);
/// Bits of a physical address: 5 is 48.
pub(crate) const S2PS: Field = Field::new(2, 50, 48);
/// Tables are VMSAv8-64.
pub(crate) const S2AA64: Field = Field::bit(2, 51);
/// Tables are big-endian.
pub(crate) const S2ENDI: Field = Field::bit(2, 52);
/// Stage 1 walks must not reach device memory.
pub(crate) const S2PTW: Field = Field::bit(2, 54);
/// Faults stall.
pub(crate) const S2S: Field = Field::bit(2, 57);
/// Faults are recorded.
pub(crate) const S2R: Field = Field::bit(2, 58);

/// Address of the stage 2 table.
pub(crate) const S2TTB: Field = Field::new(3, 51, 4);

/// Values of [`CONFIG`].
pub(crate) mod config {
    /// Abort, silently.
    pub(crate) const ABORT: u64 = 0;
    /// Neither stage translates.
    pub(crate) const BYPASS: u64 = 4;
    /// Stage 1 translates.
    pub(crate) const S1_TRANS: u64 = 5;
    /// Stage 2 translates.
    pub(crate) const S2_TRANS: u64 = 6;
    /// Both do.
    pub(crate) const NESTED: u64 = 7;
    /// Set in values with stage 1.
    pub(crate) const STAGE1: u64 = 1;
    /// Set in values with stage 2.
    pub(crate) const STAGE2: u64 = 2;
    /// Set in values that do not abort.
    pub(crate) const PASSES: u64 = 4;
}

/// Values of [`S1DSS`].
pub(crate) mod s1dss {
    /// Abort.
    pub(crate) const TERMINATE: u64 = 0;
    /// Skip stage 1.
    pub(crate) const BYPASS: u64 = 1;
    /// Use CD 0, which no SubstreamID then has.
    pub(crate) const SSID0: u64 = 2;
}

/// Values of [`EATS`].
pub(crate) mod eats {
    /// No ATS.
    pub(crate) const ABORT: u64 = 0;
    /// Full ATS. Illegal with [`S2S`](super::S2S).
    pub(crate) const TRANS: u64 = 1;
    /// Split-stage ATS.
    pub(crate) const S1CHK: u64 = 2;
}

/// Value of [`S1CIR`] and the like: write-back, allocating.
pub(crate) const WBRA: u64 = 1;

/// Value of [`S1CSH`] and the like: inner shareable.
pub(crate) const ISH: u64 = 3;

/// Value of [`SHCFG`]: as it comes in.
pub(crate) const INCOMING: u64 = 1;
