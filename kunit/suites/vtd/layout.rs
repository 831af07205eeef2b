// SPDX-License-Identifier: GPL-2.0

//! Words.

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
            Command,
            Model,
            Next,
            Requester,
            Stage,
            Tag,
            Words, //
        },
        vtd::{
            entry::{
                context,
                directory,
                pasid,
                root,
                scalable, //
            },
            walk::{
                FIRST,
                SECOND, //
            },
            Descriptor,
            Field,
            Key,
            Mode,
            Pages, //
        },
    },
};

kunit_suite! {
    iommu_mock_vtd_layout:
    fields_are_where_the_manual_has_them;
    descriptors_are_as_in_the_manual;
    unknown_descriptors_are_none;
    tags_can_be_taken_apart;
    lookup_goes_from_the_root_to_the_pasid_entry;
    lookup_in_legacy_mode_ends_at_the_context_entry;
    pasid_entries_mean_what_they_say;
    context_entries_mean_what_they_say;
    context_entries_say_who_may_keep_translations;
}

const PAGES: Pages = Pages {
    address: 0x1000_0000,
    am: 3,
    ih: true,
};

fn fields_are_where_the_manual_has_them() -> Outcome {
    // Field, value, word, what the word becomes.
    let table: [(Field, u64, usize, u64); 31] = [
        (root::P, 1, 0, 1),
        (root::CTP, 0xabcde, 0, 0xabcd_e000),
        (root::LP, 1, 0, 1),
        (root::LCTP, 0xabcde, 0, 0xabcd_e000),
        (root::UP, 1, 1, 1),
        (root::UCTP, 0xabcde, 1, 0xabcd_e000),
        (context::P, 1, 0, 1),
        (context::FPD, 1, 0, 2),
        (context::TT, 2, 0, 8),
        (context::SSPTPTR, 0xabcde, 0, 0xabcd_e000),
        (context::AW, 2, 1, 2),
        (context::DID, 0xffff, 1, 0xff_ff00),
        (scalable::P, 1, 0, 1),
        (scalable::FPD, 1, 0, 2),
        (scalable::DTE, 1, 0, 4),
        (scalable::PASIDE, 1, 0, 8),
        (scalable::PDTS, 7, 0, 0xe00),
        (scalable::PASIDDIRPTR, 0xabcde, 0, 0xabcd_e000),
        (scalable::RID_PASID, 0xf_ffff, 1, 0xf_ffff),
        (directory::SMPTBLPTR, 0xabcde, 0, 0xabcd_e000),
        (pasid::P, 1, 0, 1),
        (pasid::FPD, 1, 0, 2),
        (pasid::AW, 3, 0, 0xc),
        (pasid::PGTT, 7, 0, 0x1c0),
        (pasid::SSADE, 1, 0, 0x200),
        (pasid::SSPTPTR, 0xabcde, 0, 0xabcd_e000),
        (pasid::DID, 0xffff, 1, 0xffff),
        (pasid::PWSNP, 1, 1, 0x80_0000),
        (pasid::FSPM, 3, 2, 0xc),
        (pasid::FSPTPTR, 0xabcde, 2, 0xabcd_e000),
        // What does not fit is cut off.
        (pasid::PGTT, 9, 0, 0x40),
    ];
    for (field, value, word, becomes) in table {
        let mut words = Words::default();
        field.set(&mut words, value);
        let mut expected = Words::default();
        if let Some(word) = expected.get_mut(word) {
            *word = becomes;
        }
        check!(words == expected, "{field:?} = {value:#x}: {words:x?}");
        let mut all = [u64::MAX; 8];
        field.set(&mut all, 0);
        for (index, left) in all.iter().enumerate() {
            let bits = if index == word { field.mask() } else { 0 };
            check!(*left == !bits, "{field:?} = 0 leaves {all:x?}");
        }
    }
    Ok(())
}

fn descriptors_are_as_in_the_manual() -> Outcome {
    let (did, pasid, sid, pages) = (5, 7, 0x1234, PAGES);
    let everything = 0x7fff_ffff_ffff_f000;
    // Device-TLBs know no hint.
    let all = Pages::ALL;
    let eight = Pages { ih: false, ..PAGES };
    let one = Pages { am: 0, ..eight };
    let table = [
        (Descriptor::ContextGlobal, [0x11, 0]),
        (Descriptor::ContextDomain { did }, [0x5_0021, 0]),
        (
            Descriptor::ContextDevice { did, sid, fm: 0 },
            [0x1234_0005_0031, 0],
        ),
        (
            Descriptor::ContextDevice { did, sid, fm: 3 },
            [0x3_1234_0005_0031, 0],
        ),
        (Descriptor::IotlbGlobal, [0xd2, 0]),
        (Descriptor::IotlbDomain { did }, [0x5_00e2, 0]),
        (
            Descriptor::IotlbPage { did, pages },
            [0x5_00f2, 0x1000_0043],
        ),
        (
            Descriptor::DeviceTlb { sid, pages: all },
            [0x1234_0000_0003, everything | 1],
        ),
        (
            Descriptor::DeviceTlb { sid, pages: one },
            [0x1234_0000_0003, 0x1000_0000],
        ),
        (
            Descriptor::DeviceTlb { sid, pages: eight },
            [0x1234_0000_0003, 0x1000_3001],
        ),
        (Descriptor::Wait, [0x25, 0]),
        (Descriptor::PasidIotlb { did, pasid }, [0x7_0005_0026, 0]),
        (
            Descriptor::PasidIotlbPage { did, pasid, pages },
            [0x7_0005_0036, 0x1000_0043],
        ),
        (Descriptor::PasidCacheDomain { did }, [0x5_0007, 0]),
        (Descriptor::PasidCache { did, pasid }, [0x7_0005_0017, 0]),
        (Descriptor::PasidCacheGlobal, [0x37, 0]),
        (
            Descriptor::PasidDeviceTlb {
                sid,
                pasid,
                pages: all,
            },
            [0x7_1234_0008, everything | 0x800],
        ),
        (
            Descriptor::PasidDeviceTlb {
                sid,
                pasid,
                pages: eight,
            },
            [0x7_1234_0008, 0x1000_3800],
        ),
    ];
    for (descriptor, words) in table {
        let encoded = descriptor.encode();
        check!(
            encoded.0 == words,
            "{descriptor:?} is {:x?}, not {words:x?}",
            encoded.0
        );
        check_eq!(Descriptor::decode(encoded), Some(descriptor));
    }
    Ok(())
}

fn unknown_descriptors_are_none() -> Outcome {
    // No type, no such type, and granularities that are reserved.
    for word in [0, 0xf, 0x01, 0x02, 0x06, 0x16, 0x27] {
        check_eq!(Descriptor::decode(Command([word, 0])), None);
    }
    Ok(())
}

fn tags_can_be_taken_apart() -> Outcome {
    let (did, pasid) = (0xabcd, 0xf_edcb);
    let keys = [
        Key::Second { did },
        Key::First { did, pasid },
        Key::Nested { did, pasid },
    ];
    for (at, key) in keys.iter().enumerate() {
        check_eq!(Key::of(key.tag()), Some(*key));
        for other in keys.iter().skip(at + 1) {
            check!(key.tag() != other.tag(), "{key:?} and {other:?} are alike");
        }
    }
    check_eq!(Key::of(Tag(0)), None);
    Ok(())
}

/// What is read next: address and words.
fn fetched(mode: Mode, from: Requester, read: &[Words]) -> Option<(u64, u32)> {
    match registers(mode, false).next(from, read) {
        Next::Fetch(fetch) => Some((fetch.at, fetch.words)),
        _ => None,
    }
}

fn words(first: &[u64]) -> Words {
    let mut words = Words::default();
    for (to, word) in words.iter_mut().zip(first) {
        *to = *word;
    }
    words
}

fn lookup_goes_from_the_root_to_the_pasid_entry() -> Outcome {
    let lower = Requester {
        id: 0x0205,
        pasid: None,
    };
    let upper = Requester {
        id: 0x0285,
        pasid: Some(0x43),
    };
    let root = words(&[0x20_0001, 0x30_0001]);
    let context = words(&[0x40_0009]);
    let directory = words(&[0x50_0001]);
    let next = |from, read: &[Words]| fetched(Mode::Scalable, from, read);

    check_eq!(next(lower, &[]), Some((0x10_0020, 2)));
    check_eq!(next(lower, &[root]), Some((0x20_00a0, 4)));
    check_eq!(next(upper, &[root]), Some((0x30_00a0, 4)));
    check_eq!(next(upper, &[words(&[0x20_0001])]), None);
    check_eq!(next(lower, &[root, context]), Some((0x40_0000, 1)));
    check_eq!(next(upper, &[root, context]), Some((0x40_0008, 1)));
    check_eq!(
        next(lower, &[root, context, directory]),
        Some((0x50_0000, 8))
    );
    check_eq!(
        next(upper, &[root, context, directory]),
        Some((0x50_00c0, 8))
    );
    check_eq!(next(upper, &[root, context, words(&[0x50_0000])]), None);
    // Not present; PASIDs not enabled; a PASID beyond the 128 entries of the directory.
    check_eq!(next(lower, &[root, words(&[0x40_0008])]), None);
    check_eq!(next(upper, &[root, words(&[0x40_0001])]), None);
    let far = Requester {
        pasid: Some(128 * 64),
        ..lower
    };
    check_eq!(next(far, &[root, context]), None);
    let larger = words(&[0x40_0209]);
    check_eq!(next(far, &[root, larger]), Some((0x40_0400, 1)));
    let nobody = Requester {
        id: 0x1_0000,
        pasid: None,
    };
    check_eq!(next(nobody, &[]), None);
    Ok(())
}

fn lookup_in_legacy_mode_ends_at_the_context_entry() -> Outcome {
    let from = Requester {
        id: 0x0285,
        pasid: None,
    };
    let next = |read: &[Words]| fetched(Mode::Legacy, from, read);
    check_eq!(next(&[]), Some((0x10_0020, 2)));
    check_eq!(next(&[words(&[0x20_0001])]), Some((0x20_0850, 2)));
    check_eq!(next(&[words(&[0x20_0000])]), None);
    Ok(())
}

/// What an entry at the end of a lookup means: a tag with the stages, or `Err` for no translation
/// and whether the access passes.
type Meaning = core::result::Result<(Key, Stage, Option<Stage>), bool>;

fn meaning(next: Next) -> Meaning {
    match next {
        Next::Translate(by) => match Key::of(by.tag) {
            Some(key) => Ok((key, by.first, by.second)),
            None => Err(false),
        },
        Next::Bypass => Err(true),
        Next::Abort(_) | Next::Fetch(_) => Err(false),
    }
}

const fn stage(root: u64, levels: u32, format: u8) -> Stage {
    Stage {
        root,
        levels,
        format,
    }
}

fn pasid_entries_mean_what_they_say() -> Outcome {
    const ABORT: Meaning = Err(false);
    let from = Requester {
        id: 3,
        pasid: Some(7),
    };
    let (did, pasid) = (5, 7);
    let second = |levels| stage(0x70_0000, levels, SECOND);
    let first = |levels| stage(0x90_0000, levels, FIRST);
    let fs = Key::First { did, pasid };
    let nested = Key::Nested { did, pasid };
    let table: [([u64; 3], Meaning); 19] = [
        ([0x70_0088, 5, 0], ABORT),
        (
            [0x70_0085, 5, 0],
            Ok((Key::Second { did }, second(3), None)),
        ),
        (
            [0x70_0089, 5, 0],
            Ok((Key::Second { did }, second(4), None)),
        ),
        (
            [0x70_008d, 5, 0],
            Ok((Key::Second { did }, second(5), None)),
        ),
        ([0x70_0081, 5, 0], ABORT),
        ([0x70_0091, 5, 0], ABORT),
        // The other stage does not matter.
        (
            [0x70_0089, 5, 0x90_000c],
            Ok((Key::Second { did }, second(4), None)),
        ),
        ([0x70_0041, 5, 0x90_0000], Ok((fs, first(4), None))),
        ([0x70_004d, 5, 0x90_0004], Ok((fs, first(5), None))),
        ([0x41, 5, 0x90_0008], ABORT),
        (
            [0x70_00c9, 5, 0x90_0000],
            Ok((nested, first(4), Some(second(4)))),
        ),
        (
            [0x70_00cd, 5, 0x90_0004],
            Ok((nested, first(5), Some(second(5)))),
        ),
        ([0x70_00c1, 5, 0x90_0000], ABORT),
        ([0x70_00c9, 5, 0x90_000c], ABORT),
        ([0x10d, 1, 0], Err(true)),
        // Reserved PGTT.
        ([0x70_0009, 5, 0x90_0000], ABORT),
        ([0x70_0149, 5, 0x90_0000], ABORT),
        ([0x70_0189, 5, 0x90_0000], ABORT),
        ([0x70_01c9, 5, 0x90_0000], ABORT),
    ];
    for (entry, means) in table {
        let read = [
            Words::default(),
            Words::default(),
            Words::default(),
            words(&entry),
        ];
        let next = registers(Mode::Scalable, false).next(from, &read);
        check!(meaning(next) == means, "{entry:x?} means {next:?}");
    }
    Ok(())
}

fn context_entries_mean_what_they_say() -> Outcome {
    const ABORT: Meaning = Err(false);
    let key = Key::Second { did: 5 };
    let second = |levels| stage(0x70_0000, levels, SECOND);
    let table: [([u64; 2], Meaning); 7] = [
        ([0x70_0000, 0x502], ABORT),
        ([0x70_0001, 0x501], Ok((key, second(3), None))),
        ([0x70_0001, 0x502], Ok((key, second(4), None))),
        ([0x70_0005, 0x503], Ok((key, second(5), None))),
        ([0x70_0001, 0x504], ABORT),
        ([0x9, 0x103], Err(true)),
        ([0xd, 0x103], ABORT),
    ];
    for (entry, means) in table {
        let read = [Words::default(), words(&entry)];
        for pasid in [None, Some(1)] {
            let from = Requester { id: 3, pasid };
            let next = registers(Mode::Legacy, false).next(from, &read);
            let means = if pasid.is_none() { means } else { ABORT };
            check!(meaning(next) == means, "{entry:x?} means {next:?}");
        }
    }
    Ok(())
}

fn context_entries_say_who_may_keep_translations() -> Outcome {
    // The first word of a context entry; whether DMA that is translated already passes.
    let legacy = [
        (0x70_0001, false),
        (0x70_0005, true),
        (0x70_0004, false),
        (0x9, false),
        (0xd, false),
    ];
    let scalable = [
        (0x40_0001, false),
        (0x40_0005, true),
        (0x40_0004, false),
        (0x40_000d, true),
    ];
    let modes = [(Mode::Legacy, &legacy[..]), (Mode::Scalable, &scalable[..])];
    for (mode, table) in modes {
        let model = registers(mode, false);
        for pasid in [None, Some(7)] {
            let from = Requester { id: 3, pasid };
            for (word, passes) in table {
                let read = [Words::default(), words(&[*word, 0x502])];
                check!(
                    model.ats(from, &read) == *passes,
                    "{mode:?}: {word:#x} with PASID {pasid:?}"
                );
            }
            // Whatever is wrong with a context entry blocks all.
            let passes = model.ats(from, &[Words::default(), words(&[0x70_0005, 0x504])]);
            check_eq!(passes, mode == Mode::Scalable);
            check!(!model.ats(from, &[]) && !model.ats(from, &[words(&[u64::MAX; 2])]));
        }
        // What a PASID entry says does not matter.
        let from = Requester { id: 3, pasid: None };
        let read = [
            Words::default(),
            words(&[0x40_0005, 0x502]),
            words(&[0]),
            words(&[0]),
        ];
        check!(model.ats(from, &read));
    }
    Ok(())
}
