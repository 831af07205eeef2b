// SPDX-License-Identifier: GPL-2.0

//! What entries make of an access.

use super::{
    super::shapes::{
        SKIP,
        SSID0, //
    },
    ATS,
    MODEL,
    NO_ATS,
    STAGE2,
    TABLE, //
};
use crate::{
    kapi::kunit::{
        self,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mock::{
        hw::{
            model::{
                Fetch,
                Model as _,
                Next,
                Requester,
                Stage,
                Translation,
                Words, //
            },
            smmuv3::{
                geometry,
                ste,
                tag,
                Field, //
            },
        },
        smmuv3::entries::{
            self,
            Stage1,
            Tcr, //
        },
    },
};
use kernel::{
    fmt,
    prelude::*, //
};

kunit_suite! {
    iommu_mock_smmuv3_decide:
    an_entry_says_what_becomes_of_an_access: each Decision in DECISIONS;
}

/// What becomes of an access.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Aborted(&'static str),
    Bypassed,
    /// By stage 1 with this VMID and ASID, and by stage 2 or not.
    Stage1(u16, u16, bool),
    /// By stage 2 with this VMID.
    Stage2(u16),
}

/// What an entry makes of an access.
struct Decision {
    name: &'static str,
    ste: fn() -> Words,
    cd: fn() -> Words,
    pasid: Option<u32>,
    fate: Fate,
}

impl kunit::Param for Decision {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

fn s1(dss: u64) -> Words {
    entries::cdtable_ste(&TABLE, ATS, dss)
}

fn s2() -> Words {
    entries::s2_ste(&STAGE2, ATS)
}

fn nested(dss: u64) -> Words {
    entries::nested_ste(&TABLE, dss, &STAGE2, ATS)
}

fn but(mut words: Words, field: Field, value: u64) -> Words {
    field.set(&mut words, value);
    words
}

fn cd() -> Words {
    let stage1 = Stage1 {
        asid: 7,
        ttb: 0x2000_0000_2000,
        mair: entries::MAIR,
        tcr: Tcr::for_input_bits(48),
    };
    entries::s1_cd(&stage1, NO_ATS)
}

const fn decision(
    name: &'static str,
    ste: fn() -> Words,
    pasid: Option<u32>,
    fate: Fate,
) -> Decision {
    Decision {
        name,
        ste,
        cd,
        pasid,
        fate,
    }
}

const fn of_cd(name: &'static str, cd: fn() -> Words, fate: Fate) -> Decision {
    Decision {
        cd,
        ..decision(name, || s1(SSID0), Some(1), fate)
    }
}

mod field {
    pub(super) use crate::mock::hw::smmuv3::{
        cd::*,
        ste::{
            CONFIG,
            S1CDMAX,
            S1FMT,
            S2AA64,
            S2S,
            S2SL0,
            S2T0SZ,
            S2TG,
            STRW, //
        },
    };
}

use Fate::{
    Aborted,
    Bypassed, //
};

#[rustfmt::skip]
const DECISIONS: [Decision; 37] = [
    decision("V=0", || but(s1(SSID0), ste::V, 0), None, Aborted("C_BAD_STE")),
    decision("V=0, bypass", || but(entries::bypass_ste(), ste::V, 0), None, Aborted("C_BAD_STE")),
    decision("abort", entries::abort_ste, None, Aborted("STE.Config")),
    decision("reserved Config", || but(s2(), field::CONFIG, 2), None, Aborted("STE.Config")),
    decision("bypass", entries::bypass_ste, None, Bypassed),
    decision("bypass, SSID", entries::bypass_ste, Some(1), Aborted("C_BAD_SUBSTREAMID")),
    decision("S1, SSID0", || s1(SSID0), None, Fate::Stage1(0, 7, false)),
    decision("S1, SSID", || s1(SSID0), Some(1), Fate::Stage1(0, 7, false)),
    decision("S1, last SSID", || s1(0), Some(3), Fate::Stage1(0, 7, false)),
    decision("S1, SSID of none", || s1(0), Some(4), Aborted("C_BAD_SUBSTREAMID")),
    decision("S1, SSID 0 is taken", || s1(SSID0), Some(0), Aborted("C_BAD_SUBSTREAMID")),
    decision("S1, SSID 0", || s1(SKIP), Some(0), Fate::Stage1(0, 7, false)),
    decision("S1, terminate", || s1(0), None, Aborted("F_STREAM_DISABLED")),
    decision("S1, S1DSS bypass", || s1(SKIP), None, Bypassed),
    decision("S1, S1DSS bypass, SSID", || s1(SKIP), Some(2), Fate::Stage1(0, 7, false)),
    decision("S1, S1DSS reserved", || s1(3), None, Aborted("F_STREAM_DISABLED")),
    decision("S1, one CD", || but(s1(0), field::S1CDMAX, 0), None, Fate::Stage1(0, 7, false)),
    decision("S1, one CD, SSID",
        || but(s1(0), field::S1CDMAX, 0), Some(1), Aborted("C_BAD_SUBSTREAMID")),
    decision("S1, two-level CDs", || but(s1(SSID0), field::S1FMT, 2), None, Aborted("illegal STE")),
    decision("S1, EL2", || but(s1(SSID0), field::STRW, 2), None, Aborted("illegal STE")),
    decision("S1, VMID", || but(s1(SSID0), ste::S2VMID, 5), None, Fate::Stage1(5, 7, false)),
    decision("S1, EATS and S2S", || but(s1(SSID0), field::S2S, 1), None, Fate::Stage1(0, 7, false)),
    decision("S2", s2, None, Fate::Stage2(3)),
    decision("S2, SSID", s2, Some(1), Aborted("C_BAD_SUBSTREAMID")),
    decision("S2, EATS and S2S", || but(s2(), field::S2S, 1), None, Aborted("illegal STE")),
    decision("S2, AArch32", || but(s2(), field::S2AA64, 0), None, Aborted("illegal STE")),
    decision("S2, granule", || but(s2(), field::S2TG, 1), None, Aborted("illegal STE")),
    decision("S2, start level", || but(s2(), field::S2SL0, 3), None, Aborted("illegal STE")),
    decision("S2, 48 bits in 3 levels",
        || but(s2(), field::S2SL0, 1), None, Aborted("illegal STE")),
    decision("S2, 43 bits in 3 levels",
        || but(but(s2(), field::S2SL0, 1), field::S2T0SZ, 21), None, Fate::Stage2(3)),
    decision("nested", || nested(SSID0), Some(1), Fate::Stage1(3, 7, true)),
    decision("nested, S1DSS bypass", || nested(SKIP), None, Fate::Stage2(3)),
    decision("nested, EATS and S2S",
        || but(nested(SSID0), field::S2S, 1), None, Aborted("illegal STE")),
    of_cd("CD V=0", || but(cd(), field::V, 0), Aborted("C_BAD_CD")),
    of_cd("CD AArch32", || but(cd(), field::AA64, 0), Aborted("C_BAD_CD")),
    of_cd("CD T0SZ", || but(cd(), field::T0SZ, 15), Aborted("C_BAD_CD")),
    of_cd("CD EPD0", || but(cd(), field::EPD0, 1), Aborted("F_TRANSLATION")),
];

fn an_entry_says_what_becomes_of_an_access(decision: &Decision) -> Outcome {
    let from = Requester {
        id: 2,
        pasid: decision.pasid,
    };
    let fetch = |at, kind| {
        Next::Fetch(Fetch {
            at,
            words: 8,
            unit: 1,
            kind,
            cached: true,
        })
    };
    check_eq!(MODEL.next(from, &[]), fetch(0x100_0000_0080, 0));
    let (ste, cd) = ((decision.ste)(), (decision.cd)());
    let mut next = MODEL.next(from, &[ste]);
    if let Fate::Stage1(..) = decision.fate {
        let ssid = u64::from(decision.pasid.unwrap_or(0));
        check_eq!(next, fetch(TABLE.at + 64 * ssid, 1));
    }
    if let Next::Fetch(_) = next {
        next = MODEL.next(from, &[ste, cd]);
    }
    let second = geometry::stage2(&ste);
    let expected = match decision.fate {
        Fate::Aborted(why) => Next::Abort(why),
        Fate::Bypassed => Next::Bypass,
        Fate::Stage1(vmid, asid, both) => Next::Translate(Translation {
            tag: tag::stage1(vmid, asid),
            first: Stage {
                root: 0x2000_0000_2000,
                levels: 4,
                format: 16,
            },
            second: second.filter(|_| both),
            marks: false,
        }),
        Fate::Stage2(vmid) => Next::Translate(Translation {
            tag: tag::stage2(vmid),
            first: second.ok_or(EINVAL)?,
            second: None,
            marks: false,
        }),
    };
    check_eq!(next, expected);
    // An access that is translated already: EATS is full, in an STE that is legal, with a stage.
    let [ste0, ste1, ste2, ..] = ste;
    let stages = (ste0 >> 1) & 7;
    let legal = stages & 2 == 0 || (second.is_some() && ste2 >> 57 & 1 == 0);
    let ats = ste0 & 1 == 1 && stages > 4 && (ste1 >> 28) & 3 == 1 && legal;
    check_eq!(MODEL.ats(from, &[ste, cd]), ats);
    check_eq!(MODEL.ats(from, &[ste]), ats);
    let stray = Requester { id: 8, pasid: None };
    check_eq!(MODEL.next(stray, &[]), Next::Abort("C_BAD_STREAMID"));
    Ok(())
}
