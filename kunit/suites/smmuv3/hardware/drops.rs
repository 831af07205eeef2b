// SPDX-License-Identifier: GPL-2.0

//! What commands make hardware forget.

use super::MODEL;
use crate::{
    kapi::kunit::{
        self,
        check,
        kunit_suite,
        Outcome, //
    },
    mock::hw::{
        model::{
            Command,
            Fetch,
            Model as _,
            Requester,
            Tag,
            Words, //
        },
        smmuv3::{
            command::{
                self,
                op, //
            },
            tag,
            Smmuv3, //
        },
    },
};
use kernel::fmt;

kunit_suite! {
    iommu_mock_smmuv3_drops:
    a_command_drops_what_it_is_about: each Drops in DROPS;
}

/// What a command makes hardware forget: entries by StreamID, SubstreamID and kind, and lines by
/// key and address. All that is not named is kept.
struct Drops {
    name: &'static str,
    command: fn() -> Command,
    /// StreamID, SubstreamID, kind.
    entries: &'static [(u32, Option<u32>, u8)],
    /// VMID, ASID, address.
    lines: &'static [(u16, Option<u16>, u64)],
    /// The same of tables that were gone through.
    tables: &'static [(u16, Option<u16>, u64)],
}

impl kunit::Param for Drops {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

type Entry = (u32, Option<u32>, u8);
type Line = (u16, Option<u16>, u64);

const ENTRIES: [Entry; 8] = [
    (1, None, 0),
    (1, None, 1),
    (1, Some(1), 0),
    (1, Some(1), 1),
    (1, Some(2), 1),
    (2, None, 0),
    (2, Some(1), 1),
    (3, None, 0),
];

const LINES: [Line; 8] = [
    (0, Some(1), 0x1000),
    (0, Some(1), 0x2000),
    (0, Some(2), 0x1000),
    (1, Some(1), 0x1000),
    (1, None, 0x1000),
    (1, None, 0x2000),
    (2, Some(1), 0x1000),
    (2, None, 0x1000),
];

const fn of_entries(
    name: &'static str,
    command: fn() -> Command,
    entries: &'static [Entry],
) -> Drops {
    Drops {
        name,
        command,
        entries,
        lines: &[],
        tables: &[],
    }
}

const fn of_lines(
    name: &'static str,
    command: fn() -> Command,
    lines: &'static [Line],
    tables: &'static [Line],
) -> Drops {
    Drops {
        name,
        command,
        entries: &[],
        lines,
        tables,
    }
}

fn at(op: u64, vmid: u16, asid: u16, address: u64) -> Command {
    let mut command = command::tlbi(op, vmid, asid);
    command::ADDRESS.set_address(&mut command.0, address);
    command
}

/// Pages 1 and 2.
fn two_pages(op: u64, vmid: u16, asid: u16) -> Command {
    at(op, vmid, asid, 0x1000)
        .with(command::TG, 1)
        .with(command::NUM, 1)
}

const ASID_1: &[Line] = &[(0, Some(1), 0x1000), (0, Some(1), 0x2000)];
const STAGE2_1: &[Line] = &[(1, None, 0x1000), (1, None, 0x2000)];
const VMID_1: &[Line] = &[(1, Some(1), 0x1000), (1, None, 0x1000), (1, None, 0x2000)];
const CDS_1: &[Entry] = &[(1, None, 1), (1, Some(1), 1), (1, Some(2), 1)];

#[rustfmt::skip]
const DROPS: [Drops; 18] = [
    of_entries("CFGI_STE", || command::cfgi_ste(1), &[(1, None, 0), (1, Some(1), 0)]),
    of_entries("CFGI_STE_RANGE", || command::cfgi_ste_range(3, 1), &[(2, None, 0), (3, None, 0)]),
    of_entries("CFGI_ALL", command::cfgi_all, &ENTRIES),
    of_entries("CFGI_CD", || command::cfgi_cd(1, 1), &[(1, Some(1), 1)]),
    of_entries("CFGI_CD 0", || command::cfgi_cd(1, 0), &[(1, None, 1)]),
    of_entries("CFGI_CD_ALL", || command::cfgi_cd_all(1), CDS_1),
    of_entries("PREFETCH_CONFIG", || command::prefetch_config(1), &[]),
    of_entries("ATC_INV", || command::atc_inv(1, None, 0, command::ATC_ALL), &[]),
    of_lines("NH_ALL",
        || command::tlbi(op::TLBI_NH_ALL, 1, 0), &[(1, Some(1), 0x1000)], &[(1, Some(1), 0x1000)]),
    of_lines("NH_ASID", || command::tlbi(op::TLBI_NH_ASID, 0, 1), ASID_1, ASID_1),
    of_lines("NH_VA",
        || at(op::TLBI_NH_VA, 0, 1, 0x2000), &[(0, Some(1), 0x2000)], &[(0, Some(1), 0x2000)]),
    of_lines("NH_VA Leaf",
        || at(op::TLBI_NH_VA, 0, 1, 0x2000).with(command::LEAF, 1), &[(0, Some(1), 0x2000)], &[]),
    of_lines("NH_VA range", || two_pages(op::TLBI_NH_VA, 0, 1), ASID_1, ASID_1),
    of_lines("S2_IPA",
        || at(op::TLBI_S2_IPA, 1, 0, 0x1000), &[(1, None, 0x1000)], &[(1, None, 0x1000)]),
    of_lines("S2_IPA Leaf range",
        || two_pages(op::TLBI_S2_IPA, 1, 0).with(command::LEAF, 1), STAGE2_1, &[]),
    of_lines("S12_VMALL", || command::tlbi(op::TLBI_S12_VMALL, 1, 0), VMID_1, VMID_1),
    of_lines("NSNH_ALL", || command::tlbi(op::TLBI_NSNH_ALL, 0, 0), &LINES, &LINES),
    of_lines("unknown", || command::tlbi(0x7f, 1, 1), &[], &[]),
];

fn a_command_drops_what_it_is_about(drops: &Drops) -> Outcome {
    let command = (drops.command)();
    for entry in &ENTRIES {
        let (id, pasid, kind) = *entry;
        let fetch = Fetch {
            at: 0,
            words: 8,
            unit: 1,
            kind,
            cached: true,
        };
        let (from, words) = (Requester { id, pasid }, Words::default());
        let dropped = MODEL.drops_entry(command, from, &fetch, &words);
        check!(dropped == drops.entries.contains(entry), "{entry:?}");

        // Some hardware knows no CD whose STE it does not know.
        let frugal = Smmuv3 {
            cfgi_ste_drops_cds: true,
            ..MODEL
        };
        let dropped = frugal.drops_entry(command, from, &fetch, &words);
        let of_ste = drops
            .entries
            .iter()
            .any(|(of, _, kind)| *of == id && *kind == 0);
        check!(dropped == (of_ste || drops.entries.contains(entry)));
    }
    for line in &LINES {
        let (vmid, asid, address) = *line;
        let tag: Tag = match asid {
            Some(asid) => tag::stage1(vmid, asid),
            None => tag::stage2(vmid),
        };
        for (base, name) in [(0, "page"), (0xfff, "end of page")] {
            // A line is of a page, which a command without range need not start.
            let dropped = MODEL.drops_translation(command, tag, address + base);
            let expected = drops.lines.contains(line);
            check!(base != 0 || dropped == expected, "{line:?}, {name}");
        }
        let dropped = MODEL.drops_tables(command, tag, address);
        check!(dropped == drops.tables.contains(line), "tables of {line:?}");
    }
    Ok(())
}
