// SPDX-License-Identifier: GPL-2.0

//! What page tables of every format refuse to map.

use crate::{
    iommu::Prot,
    kapi::{
        errno,
        kunit::{
            check,
            check_eq,
            kunit_suite,
            Outcome, //
        },
    },
    pgtable::{
        Fixed,
        Format,
        MapError,
        PageTable, //
    },
    pgtable_tests::{
        on_format,
        ones,
        table,
        Census,
        Form,
        Watch,
        FORMS, //
    },
};
use kernel::{
    error::Error,
    prelude::*, //
};

kunit_suite! {
    iommu_mock_pgtable_refuse:
    what_is_wrong_is_refused_with_its_errno: each Form in FORMS;
    an_overlap_stops_where_it_is: each Form in FORMS;
}

const PAGE: u64 = 1 << 12;

/// Maps, and checks that nothing changes and what the error is.
fn refused<F: Format>(
    table: &PageTable<F>,
    (iova, oa, page, count, prot): (u64, u64, u64, u64, Prot),
    expected: MapError,
    errno: Error,
) -> Outcome {
    let before = (Census::of(table), table.tables(), table.top());
    let watch = Watch::new(table);
    let result = table.map(&watch, iova, oa, page, count, prot);
    check!(
        result == (0, Err(expected)),
        "{iova:#x} to {oa:#x}, {count} of {page:#x}: {result:?}, expected {expected:?}"
    );
    check_eq!(Error::from(expected), errno);
    check_eq!((Census::of(table), table.tables(), table.top()), before);
    check_eq!(watch.flushes.get(), 0);
    check!(watch.take_tops().is_empty());
    Ok(())
}

fn what_is_wrong_is_refused_with_its_errno(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        const RW: Prot = Prot::RW;
        let table = table::<F>(levels)?;
        check_eq!(table.map(&Fixed, 0x7000, 0, PAGE, 1, RW).1, Ok(()));
        let last = table.aperture().last;
        let top_page = u64::MAX - 0xfff;
        let no_size = 1u64 << 63;

        refused(&table, (0, 0, PAGE, 1, Prot(0)), MapError::NoAccess, EINVAL)?;
        refused(&table, (0, 0, PAGE, 1, Prot(4)), MapError::NoAccess, EINVAL)?;
        for (page, count) in [(PAGE, 0), (0, 1), (PAGE + 1, 1), (2048, 1), (no_size, 1)] {
            refused(&table, (0, 0, page, count, RW), MapError::Size, EINVAL)?;
        }
        for size in ones(!table.page_sizes()) {
            refused(&table, (0, 0, size, 1, RW), MapError::Size, EINVAL)?;
        }
        for size in ones(table.page_sizes()) {
            let half = size / 2;
            refused(&table, (half, 0, size, 1, RW), MapError::Misaligned, ENXIO)?;
            refused(&table, (0, half, size, 1, RW), MapError::Misaligned, ENXIO)?;
        }
        refused(
            &table,
            (0, 0, PAGE, u64::MAX, RW),
            MapError::Overflow,
            EOVERFLOW,
        )?;
        refused(
            &table,
            (top_page, 0, PAGE, 2, RW),
            MapError::Overflow,
            EOVERFLOW,
        )?;
        refused(
            &table,
            (0, top_page, PAGE, 2, RW),
            MapError::Overflow,
            EOVERFLOW,
        )?;
        if last != u64::MAX {
            refused(
                &table,
                (last + 1, 0, PAGE, 1, RW),
                MapError::TooWide,
                ERANGE,
            )?;
            refused(
                &table,
                (last - 0xfff, 0, PAGE, 2, RW),
                MapError::TooWide,
                ERANGE,
            )?;
            refused(
                &table,
                (top_page, 0, PAGE, 1, RW),
                MapError::TooWide,
                ERANGE,
            )?;
        }
        if F::OA_BITS != 64 {
            let wide = 1u64 << F::OA_BITS;
            refused(&table, (0, wide, PAGE, 1, RW), MapError::TooWide, ERANGE)?;
            refused(
                &table,
                (0, wide - PAGE, PAGE, 2, RW),
                MapError::TooWide,
                ERANGE,
            )?;
        }
        let used = errno::eaddrinuse();
        refused(
            &table,
            (0x7000, 0x1000, PAGE, 3, RW),
            MapError::Overlap,
            used,
        )?;
        check_eq!(Error::from(MapError::NoMemory), ENOMEM);
        Ok(())
    }
    on_format!(form, body)
}

fn an_overlap_stops_where_it_is(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        for size in ones(table.page_sizes() & 0xffff_ffff) {
            let taken = 3 * size;
            check_eq!(table.map(&Fixed, taken, 0, size, 1, Prot::READ).1, Ok(()));
            let result = table.map(&Fixed, size, 8 * size, size, 4, Prot::RW);
            check_eq!(result, (2 * size, Err(MapError::Overlap)));
            check_eq!(table.iova_to_phys(2 * size), Some(9 * size));
            check_eq!(table.iova_to_phys(taken), Some(0));
            check_eq!(table.iova_to_phys(4 * size), None);
            // A smaller page inside a leaf is one, too.
            let inside = table.map(&Fixed, taken + size - PAGE, 0, PAGE, 1, Prot::RW);
            check_eq!(inside, (0, Err(MapError::Overlap)));
            check_eq!(
                table.unmap(size, 3 * size, &mut Default::default()),
                3 * size
            );
        }
        Ok(())
    }
    on_format!(form, body)
}
