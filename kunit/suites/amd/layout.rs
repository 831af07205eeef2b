// SPDX-License-Identifier: GPL-2.0

//! Layouts against numbers worked out by hand, and what commands drop.

use crate::{
    kapi::kunit::{
        check,
        check_eq,
        Outcome, //
    },
    mock::hw::{
        amd::{
            command::{
                invalidate_devtab_entry,
                invalidate_iommu_pages,
                invalidate_iotlb_pages, //
            },
            dte::{
                self,
                Dte, //
            },
            tag,
            AmdVi, //
        },
        model::{
            Command,
            Fetch,
            Model,
            Next,
            Requester,
            Words, //
        },
    },
};
use kernel::{
    fmt,
    prelude::*,
    str::CString, //
};

pub(super) const REGISTERS: AmdVi = AmdVi {
    device_table: 1 << 40,
    devices: 0x200,
    fetch_unit: 4,
    glx_max: 2,
    host_range_drops_guest: true,
    in_order: true,
    alias_bits: 0x100,
};

const INVALIDATE_ALL: Command = Command([8 << 60, 0]);

pub(super) fn fields_are_where_the_manual_has_them() -> Outcome {
    let fields = [
        (dte::V, [1, 0, 0, 0]),
        (dte::TV, [2, 0, 0, 0]),
        (dte::HAD, [0x180, 0, 0, 0]),
        (dte::MODE, [0xe00, 0, 0, 0]),
        (dte::HOST_ROOT, [0x000f_ffff_ffff_f000, 0, 0, 0]),
        (dte::GIOV, [0x0040_0000_0000_0000, 0, 0, 0]),
        (dte::GV, [0x0080_0000_0000_0000, 0, 0, 0]),
        (dte::GLX, [0x0300_0000_0000_0000, 0, 0, 0]),
        (dte::GCR3_14_12, [0x1c00_0000_0000_0000, 0, 0, 0]),
        (dte::IR, [0x2000_0000_0000_0000, 0, 0, 0]),
        (dte::IW, [0x4000_0000_0000_0000, 0, 0, 0]),
        (dte::DOMAIN_ID, [0, 0xffff, 0, 0]),
        (dte::GCR3_30_15, [0, 0xffff_0000, 0, 0]),
        (dte::I, [0, 0x1_0000_0000, 0, 0]),
        (dte::SYS_MGT, [0, 0x300_0000_0000, 0, 0]),
        (dte::GCR3_51_31, [0, 0xffff_f800_0000_0000, 0, 0]),
        (dte::IV, [0, 0, 1, 0]),
        (dte::INT_TAB_LEN, [0, 0, 0x1e, 0]),
        (dte::INT_ROOT, [0, 0, 0x000f_ffff_ffff_ffc0, 0]),
        (dte::GUEST_PAGING_MODE, [0, 0, 0x00c0_0000_0000_0000, 0]),
        (dte::INT_CTL, [0, 0, 0x3000_0000_0000_0000, 0]),
    ];
    for (field, words) in fields {
        check_eq!(Dte::default().with(field, u64::MAX).0, words);
        check_eq!(Dte(words).get(field), Dte([u64::MAX; 4]).get(field));
        check_eq!(Dte(words).with(field, 0), Dte::default());
    }
    Ok(())
}

pub(super) fn gcr3_pointer_is_split_over_three_fields() -> Outcome {
    let at = 0x000a_5a5a_b6b6_d000;
    let entry = Dte::default().with_gcr3(at);
    // Bits 14:12 are 5, 30:15 are 0x6d6d, 51:31 are 0x14_b4b5.
    check_eq!(
        entry.0,
        [5 << 58, (0x14_b4b5 << 43) | (0x6d6d << 16), 0, 0] //
    );
    check_eq!(entry.gcr3(), at);
    check_eq!(
        Dte::default().with_gcr3(u64::MAX).gcr3(),
        0x000f_ffff_ffff_f000
    );
    Ok(())
}

pub(super) fn commands_are_laid_out_as_in_the_manual() -> Outcome {
    check_eq!(
        invalidate_devtab_entry(0x1234).0,
        [0x2000_0000_0000_1234, 0]
    );
    let pages = |range| invalidate_iommu_pages(0x1235, None, range, false).0;
    let first = 0x3000_1235_0000_0000;
    check_eq!(pages((0x7000, 0x7fff)), [first, 0x7000]);
    check_eq!(pages((0x7123, 0x7123)), [first, 0x7000]);
    check_eq!(pages((0x6000, 0x7fff)), [first, 0x6001]);
    check_eq!(pages((0x4000, 0x7fff)), [first, 0x5001]);
    check_eq!(pages((0x7000, 0x8fff)), [first, 0x7001]);
    check_eq!(pages((0, (1 << 52) - 1)), [first, 0x0007_ffff_ffff_f001]);
    check_eq!(pages((0, 1 << 52)), [first, 0x7fff_ffff_ffff_f001]);
    check_eq!(pages((0, u64::MAX)), [first, 0x7fff_ffff_ffff_f001]);
    let guest = invalidate_iommu_pages(1, Some(0xabcde), (0x7000, 0x7fff), true);
    check_eq!(guest.0, [0x3000_0001_000a_bcde, 0x7006]);
    Ok(())
}

pub(super) fn commands_drop_what_they_must() -> Outcome {
    let host = |range, pde| invalidate_iommu_pages(5, None, range, pde);
    let guest = |pasid, range, pde| invalidate_iommu_pages(5, Some(pasid), range, pde);
    let all = (0, u64::MAX);
    // Command, tag, address, whether the translation goes, whether tables go.
    let cases = [
        (
            host((0x4000, 0x7fff), false),
            tag::host(5),
            0x3fff,
            false,
            false,
        ),
        (
            host((0x4000, 0x7fff), false),
            tag::host(5),
            0x4000,
            true,
            false,
        ),
        (
            host((0x4000, 0x7fff), false),
            tag::host(5),
            0x7fff,
            true,
            false,
        ),
        (
            host((0x4000, 0x7fff), false),
            tag::host(5),
            0x8000,
            false,
            false,
        ),
        (
            host((0x4000, 0x4fff), true),
            tag::host(5),
            0x4abc,
            true,
            true,
        ),
        (
            host((0x4000, 0x4fff), true),
            tag::host(5),
            0x5000,
            false,
            false,
        ),
        // What is around a range that is not aligned goes, too.
        (
            host((0x7000, 0x8fff), false),
            tag::host(5),
            0x0000,
            true,
            false,
        ),
        (
            host((0x7000, 0x8fff), false),
            tag::host(5),
            0xffff,
            true,
            false,
        ),
        (
            host((0x7000, 0x8fff), false),
            tag::host(5),
            0x1_0000,
            false,
            false,
        ),
        (host(all, true), tag::host(5), u64::MAX, true, true),
        (host(all, true), tag::host(4), 0x4000, false, false),
        (host(all, true), tag::guest(5, 3), 0x4000, true, true),
        (host(all, true), tag::guest(4, 3), 0x4000, false, false),
        (guest(3, all, true), tag::guest(5, 3), 0x4000, true, true),
        (guest(3, all, false), tag::guest(5, 3), 0x4000, true, false),
        (guest(3, all, true), tag::guest(5, 2), 0x4000, false, false),
        (guest(0, all, true), tag::guest(5, 0), 0x4000, true, true),
        (guest(0, all, true), tag::host(5), 0x4000, false, false),
        (
            guest(3, (0, 0xfff), false),
            tag::guest(5, 3),
            0x1000,
            false,
            false,
        ),
        (
            invalidate_devtab_entry(5),
            tag::host(5),
            0x4000,
            false,
            false,
        ),
        (INVALIDATE_ALL, tag::guest(9, 9), 0x4000, true, true),
    ];
    for (command, tag, iova, translation, tables) in cases {
        let drops = REGISTERS.drops_translation(command, tag, iova);
        check!(
            drops == translation && REGISTERS.drops_tables(command, tag, iova) == tables,
            "{command:x?} on {tag:x?} at {iova:x}: {drops}"
        );
    }
    // What is not certain can be chosen otherwise.
    let strict = AmdVi {
        host_range_drops_guest: false,
        ..REGISTERS
    };
    let range = host((0x4000, 0x7fff), false);
    check!(REGISTERS.drops_translation(range, tag::guest(5, 3), 0));
    check!(!strict.drops_translation(range, tag::guest(5, 3), 0x4000));
    check!(strict.drops_translation(host(all, false), tag::guest(5, 3), 0));
    Ok(())
}

/// The next entry that is read, after these.
fn fetch(from: Requester, read: &[Words]) -> Result<Fetch> {
    match REGISTERS.next(from, read) {
        Next::Fetch(fetch) => Ok(fetch),
        _ => Err(EINVAL),
    }
}

pub(super) fn entries_are_dropped_by_their_own_commands() -> Outcome {
    let from = Requester {
        id: 7,
        pasid: Some(0x201),
    };
    let device = fetch(from, &[])?;
    check_eq!((device.at, device.words), ((1 << 40) + 7 * 32, 4));
    check_eq!(device.unit, 4);
    let halves = REGISTERS.with_fetch_unit(2).next(from, &[]);
    check_eq!(halves, Next::Fetch(Fetch { unit: 2, ..device }));
    let with_gcr3 = |domain| {
        let entry = Dte([3, domain, 0, 0]).with(dte::GV, 1).with(dte::IR, 1);
        let [w0, w1, w2, w3] = entry.with(dte::GLX, 1).with_gcr3(0x8000).0;
        [w0, w1, w2, w3, 0, 0, 0, 0]
    };
    let entry = with_gcr3(5);
    let upper = fetch(from, &[entry])?;
    check_eq!((upper.at, upper.words), (0x8000 + 8, 1));
    let lower = fetch(from, &[entry, [0x9001, 0, 0, 0, 0, 0, 0, 0]])?;
    check_eq!((lower.at, lower.words), (0x9000 + 8, 1));

    let pages = |domain, pasid, last, pde| invalidate_iommu_pages(domain, pasid, (0, last), pde);
    // Command, whether the device table entry goes, whether entries of the GCR3 table go.
    let cases = [
        (invalidate_devtab_entry(7), true, false),
        (invalidate_devtab_entry(6), false, false),
        (pages(5, Some(0x201), u64::MAX, true), false, true),
        (pages(5, None, u64::MAX, true), false, true),
        (pages(5, Some(0x201), u64::MAX, false), false, false),
        (pages(5, Some(0x201), 0xfff, true), false, false),
        (pages(5, Some(0x200), u64::MAX, true), false, false),
        (pages(6, Some(0x201), u64::MAX, true), false, false),
        (INVALIDATE_ALL, true, true),
    ];
    for (command, drops_device, drops_gcr3) in cases {
        for (of, drops) in [
            (device, drops_device),
            (upper, drops_gcr3),
            (lower, drops_gcr3),
        ] {
            check_eq!(REGISTERS.drops_entry(command, from, &of, &entry), drops);
        }
    }
    Ok(())
}

/// What `show` writes.
struct Text<F>(F);

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Display for Text<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

fn check_text(expected: &str, show: impl Fn(&mut fmt::Formatter<'_>) -> fmt::Result) -> Outcome {
    let text = CString::try_from_fmt(fmt!("{}", Text(&show)))?;
    check!(
        text.to_bytes() == expected.as_bytes(),
        "reads {}",
        Text(&show)
    );
    Ok(())
}

pub(super) fn all_reads_as_in_the_manual() -> Outcome {
    let commands = [
        (
            invalidate_devtab_entry(0x102),
            "INVALIDATE_DEVTAB_ENTRY DeviceID 0x102",
        ),
        (
            invalidate_iommu_pages(5, None, (0x4000, 0x4fff), false),
            "INVALIDATE_IOMMU_PAGES DomainID 5 0x4000",
        ),
        (
            invalidate_iommu_pages(5, Some(3), (0x4000, 0x5fff), false),
            "INVALIDATE_IOMMU_PAGES DomainID 5 PASID 3 0x4000/S",
        ),
        (
            invalidate_iommu_pages(5, Some(0), (0, u64::MAX), true),
            "INVALIDATE_IOMMU_PAGES DomainID 5 PASID 0 all PDE",
        ),
        (
            invalidate_iotlb_pages(5, None, (0, u64::MAX)),
            "INVALIDATE_IOTLB_PAGES DeviceID 0x5 all",
        ),
        (
            invalidate_iotlb_pages(5, Some(3), (0x4000, 0x4fff)),
            "INVALIDATE_IOTLB_PAGES DeviceID 0x5 PASID 3 0x4000",
        ),
        (INVALIDATE_ALL, "INVALIDATE_IOMMU_ALL"),
        (Command([7, 1]), "unknown command [7, 1]"),
    ];
    for (command, text) in commands {
        check_text(text, |f| REGISTERS.show_command(command, f))?;
    }
    check_text("DomainID 5", |f| REGISTERS.show_tag(tag::host(5), f))?;
    check_text("DomainID 5 PASID 3", |f| {
        REGISTERS.show_tag(tag::guest(5, 3), f)
    })?;
    let host = (3 << 61) | 0x1000 | (3 << 9) | 3;
    let guest = Dte([(3 << 61) | 3, 6, 0, 0])
        .with(dte::GV, 1)
        .with_gcr3(0x8000);
    let [w0, w1, ..] = guest.0;
    let entries = [
        (0, [0, 5, 0, 0], "DTE: V=0 TV=0"),
        (0, [1, 5, 0, 0], "DTE: V=1 TV=0"),
        (
            0,
            [host, 5, 0, 0],
            "DTE: V=1 TV=1 IR=1 IW=1 DomainID 5 Mode=3 host root 0x1000",
        ),
        (
            0,
            [w0, w1, 1 << 54, 0],
            "DTE: V=1 TV=1 IR=1 IW=1 DomainID 6 Mode=0 GV=1 GIOV=0 GLX=0 GCR3 0x8000, 5 levels",
        ),
        (0x85, [0x9001, 0, 0, 0], "GCR3 entry: 0x9000"),
        (0x85, [0x9000, 0, 0, 0], "GCR3 entry: not valid"),
    ];
    for (kind, [w0, w1, w2, w3], text) in entries {
        let words = [w0, w1, w2, w3, 0, 0, 0, 0];
        check_text(text, |f| REGISTERS.show_entry(kind, &words, f))?;
    }
    Ok(())
}

pub(super) fn device_iotlbs_are_dropped_by_their_own_commands() -> Outcome {
    let pages = |pasid, range| invalidate_iotlb_pages(0x1234, pasid, range);
    let all = (0, u64::MAX);
    let first = 0x4000_1234_0000_1234;
    check_eq!(pages(None, (0x7000, 0x7fff)).0, [first, 0x7000]);
    check_eq!(pages(None, (0x4000, 0x7fff)).0, [first, 0x5001]);
    check_eq!(pages(None, all).0, [first, 0x7fff_ffff_ffff_f001]);
    let with_pasid = pages(Some(0xabcd), (0x7000, 0x7fff)).0;
    check_eq!(with_pasid, [0x40cd_1234_00ab_1234, 0x7004]);

    // Command, DeviceID, PASID, address, whether it goes.
    let (own, alias) = (0x1234 & !0x100, 0x1234 | 0x100);
    let command = |pasid, range| invalidate_iotlb_pages(own, pasid, range);
    let range = (0x4000, 0x7fff);
    let cases = [
        (command(None, range), own, None, 0x4000, true),
        (command(None, range), own, None, 0x3fff, false),
        (command(None, range), own, None, 0x8000, false),
        (command(None, range), alias, None, 0x4000, true),
        (command(None, range), own + 1, None, 0x4000, false),
        // All there is, with whatever PASID, and no part of that.
        (command(None, range), own, Some(3), 0x4000, false),
        (command(None, all), own, Some(3), 0x4000, true),
        (command(Some(3), range), own, Some(3), 0x7fff, true),
        (command(Some(3), range), own, Some(3), 0x8000, false),
        (command(Some(3), all), own, Some(4), 0x4000, false),
        (command(Some(3), all), own, None, 0x4000, false),
        (command(Some(0), range), own, None, 0x4000, true),
        (INVALIDATE_ALL, own, None, 0x4000, false),
        (invalidate_devtab_entry(own), own, None, 0x4000, false),
    ];
    for (command, id, pasid, iova, drops) in cases {
        let from = Requester { id, pasid };
        check!(
            REGISTERS.drops_kept(command, from, iova) == drops,
            "{command:x?} on {from:x?} at {iova:x}"
        );
        for tag in [tag::host(5), tag::guest(5, 3)] {
            let is_all = command == INVALIDATE_ALL;
            check_eq!(REGISTERS.drops_translation(command, tag, iova), is_all);
        }
    }

    // Who may have translations of its own: V, TV, IR or IW, I.
    let from = Requester {
        id: own,
        pasid: None,
    };
    for (word0, word1, may) in [
        (3 | 1 << 61, 1 << 32, true),
        (3 | 1 << 62, 1 << 32, true),
        (3 | 3 << 61, 0, false),
        (3, 1 << 32, false),
        (2 | 3 << 61, 1 << 32, false),
        (1 | 3 << 61, 1 << 32, false),
    ] {
        let entry: Words = [word0, word1, 0, 0, 0, 0, 0, 0];
        check_eq!(REGISTERS.ats(from, &[entry]), may);
        // Whatever is in the GCR3 table.
        check_eq!(REGISTERS.ats(from, &[entry, [0; 8]]), may);
    }
    check!(!REGISTERS.ats(from, &[]));

    let (one, other) = (command(None, all), invalidate_devtab_entry(own));
    check!(!REGISTERS.overtakes(one, other) && !REGISTERS.overtakes(other, one));
    let unordered = AmdVi {
        in_order: false,
        ..REGISTERS
    };
    check!(unordered.overtakes(one, other) && unordered.overtakes(other, one));
    Ok(())
}
