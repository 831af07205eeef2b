// SPDX-License-Identifier: GPL-2.0

//! Which bits of an entry hardware looks at (arm_smmu_get_ste_used() and its like in Linux).

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

/// A kind of entry, for the entry writer.
pub(crate) trait Entry {
    /// The bits that hardware looks at in an entry.
    fn used(entry: &Words) -> Words;

    /// The bits that may change before the rest does, where both entries use them.
    fn safe(_from: &Words, _to: &Words) -> Words {
        Words::default()
    }
}

fn add(mask: &mut Words, fields: &[Field]) {
    for field in fields {
        if let Some(word) = mask.get_mut(field.word()) {
            *word |= field.mask();
        }
    }
}

/// Stream table entry.
pub(crate) enum Ste {}

impl Entry for Ste {
    fn used(entry: &Words) -> Words {
        let mut used = Words::default();
        add(&mut used, &[ste::V]);
        if !ste::V.is_set(entry) {
            return used;
        }
        add(&mut used, &[ste::CONFIG]);
        let config = ste::CONFIG.get(entry);
        if config & config::STAGE1 != 0 {
            add(
                &mut used,
                &[
                    ste::S1FMT,
                    ste::S1_CONTEXT_PTR,
                    ste::S1CDMAX,
                    ste::S1DSS,
                    ste::S1CIR,
                    ste::S1COR,
                    ste::S1CSH,
                    ste::S1STALLD,
                    ste::STRW,
                    ste::EATS,
                    ste::MEV,
                    ste::S2VMID,
                ],
            );
            if ste::S1DSS.get(entry) == s1dss::BYPASS {
                add(&mut used, &[ste::SHCFG]);
            }
        }
        if config & config::STAGE2 != 0 {
            add(
                &mut used,
                &[
                    ste::S2FWB,
                    ste::EATS,
                    ste::SHCFG,
                    ste::MEV,
                    ste::S2VMID,
                    ste::S2T0SZ,
                    ste::S2SL0,
                    ste::S2IR0,
                    ste::S2OR0,
                    ste::S2SH0,
                    ste::S2TG,
                    ste::S2PS,
                    ste::S2AA64,
                    ste::S2ENDI,
                    ste::S2PTW,
                    ste::S2S,
                    ste::S2R,
                    ste::S2TTB,
                ],
            );
        }
        if config == config::BYPASS {
            add(&mut used, &[ste::SHCFG]);
        }
        used
    }

    fn safe(from: &Words, to: &Words) -> Words {
        let mut safe = Words::default();
        add(&mut safe, &[ste::MEV]);
        // Whoever changes EATS has ATS of the endpoint off meanwhile; but it must not make the
        // entry illegal together with S2S, nor another value out of two.
        let hampered = |entry: &Words| {
            ste::EATS.get(entry) & eats::S1CHK != 0 || ste::S2S.is_set(entry) //
        };
        if !hampered(from) && !hampered(to) {
            if let Some(word) = safe.get_mut(ste::EATS.word()) {
                *word |= ste::EATS.mask() & (ste::EATS.mask() >> 1);
            }
        }
        safe
    }
}

/// Context descriptor.
pub(crate) enum Cd {}

impl Entry for Cd {
    fn used(entry: &Words) -> Words {
        let mut used = Words::default();
        if !cd::V.is_set(entry) {
            add(&mut used, &[cd::V]);
            return used;
        }
        used = [u64::MAX; 8];
        if cd::EPD0.is_set(entry) {
            for field in [cd::T0SZ, cd::TG0, cd::IR0, cd::OR0, cd::SH0, cd::TTB0] {
                if let Some(word) = used.get_mut(field.word()) {
                    *word &= !field.mask();
                }
            }
        }
        used
    }
}
