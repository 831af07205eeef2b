// SPDX-License-Identifier: GPL-2.0

//! Layouts, against numbers worked out from the manual.

use super::{
    super::{
        shapes::SSID0,
        text, //
    },
    ATS,
    MODEL,
    NO_ATS,
    STAGE2,
    TABLE, //
};
use crate::{
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mock::{
        hw::{
            model::{
                Command,
                Model as _,
                Words, //
            },
            smmuv3::{
                cd,
                command::{
                    self,
                    op, //
                },
                ste,
                tag, //
            },
        },
        smmuv3::entries::{
            self,
            Stage1,
            Tcr, //
        },
    },
};
use kernel::{fmt, prelude::*};

kunit_suite! {
    iommu_mock_smmuv3_layout:
    entries_have_the_layout_of_the_manual;
    commands_have_the_layout_of_the_manual;
    no_two_fields_share_a_bit;
    what_there_is_can_be_shown;
}

/// Values put together by hand, field by field, from sections 5.2 and 5.4 of the manual.
fn entries_have_the_layout_of_the_manual() -> Outcome {
    check_eq!(entries::abort_ste(), [1, 0, 0, 0, 0, 0, 0, 0]);
    let bypass = [0x9, 1 << 44, 0, 0, 0, 0, 0, 0];
    check_eq!(entries::bypass_ste(), bypass);
    // V, Config=0b101, S1CDMax=2; S1DSS=2, S1CIR=S1COR=1, S1CSH=3, S1STALLD, EATS=1.
    let s1 = [
        0x1000_0100_0001_000b,
        0x1800_00d6,
        0,
        0,
        0,
        0,
        0,
        0, //
    ];
    check_eq!(entries::cdtable_ste(&TABLE, ATS, SSID0), s1);
    // V, Config=0b110; SHCFG=1; VMID, T0SZ=16, SL0=2, IR0=OR0=1, SH0=3, PS=5, AA64, PTW, R.
    let word2 = 0x044d_3590_0000_0003;
    let s2 = [0xd, 1 << 44, word2, 0x2000_0000_1000, 0, 0, 0, 0];
    check_eq!(entries::s2_ste(&STAGE2, NO_ATS), s2);
    // T0SZ=16, IR0=OR0=1, SH0=3, EPD1, V, IPS=5, AA64, R, A, ASET, ASID=7.
    let stage1 = Stage1 {
        asid: 7,
        ttb: 0x2000_0000_2000,
        mair: entries::MAIR,
        tcr: Tcr::for_input_bits(48),
    };
    let cd = [
        0x0007_e205_c000_3510,
        0x2000_0000_2000,
        0,
        0xf404_ff44,
        0,
        0,
        0,
        0,
    ];
    check_eq!(entries::s1_cd(&stage1, NO_ATS), cd);
    Ok(())
}

fn commands_have_the_layout_of_the_manual() -> Outcome {
    let table: [(Command, [u64; 2]); 9] = [
        (command::prefetch_config(5), [5 << 32 | 0x01, 0]),
        (command::cfgi_ste(5), [5 << 32 | 0x03, 1]),
        (command::cfgi_all(), [0x04, 31]),
        (command::cfgi_ste_range(8, 3), [8 << 32 | 0x04, 2]),
        (command::cfgi_cd(5, 9), [5 << 32 | 9 << 12 | 0x05, 1]),
        (command::cfgi_cd_all(5), [5 << 32 | 0x06, 0]),
        (
            command::tlbi(op::TLBI_NH_ASID, 2, 7),
            [7 << 48 | 2 << 32 | 0x11, 0],
        ),
        (
            command::atc_inv(5, Some(9), 0x4000, 2),
            [5 << 32 | 9 << 12 | 1 << 11 | 0x40, 0x4002],
        ),
        (
            command::atc_inv(5, None, 0, command::ATC_ALL),
            [5 << 32 | 0x40, 52],
        ),
    ];
    for (command, words) in table {
        check_eq!(command.0, words);
    }
    let range = command::tlbi(op::TLBI_NH_VA, 0, 7)
        .with(command::NUM, 30)
        .with(command::SCALE, 9)
        .with(command::TG, 1)
        .with(command::TTL, 2)
        .with(command::LEAF, 1);
    check_eq!(range.0, [7 << 48 | 9 << 20 | 30 << 12 | 0x12, 0x601]);
    Ok(())
}

fn no_two_fields_share_a_bit() -> Outcome {
    let of_ste = [
        ste::V,
        ste::CONFIG,
        ste::S1FMT,
        ste::S1_CONTEXT_PTR,
        ste::S1CDMAX,
        ste::S1DSS,
        ste::S1CIR,
        ste::S1COR,
        ste::S1CSH,
        ste::MEV,
        ste::S2FWB,
        ste::S1STALLD,
        ste::EATS,
        ste::STRW,
        ste::SHCFG,
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
    ];
    let of_cd = [
        cd::T0SZ,
        cd::TG0,
        cd::IR0,
        cd::OR0,
        cd::SH0,
        cd::EPD0,
        cd::ENDI,
        cd::EPD1,
        cd::V,
        cd::IPS,
        cd::TBI0,
        cd::AA64,
        cd::HD,
        cd::HA,
        cd::S,
        cd::R,
        cd::A,
        cd::ASET,
        cd::ASID,
        cd::TTB0,
        cd::MAIR,
    ];
    for fields in [&of_ste[..], &of_cd[..]] {
        let mut taken = Words::default();
        for field in fields {
            let mut bits = Words::default();
            field.set_address(&mut bits, u64::MAX);
            for (taken, bits) in taken.iter_mut().zip(bits) {
                check_eq!(*taken & bits, 0);
                *taken |= bits;
            }
        }
    }
    Ok(())
}

fn shows(
    show: impl Fn(&mut fmt::Formatter<'_>) -> fmt::Result,
    expected: &'static CStr,
) -> Outcome {
    let shown = text(show)?;
    check!(*shown == *expected, "shown as {:?}", &*shown);
    Ok(())
}

fn what_there_is_can_be_shown() -> Outcome {
    let is_ste = |words: Words, text| shows(|f| MODEL.show_entry(0, &words, f), text);
    is_ste(Words::default(), c"STE V=0")?;
    is_ste(entries::abort_ste(), c"STE abort")?;
    is_ste(entries::bypass_ste(), c"STE bypass")?;
    is_ste(
        entries::cdtable_ste(&TABLE, ATS, SSID0),
        c"STE S1 S1ContextPtr=0x10000010000 S1CDMax=2 S1DSS=SSID0 S2VMID=0 EATS=1",
    )?;
    is_ste(
        entries::s2_ste(&STAGE2, NO_ATS),
        c"STE S2 S2VMID=3 S2TTB=0x200000001000 S2T0SZ=16 S2SL0=2 EATS=0",
    )?;
    let is_cd = |words: Words, text| shows(|f| MODEL.show_entry(1, &words, f), text);
    is_cd(Words::default(), c"CD V=0")?;
    is_cd(
        [7 << 48 | 0x8000_0010, 0x2000, 0, 0, 0, 0, 0, 0],
        c"CD ASID=7 TTB0=0x2000 T0SZ=16",
    )?;
    is_cd(
        [7 << 48 | 0x8000_4000, 0, 0, 0, 0, 0, 0, 0],
        c"CD ASID=7 EPD0",
    )?;
    shows(|f| MODEL.show_tag(tag::stage1(1, 2), f), c"VMID 1 ASID 2")?;
    shows(|f| MODEL.show_tag(tag::stage2(1), f), c"VMID 1")?;
    let is_command = |command, text| shows(|f| MODEL.show_command(command, f), text);
    is_command(command::cfgi_ste(5), c"CMD_CFGI_STE StreamID 5")?;
    is_command(
        command::cfgi_cd(5, 1),
        c"CMD_CFGI_CD StreamID 5 SubstreamID 1",
    )?;
    is_command(command::cfgi_all(), c"CMD_CFGI_ALL")?;
    is_command(
        command::tlbi(op::TLBI_NH_ASID, 1, 2),
        c"CMD_TLBI_NH_ASID VMID 1 ASID 2",
    )?;
    is_command(
        command::tlbi(op::TLBI_S2_IPA, 1, 0)
            .with(command::ADDRESS, 3)
            .with(command::TG, 1)
            .with(command::NUM, 4)
            .with(command::LEAF, 1),
        c"CMD_TLBI_S2_IPA VMID 1 0x3000 +5<<0 pages Leaf",
    )
}
