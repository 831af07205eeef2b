// SPDX-License-Identifier: GPL-2.0

//! Walks of page tables that are written by hand, and of those that the driver fills.

use super::{
    layout::REGISTERS,
    Bench,
    WIDE, //
};
use crate::{
    iommu::{
        Gather,
        PagingFlags,
        Prot, //
    },
    kapi::kunit::{
        check_eq,
        Outcome, //
    },
    mock::{
        hw::{
            amd::{
                tag,
                V1,
                V2,
                V2_SIGNED, //
            },
            frozen::Frozen,
            machine::Inspect as _,
            model::{
                Model as _,
                Stage,
                Translation, //
            },
            Reach, //
        },
        unit::{
            Modelled as _,
            Space as _,
            Target,
            Unit as _, //
        },
    },
};

/// Where an address goes to by tables that were written by hand.
fn walk(tables: &Frozen, levels: u32, format: u8, iova: u64) -> Option<u64> {
    let by = Translation {
        tag: tag::host(1),
        first: Stage {
            root: 0x1000,
            levels,
            format,
        },
        second: None,
        marks: false,
    };
    REGISTERS.walk(tables, &by, iova, &mut |_| ())
}

pub(super) fn levels_can_be_left_out() -> Outcome {
    const ALLOWED: u64 = 1 | (3 << 61);
    let mut tables = Frozen::new();
    tables.add(0x1000, 512, |index| match index {
        // The table below is of level 1; level 3 and 2 are left out.
        1 => 0x2000 | (1 << 9) | ALLOWED,
        // Only reading, and below it only writing.
        2 => 0x2000 | (1 << 9) | 1 | (1 << 61),
        // A table of its own level.
        3 => 0x2000 | (4 << 9) | ALLOWED,
        _ => 0,
    })?;
    tables.add(0x2000, 512, |index| match index {
        5 => 0xabc000 | ALLOWED,
        6 => 0xabd000 | 1 | (1 << 62),
        // 8 KiB, then what would be all that the level above has one slot for.
        8 | 9 => 0xac0000 | (7 << 9) | ALLOWED,
        10 => 0xff000 | (7 << 9) | ALLOWED,
        _ => 0,
    })?;
    let at = |index: u64| (1 << 39) + (index << 12);
    let cases = [
        (at(5) + 0x123, Some(0xabc123)),
        (at(6), Some(0xabd000)),
        (at(7), None),
        (at(8) + 0x10, Some(0xac0010)),
        (at(9) + 0x10, Some(0xac1010)),
        (at(10), None),
        // The levels that are left out must have zeros.
        (at(5) + (1 << 21), None),
        (at(5) + (1 << 30), None),
        ((2 << 39) + (5 << 12), Some(0xabc000)),
        ((2 << 39) + (6 << 12), None),
        ((3 << 39) + (5 << 12), None),
        // Beyond what 4 levels cover.
        (at(5) + (1 << 48), None),
    ];
    for (iova, to) in cases {
        check_eq!((iova, walk(&tables, 4, V1, iova)), (iova, to));
    }
    Ok(())
}

pub(super) fn guest_addresses_have_a_sign_with_pasid() -> Outcome {
    let mut tables = Frozen::new();
    // 1 GiB pages at index 0 and 511 of the level below the root.
    tables.add(0x1000, 512, |_| 0x2000 | 7)?;
    tables.add(0x2000, 512, |index| (u64::from(index) << 30) | 0x87)?;
    let top = 0xffff_ffff_c000_0123;
    check_eq!(walk(&tables, 4, V2_SIGNED, 0x123), Some(0x123));
    check_eq!(walk(&tables, 4, V2_SIGNED, top), Some(0x7f_c000_0123));
    check_eq!(walk(&tables, 4, V2_SIGNED, 1 << 47), None);
    check_eq!(walk(&tables, 4, V2, 1 << 47), Some(0));
    check_eq!(walk(&tables, 4, V2, top), None);
    check_eq!(walk(&tables, 4, V2, 1 << 48), None);
    Ok(())
}

pub(super) fn pages_of_all_sizes_are_found() -> Outcome {
    for pasid in [false, true] {
        let bench = Bench::new(0)?;
        let space = bench.unit.new_space(WIDE, PagingFlags::pasid(pasid))?;
        let to = Target::Paging(space.clone());
        check_eq!(bench.attach(WIDE, None, &to), Ok(()));
        let mut sizes = space.page_sizes() & ((1 << 48) - 1);
        while sizes != 0 {
            let size = 1u64 << sizes.trailing_zeros();
            sizes &= sizes - 1;
            // Second of its size, to another address.
            let (iova, paddr) = (size, 4 * size);
            space.map(iova, paddr, size, 1, Prot::RW).result?;
            for offset in [0, 0x10, size / 2 + 8, size - 1] {
                check_eq!(
                    (size, bench.reach(WIDE, None, iova + offset)?),
                    (size, Reach::Memory(paddr + offset))
                );
            }
            check_eq!(bench.reach(WIDE, None, iova - 1)?, Reach::Aborted);
            check_eq!(bench.reach(WIDE, None, iova + size)?, Reach::Aborted);
            let mut gather = Gather::default();
            check_eq!(space.unmap(iova, size, 1, &mut gather), size);
            space.sync(&gather);
            check_eq!(bench.reach(WIDE, None, iova)?, Reach::Aborted);
        }
        check_eq!(bench.unit.machine().counts().wild, 0);
    }
    Ok(())
}
