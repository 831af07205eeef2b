// SPDX-License-Identifier: GPL-2.0

//! The entries that transitions go between: those of drivers/iommu/arm/arm-smmu-v3's KUnit suite,
//! and those that a driver really makes.

use super::oracle::Kind;
use crate::mock::{
    hw::model::Words,
    smmuv3::entries::{
        self,
        Abilities,
        CdTable,
        Stage1,
        Stage2,
        Tcr, //
    },
};

/// An entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// STE: all is aborted.
    Abort,
    /// STE: nothing is translated.
    Bypass,
    /// STE: a table of CDs; its number, S1DSS, ATS, stall.
    S1(u64, u64, bool, bool),
    /// STE: stage 2; VMID, ATS, stall. The VMID also makes the address of the table.
    S2(u16, bool, bool),
    /// STE: both; the number of the table of CDs, S1DSS, VMID, ATS.
    Nested(u64, u64, u16, bool),
    /// CD: not valid.
    NoCd,
    /// CD: stage 1; ASID, number of the table, T0SZ.
    Cd(u16, u64, u64),
    /// CD: page tables of a process; ASID.
    Sva(u16),
    /// CD: the same after the process ended.
    SvaReleased(u16),
}

/// S1DSS.
pub(super) const SKIP: u64 = 1;
/// S1DSS.
pub(super) const SSID0: u64 = 2;

const NOT_AN_ADDRESS: u64 = 0xdaed_beef_dead_beef;

/// Addresses of tables of CDs: all bits matter, not only those of an address that can be.
const CD_TABLES: [u64; 2] = [0xf0f0_f0f0_f0f0, 0x004b_4b4b_4b4b];

const TCR: Tcr = Tcr {
    t0sz: 4,
    tg: 2,
    ir: 2,
    or: 1,
    sh: 3,
    ps: 1,
};

fn cd_table(number: u64) -> CdTable {
    let [first, second] = CD_TABLES;
    CdTable {
        at: match number {
            0 => first,
            _ => second,
        },
        s1cdmax: 0xff,
        s1fmt: 2,
    }
}

fn stage2(vmid: u16) -> Stage2 {
    Stage2 {
        vmid,
        ttb: NOT_AN_ADDRESS ^ (u64::from(vmid) << 16),
        sl0: 3,
        tcr: TCR,
    }
}

impl Shape {
    /// Which kind it is.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Abort | Self::Bypass | Self::S1(..) | Self::S2(..) | Self::Nested(..) => {
                Kind::Ste //
            }
            Self::NoCd | Self::Cd(..) | Self::Sva(_) | Self::SvaReleased(_) => Kind::Cd,
        }
    }

    /// Its words.
    pub(super) fn words(self) -> Words {
        match self {
            Self::Abort => entries::abort_ste(),
            Self::Bypass => entries::bypass_ste(),
            Self::S1(table, dss, ats, stall) => {
                entries::cdtable_ste(&cd_table(table), Abilities { ats, stall }, dss)
            }
            Self::S2(vmid, ats, stall) => {
                entries::s2_ste(&stage2(vmid), Abilities { ats, stall }) //
            }
            Self::Nested(table, dss, vmid, ats) => {
                let can = Abilities { ats, stall: false };
                entries::nested_ste(&cd_table(table), dss, &stage2(vmid), can)
            }
            Self::NoCd => Words::default(),
            Self::Cd(asid, table, t0sz) => {
                let stage1 = Stage1 {
                    asid,
                    ttb: NOT_AN_ADDRESS ^ (table << 16),
                    mair: 0x0abc_def0_1234_5678,
                    tcr: Tcr { t0sz, ..TCR },
                };
                entries::s1_cd(&stage1, Abilities::default())
            }
            // EPD1, V, 48 bits, AA64, R, A, ASET; write-back, inner shareable, 48 bits.
            Self::Sva(asid) => [
                u64::from(asid) << 48 | 0xe205_c000_3510,
                NOT_AN_ADDRESS & 0x000f_ffff_ffff_fff0,
                0,
                0xff,
                0,
                0,
                0,
                0,
            ],
            // The same with EPD0, and faults that are not recorded.
            Self::SvaReleased(asid) => [
                u64::from(asid) << 48 | 0xc205_c000_4000,
                0,
                0,
                0xff,
                0,
                0,
                0,
                0,
            ],
        }
    }
}
