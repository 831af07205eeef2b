// SPDX-License-Identifier: GPL-2.0

//! What entries are to say (arm_smmu_make_*() in Linux). None sets a bit that hardware does not
//! look at in that entry.

use super::super::hw::{
    model::Words,
    smmuv3::{
        cd,
        ste::{
            self,
            config,
            eats,
            s1dss, //
        },
        Field, //
    },
};

/// Memory attributes by index, as drivers/iommu/io-pgtable-arm.c has them: non-cacheable,
/// write-back, device, inner non-cacheable.
pub(crate) const MAIR: u64 = 0xf404_ff44;

/// What a stream can do beyond translating.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Abilities {
    /// ATS is on.
    pub(crate) ats: bool,
    /// Its faults stall.
    pub(crate) stall: bool,
}

/// A table of CDs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CdTable {
    /// Its address.
    pub(crate) at: u64,
    /// Base-2 logarithm of the number of CDs.
    pub(crate) s1cdmax: u64,
    /// Its shape; 0 is linear.
    pub(crate) s1fmt: u64,
}

/// How tables are to be walked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tcr {
    /// 64 less the bits of an input address.
    pub(crate) t0sz: u64,
    /// Granule.
    pub(crate) tg: u64,
    /// Inner cacheability.
    pub(crate) ir: u64,
    /// Outer cacheability.
    pub(crate) or: u64,
    /// Shareability.
    pub(crate) sh: u64,
    /// Bits of an output address, encoded.
    pub(crate) ps: u64,
}

impl Tcr {
    /// 4 KiB granule, coherent, 48-bit output addresses.
    pub(crate) const fn for_input_bits(bits: u32) -> Self {
        Self {
            t0sz: 64 - bits as u64,
            tg: 0,
            ir: ste::WBRA,
            or: ste::WBRA,
            sh: ste::ISH,
            ps: 5,
        }
    }
}

/// A stage 2.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage2 {
    /// VMID.
    pub(crate) vmid: u16,
    /// Address of the table.
    pub(crate) ttb: u64,
    /// Start of the walk, encoded.
    pub(crate) sl0: u64,
    /// The rest.
    pub(crate) tcr: Tcr,
}

/// A stage 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage1 {
    /// ASID.
    pub(crate) asid: u16,
    /// Address of the table.
    pub(crate) ttb: u64,
    /// Memory attributes.
    pub(crate) mair: u64,
    /// The rest.
    pub(crate) tcr: Tcr,
}

fn of(fields: &[(Field, u64)]) -> Words {
    let mut words = Words::default();
    for (field, value) in fields {
        field.set(&mut words, *value);
    }
    words
}

/// All DMA is aborted.
pub(crate) fn abort_ste() -> Words {
    of(&[(ste::V, 1), (ste::CONFIG, config::ABORT)])
}

/// No DMA is translated.
pub(crate) fn bypass_ste() -> Words {
    of(&[
        (ste::V, 1),
        (ste::CONFIG, config::BYPASS),
        (ste::SHCFG, ste::INCOMING),
    ])
}

/// DMA is translated by a table of CDs, DMA without SubstreamID as `dss` says.
pub(crate) fn cdtable_ste(table: &CdTable, can: Abilities, dss: u64) -> Words {
    let mut words = of(&[
        (ste::V, 1),
        (ste::CONFIG, config::S1_TRANS),
        (ste::S1FMT, table.s1fmt),
        (ste::S1CDMAX, table.s1cdmax),
        (ste::S1DSS, dss),
        (ste::S1CIR, ste::WBRA),
        (ste::S1COR, ste::WBRA),
        (ste::S1CSH, ste::ISH),
        (ste::S1STALLD, u64::from(!can.stall)),
        (ste::EATS, eats_of(can)),
    ]);
    ste::S1_CONTEXT_PTR.set_address(&mut words, table.at);
    if dss == s1dss::BYPASS {
        ste::SHCFG.set(&mut words, ste::INCOMING);
    }
    words
}

/// DMA is translated by stage 2 alone.
pub(crate) fn s2_ste(stage2: &Stage2, can: Abilities) -> Words {
    let mut words = of(&[
        (ste::V, 1),
        (ste::CONFIG, config::S2_TRANS),
        (ste::EATS, eats_of(can)),
        (ste::SHCFG, ste::INCOMING),
    ]);
    set_stage2(&mut words, stage2, can);
    words
}

/// DMA is translated by a guest's table of CDs, and what comes of that by stage 2.
pub(crate) fn nested_ste(table: &CdTable, dss: u64, stage2: &Stage2, can: Abilities) -> Words {
    let mut words = cdtable_ste(table, can, dss);
    ste::CONFIG.set(&mut words, config::NESTED);
    // A guest must not be able to flood its host with events.
    ste::MEV.set(&mut words, 1);
    ste::SHCFG.set(&mut words, ste::INCOMING);
    set_stage2(&mut words, stage2, can);
    words
}

fn set_stage2(words: &mut Words, stage2: &Stage2, can: Abilities) {
    let Stage2 { vmid, sl0, tcr, .. } = *stage2;
    for (field, value) in [
        (ste::S2VMID, vmid.into()),
        (ste::S2T0SZ, tcr.t0sz),
        (ste::S2SL0, sl0),
        (ste::S2IR0, tcr.ir),
        (ste::S2OR0, tcr.or),
        (ste::S2SH0, tcr.sh),
        (ste::S2TG, tcr.tg),
        (ste::S2PS, tcr.ps),
        (ste::S2AA64, 1),
        (ste::S2PTW, 1),
        (ste::S2S, can.stall.into()),
        (ste::S2R, 1),
    ] {
        field.set(words, value);
    }
    ste::S2TTB.set_address(words, stage2.ttb);
}

fn eats_of(can: Abilities) -> u64 {
    match can.ats {
        true => eats::TRANS,
        false => eats::ABORT,
    }
}

/// DMA is translated by a table of stage 1.
pub(crate) fn s1_cd(stage1: &Stage1, can: Abilities) -> Words {
    let Stage1 {
        asid, mair, tcr, ..
    } = *stage1;
    let mut words = of(&[
        (cd::T0SZ, tcr.t0sz),
        (cd::TG0, tcr.tg),
        (cd::IR0, tcr.ir),
        (cd::OR0, tcr.or),
        (cd::SH0, tcr.sh),
        (cd::EPD1, 1),
        (cd::V, 1),
        (cd::IPS, tcr.ps),
        (cd::AA64, 1),
        (cd::S, can.stall.into()),
        (cd::R, 1),
        (cd::A, 1),
        (cd::ASET, 1),
        (cd::ASID, asid.into()),
        (cd::MAIR, mair),
    ]);
    cd::TTB0.set_address(&mut words, stage1.ttb);
    words
}
