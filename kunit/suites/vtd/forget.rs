// SPDX-License-Identifier: GPL-2.0

//! What descriptors make caches forget.

use super::registers;
use crate::{
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mock::hw::{
        model::{
            Fetch,
            Model,
            Requester,
            Words, //
        },
        vtd::{
            Descriptor,
            Key,
            Mode,
            Order,
            Pages,
            Registers,
            CONTEXT,
            PASID,
            ROOT, //
        },
    },
};

kunit_suite! {
    iommu_mock_vtd_forget:
    descriptors_drop_what_they_must_from_the_iotlb;
    page_ranges_are_aligned_and_hinted;
    descriptors_drop_what_they_must_of_context_entries;
    descriptors_drop_what_they_must_of_pasid_entries;
    entries_that_are_not_present_are_kept_in_caching_mode;
    descriptors_drop_what_they_must_from_device_tlbs;
    descriptors_overtake_as_the_order_says;
}

const fn pages(address: u64, am: u32, ih: bool) -> Pages {
    Pages { address, am, ih }
}

/// An address within [`HERE`], and one that is not.
const IOVA: u64 = 0x1000_3000;
const ELSEWHERE: u64 = 0x1000_8000;
const HERE: Pages = pages(0x1000_0000, 3, false);

const DESCRIPTORS: [Descriptor; 15] = [
    Descriptor::ContextGlobal,
    Descriptor::ContextDomain { did: 5 },
    Descriptor::ContextDevice {
        did: 5,
        sid: 3,
        fm: 0,
    },
    Descriptor::IotlbGlobal,
    Descriptor::IotlbDomain { did: 5 },
    Descriptor::IotlbPage {
        did: 5,
        pages: HERE,
    },
    Descriptor::DeviceTlb {
        sid: 3,
        pages: HERE,
    },
    Descriptor::Wait,
    Descriptor::PasidIotlb { did: 5, pasid: 7 },
    Descriptor::PasidIotlbPage {
        did: 5,
        pasid: 7,
        pages: HERE,
    },
    Descriptor::PasidCacheDomain { did: 5 },
    Descriptor::PasidCache { did: 5, pasid: 7 },
    Descriptor::PasidCacheGlobal,
    Descriptor::PasidDeviceTlb {
        sid: 3,
        pasid: 7,
        pages: HERE,
    },
    Descriptor::IotlbDomain { did: 6 },
];

/// One letter for each of [`DESCRIPTORS`]: `x` where it drops.
fn check_row(row: &str, what: &str, drops: impl Fn(Descriptor) -> bool) -> Outcome {
    check_eq!(row.len(), DESCRIPTORS.len());
    for (descriptor, letter) in DESCRIPTORS.into_iter().zip(row.bytes()) {
        check!(
            drops(descriptor) == (letter == b'x'),
            "{descriptor:?} on {what}"
        );
    }
    Ok(())
}

fn descriptors_drop_what_they_must_from_the_iotlb() -> Outcome {
    let model = registers(Mode::Scalable, false);
    let (did, pasid) = (5, 7);
    let table = [
        (Key::Second { did }, IOVA, "...xxx........."),
        (Key::Second { did }, ELSEWHERE, "...xx.........."),
        (Key::Second { did: 6 }, IOVA, "...x..........x"),
        (Key::First { did, pasid }, IOVA, "...x....xx....."),
        (Key::First { did, pasid }, ELSEWHERE, "...x....x......"),
        (Key::First { did, pasid: 8 }, IOVA, "...x..........."),
        (Key::First { did: 6, pasid }, IOVA, "...x..........."),
        // Of a nested line, which pages of the second stage it is made of is not known.
        (Key::Nested { did, pasid }, IOVA, "...xxx..xx....."),
        (Key::Nested { did, pasid }, ELSEWHERE, "...xxx..x......"),
        (Key::Nested { did, pasid: 8 }, IOVA, "...xxx........."),
    ];
    for (key, iova, row) in table {
        let tag = key.tag();
        check_row(row, "a line", |d| {
            model.drops_translation(d.encode(), tag, iova)
        })?;
        check_row(row, "a table", |d| {
            model.drops_tables(d.encode(), tag, iova)
        })?;
    }
    Ok(())
}

fn page_ranges_are_aligned_and_hinted() -> Outcome {
    let model = registers(Mode::Scalable, false);
    let (did, pasid) = (5, 7);
    let table = [
        (pages(0x1000_0000, 0, false), 0x1000_0fff, true),
        (pages(0x1000_0000, 0, false), 0x1000_1000, false),
        (pages(0x1000_0000, 9, false), 0x101f_ffff, true),
        (pages(0x1000_0000, 9, false), 0x1020_0000, false),
        (pages(0, 51, false), u64::MAX >> 1, true),
        (pages(0, 51, false), u64::MAX, false),
        (pages(0, 52, false), u64::MAX, true),
    ];
    for (range, iova, covered) in table {
        for ih in [false, true] {
            let pages = Pages { ih, ..range };
            let second = Descriptor::IotlbPage { did, pages }.encode();
            let first = Descriptor::PasidIotlbPage { did, pasid, pages }.encode();
            for (command, key) in [
                (second, Key::Second { did }),
                (first, Key::First { did, pasid }),
                (first, Key::Nested { did, pasid }),
            ] {
                let tag = key.tag();
                check_eq!(model.drops_translation(command, tag, iova), covered);
                check_eq!(model.drops_tables(command, tag, iova), covered && !ih);
            }
        }
    }
    Ok(())
}

fn fetch(kind: u8) -> Fetch {
    Fetch {
        at: 0x20_0000,
        words: 8,
        unit: 2,
        kind,
        cached: true,
    }
}

fn descriptors_drop_what_they_must_of_context_entries() -> Outcome {
    let entry = |lo, hi| -> Words { [lo, hi, 0, 0, 0, 0, 0, 0] };
    let table = [
        (Mode::Legacy, 3, entry(0x70_0001, 0x502), "xxx............"),
        (Mode::Legacy, 4, entry(0x70_0001, 0x502), "xx............."),
        (Mode::Legacy, 3, entry(0x70_0001, 0x602), "x.............."),
        // What is not present is remembered under DID 0.
        (Mode::Legacy, 3, entry(0x70_0000, 0x502), "x.............."),
        // In scalable mode nobody asks for a DID.
        (Mode::Scalable, 3, entry(0x40_0009, 0), "xxx............"),
        (Mode::Scalable, 4, entry(0x40_0009, 0), "xx............."),
    ];
    for (mode, id, words, row) in table {
        let from = Requester { id, pasid: None };
        let model = registers(mode, true);
        check_row(row, "a context entry", |d| {
            model.drops_entry(d.encode(), from, &fetch(CONTEXT), &words)
        })?;
        check_row("...............", "a root entry", |d| {
            model.drops_entry(d.encode(), from, &fetch(ROOT), &words)
        })?;
    }
    let model = registers(Mode::Legacy, true);
    let drops = |did, sid, fm, id| {
        let command = Descriptor::ContextDevice { did, sid, fm }.encode();
        let hi = if did == 0 { 0 } else { 0x502 };
        let from = Requester { id, pasid: None };
        model.drops_entry(
            command,
            from,
            &fetch(CONTEXT),
            &entry(u64::from(did != 0), hi),
        )
    };
    // Function masks: none, bit 2, bits 2:1, bits 2:0.
    for (fm, id, dropped) in [
        (0, 0x108, true),
        (0, 0x10c, false),
        (1, 0x10c, true),
        (1, 0x10a, false),
        (2, 0x10e, true),
        (2, 0x109, false),
        (3, 0x10f, true),
        (3, 0x110, false),
    ] {
        check_eq!(drops(5, 0x108, fm, id), dropped);
        check_eq!(drops(0, 0x108, fm, id), dropped);
    }
    Ok(())
}

fn descriptors_drop_what_they_must_of_pasid_entries() -> Outcome {
    let entry = |p: u64, did| -> Words { [0x70_0088 | p, did, 0, 0, 0, 0, 0, 0] };
    let model = registers(Mode::Scalable, true);
    let table = [
        (Some(7), entry(1, 5), "..........xxx.."),
        (Some(8), entry(1, 5), "..........x.x.."),
        (Some(7), entry(1, 6), "............x.."),
        (None, entry(1, 5), "..........x.x.."),
        // Which DID something was remembered under that is not present is not told.
        (Some(7), entry(0, 6), "..........xxx.."),
        (Some(8), entry(0, 6), "..........x.x.."),
    ];
    for (pasid, words, row) in table {
        let from = Requester { id: 3, pasid };
        check_row(row, "a PASID entry", |d| {
            model.drops_entry(d.encode(), from, &fetch(PASID), &words)
        })?;
    }
    // Requests without PASID are looked up under PASID 0.
    let command = Descriptor::PasidCache { did: 5, pasid: 0 }.encode();
    let from = Requester { id: 3, pasid: None };
    check!(model.drops_entry(command, from, &fetch(PASID), &entry(1, 5)));
    Ok(())
}

fn entries_that_are_not_present_are_kept_in_caching_mode() -> Outcome {
    for mode in [Mode::Legacy, Mode::Scalable] {
        for (caching_mode, word, kept) in [
            (false, 0x70_0088, false),
            (false, 0x70_0089, true),
            (true, 0x70_0088, true),
            (true, 0x70_0089, true),
        ] {
            let words = [word, 0, 0, 0, 0, 0, 0, 0];
            let model = registers(mode, caching_mode);
            check_eq!(model.keeps(&fetch(PASID), &words), kept);
        }
    }
    Ok(())
}

fn descriptors_drop_what_they_must_from_device_tlbs() -> Outcome {
    let model = registers(Mode::Scalable, false);
    let table = [
        (3, None, IOVA, "......x........"),
        (3, None, ELSEWHERE, "..............."),
        (4, None, IOVA, "..............."),
        (3, Some(7), IOVA, ".............x."),
        (3, Some(7), ELSEWHERE, "..............."),
        (3, Some(8), IOVA, "..............."),
        (4, Some(7), IOVA, "..............."),
    ];
    for (id, pasid, iova, row) in table {
        let from = Requester { id, pasid };
        check_row(row, "what an endpoint keeps", |d| {
            model.drops_kept(d.encode(), from, iova)
        })?;
    }
    // Sizes, up to all there is.
    let from = Requester { id: 3, pasid: None };
    for (range, iova, covered) in [
        (pages(0x1000_0000, 0, false), 0x1000_0fff, true),
        (pages(0x1000_0000, 0, false), 0x1000_1000, false),
        (pages(0x1000_0000, 1, false), 0x1000_1000, true),
        (pages(0x1000_0000, 1, false), 0x1000_2000, false),
        (pages(0x1000_0000, 9, false), 0x101f_ffff, true),
        (pages(0x1000_0000, 9, false), 0x1020_0000, false),
        (pages(0, 51, false), u64::MAX >> 1, true),
        (pages(0, 51, false), u64::MAX, false),
        (Pages::ALL, u64::MAX, true),
    ] {
        let (sid, pages) = (3, range);
        let command = Descriptor::DeviceTlb { sid, pages }.encode();
        check_eq!(model.drops_kept(command, from, iova), covered);
    }
    Ok(())
}

/// One letter for each of [`DESCRIPTORS`]: `x` where `later` must not overtake it.
fn check_order(order: Order, later: Descriptor, row: &str) -> Outcome {
    let model = Registers {
        order,
        ..registers(Mode::Scalable, false)
    };
    check_row(row, "a queue", |earlier| {
        !model.overtakes(later.encode(), earlier.encode())
    })
}

fn descriptors_overtake_as_the_order_says() -> Outcome {
    let (did, pasid, sid, pages) = (5, 7, 3, HERE);
    let device = Descriptor::DeviceTlb { sid, pages };
    let with_pasid = Descriptor::PasidDeviceTlb { sid, pasid, pages };
    for order in [Order::Manual, Order::Linux] {
        // All of the IOTLB behind all of the context cache and of the PASID cache, and that behind
        // the context cache.
        let row = "xxx.......xxx..";
        check_order(order, Descriptor::IotlbDomain { did }, row)?;
        check_order(order, Descriptor::PasidIotlb { did, pasid }, row)?;
        let row = "xxx............";
        check_order(order, Descriptor::PasidCache { did, pasid }, row)?;
        check_order(order, Descriptor::ContextGlobal, "...............")?;
        check_order(order, with_pasid, "...xxx..xx....x")?;
    }
    check_order(Order::Manual, device, "...xxx........x")?;
    check_order(Order::Linux, device, "...xxx..xx....x")?;
    for later in DESCRIPTORS {
        check_order(Order::Nothing, later, "...............")?;
    }
    Ok(())
}
