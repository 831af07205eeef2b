// SPDX-License-Identifier: GPL-2.0

//! How hardware walks tables, by tables made by hand, and by those that the driver makes.

use super::{
    Rig,
    LINUX, //
};
use crate::{
    iommu::{
        Driver,
        PagingFlags,
        Prot, //
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mock::{
        hw::{
            memory::EntryMemory,
            model::{
                Model,
                Stage,
                Tag,
                Translation, //
            },
            s390::{
                WhileFenced,
                Zpci, //
            },
            Memory,
            Reach, //
        },
        unit::Unit, //
    },
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_zpci_walk:
    tables_are_walked_entry_by_entry;
    tables_of_the_driver_are_walked;
}

/// Tables by hand: address, index, word. What is not there is invalid.
struct Hand([(u64, u32, u64); 5]);

impl Memory for Hand {
    fn word(&self, table: u64, index: u32) -> Option<u64> {
        let found = |(t, i, _): &&(u64, u32, u64)| *t == table && *i == index;
        Some(
            self.0
                .iter()
                .find(found)
                .map_or(0x420, |(_, _, word)| *word),
        )
    }
}

const RFX: u64 = 0x4000;
const RSX: u64 = 0x8000;
const RTX: u64 = 0xc000;
const SX: u64 = 0x1_0000;
const PX: u64 = 0x1_4800;

/// Index 0x601 in each table of 2048, and 0x83 in the page table.
const IOVA: u64 = (0x601 << 53) | (0x601 << 42) | (0x601 << 31) | (0x601 << 20) | 0x8_3123;

fn hand() -> Hand {
    Hand([
        (RFX, 0x601, RSX | 0xc | 3),
        (RSX, 0x601, RTX | 0x8 | 3),
        (RTX, 0x601, SX | 0x4 | 3),
        (SX, 0x601, PX),
        (PX, 0x83, 0xab_c000),
    ])
}

fn walk(hand: &Hand, root: u64, levels: u32, iova: u64) -> Result<Option<u64>> {
    let model = Zpci::new(&mut EntryMemory::new(), 1, WhileFenced::Refuses)?;
    let format = 0;
    let by = Translation {
        tag: Tag(0),
        first: Stage {
            root,
            levels,
            format,
        },
        second: None,
        marks: false,
    };
    Ok(model.walk(hand, &by, iova, &mut |_| ()))
}

fn tables_are_walked_entry_by_entry() -> Outcome {
    let all = [(RFX, 3, 64), (RSX, 2, 53), (RTX, 1, 42), (SX, 0, 31)];
    for (root, levels, bits) in all {
        let iova = IOVA & (u64::MAX >> (64 - bits));
        check_eq!(walk(&hand(), root, levels, iova)?, Some(0xab_c123));
        if bits < 64 {
            check_eq!(walk(&hand(), root, levels, iova | 1 << bits)?, None);
        }
        for bit in 12..bits {
            check_eq!(walk(&hand(), root, levels, iova ^ (1 << bit))?, None);
        }
    }
    check_eq!(walk(&hand(), RFX, 4, IOVA)?, None);
    // Entries with one thing wrong, each.
    let wrong = [
        (0, RSX | 0x20 | 0xc | 3),
        (0, RSX | 0x8 | 3),
        (1, RTX | 0xc | 3),
        // The index is in the last quarter of the table below, which is not there.
        (1, RTX | 0x8 | 2),
        (2, SX | 0x4 | 0x20 | 3),
        (2, SX | 3),
        (3, PX | 0x4),
        (3, PX | 0x20),
        (4, 0xab_c000 | 0x400),
    ];
    for (at, word) in wrong {
        let mut hand = hand();
        if let Some((_, _, entry)) = hand.0.get_mut(at) {
            *entry = word;
        }
        check!(
            walk(&hand, RFX, 3, IOVA)?.is_none(),
            "entry {at} is {word:#x}"
        );
    }
    // Only the last quarter is there, and writing is forbidden: a read goes through.
    let mut hand = hand();
    let [(_, _, rfx), .., (_, _, px)] = &mut hand.0;
    *rfx = RSX | 0xc0 | 0xc | 3;
    *px |= 0x200;
    check_eq!(walk(&hand, RFX, 3, IOVA)?, Some(0xab_c123));
    Ok(())
}

fn tables_of_the_driver_are_walked() -> Outcome {
    let rig = Rig::new(&LINUX, 1)?;
    let device = rig.endpoint(0)?.device();
    let domain = rig.shell.alloc_paging(device, PagingFlags::default())?;
    let last = (1u64 << 48) - 0x1000;
    let pages = [0, 0x1000, 0xf_f000, 0x10_0000, 1 << 31, 1 << 42, last];
    for (number, iova) in (1..).zip(pages) {
        domain.map(iova, number << 12, 0x1000, Prot::RW)?;
    }
    rig.group()?.attach(&domain).map_err(Error::from)?;
    for (number, iova) in (1u64..).zip(pages) {
        check_eq!(
            rig.dma(0, iova + 0x18),
            Reach::Memory((number << 12) + 0x18)
        );
    }
    for hole in [0x2000, 0x10_1000, (1 << 42) + 0x1000, last - 1] {
        check_eq!(rig.dma(0, hole), Reach::Aborted);
    }
    rig.group()?.detach(&domain);
    check_eq!(rig.unit().dma(0, None, last), Reach::Memory(last));
    Ok(())
}
