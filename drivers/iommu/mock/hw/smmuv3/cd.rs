// SPDX-License-Identifier: GPL-2.0

//! Context Descriptor (IHI 0070, 5.4).

use super::Field;

/// Bytes of a descriptor.
pub(crate) const BYTES: u64 = 64;

/// 64 less the bits of a virtual address.
pub(crate) const T0SZ: Field = Field::new(0, 5, 0);
/// Granule: 0 is 4 KiB.
pub(crate) const TG0: Field = Field::new(0, 7, 6);
/// Inner cacheability of walks.
pub(crate) const IR0: Field = Field::new(0, 9, 8);
/// Outer cacheability of walks.
pub(crate) const OR0: Field = Field::new(0, 11, 10);
/// Shareability of walks.
pub(crate) const SH0: Field = Field::new(0, 13, 12);
/// Walks by TTB0 are disabled, and what says how to do them is not looked at.
pub(crate) const EPD0: Field = Field::bit(0, 14);
/// Tables are big-endian.
pub(crate) const ENDI: Field = Field::bit(0, 15);
/// Walks by TTB1 are disabled.
pub(crate) const EPD1: Field = Field::bit(0, 30);
/// Valid. A descriptor without it aborts with C_BAD_CD, and nothing else of it is looked at.
pub(crate) const V: Field = Field::bit(0, 31);
/// Bits of an intermediate physical address: 5 is 48.
pub(crate) const IPS: Field = Field::new(0, 34, 32);
/// The top byte of addresses is ignored.
pub(crate) const TBI0: Field = Field::bit(0, 38);
/// Tables are VMSAv8-64.
pub(crate) const AA64: Field = Field::bit(0, 41);
/// Hardware marks pages dirty.
pub(crate) const HD: Field = Field::bit(0, 42);
/// Hardware marks pages accessed.
pub(crate) const HA: Field = Field::bit(0, 43);
/// Faults stall.
pub(crate) const S: Field = Field::bit(0, 44);
/// Faults are recorded.
pub(crate) const R: Field = Field::bit(0, 45);
/// Faults abort.
pub(crate) const A: Field = Field::bit(0, 46);
/// The ASID is not shared with CPUs.
pub(crate) const ASET: Field = Field::bit(0, 47);
/// Address space identifier.
pub(crate) const ASID: Field = Field::new(0, 63, 48);
/// Address of the stage 1 table.
pub(crate) const TTB0: Field = Field::new(1, 51, 4);
/// Memory attributes, by index.
pub(crate) const MAIR: Field = Field::new(3, 63, 0);
