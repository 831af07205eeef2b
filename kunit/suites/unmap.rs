// SPDX-License-Identifier: GPL-2.0

//! Unmap: how far it goes, and what it flushes.

use super::map::{
    table::{
        Call,
        Shape,
        Table, //
    },
    LARGE,
    PAGE,
    RUNS, //
};
use crate::{
    families::Families,
    iommu::{
        Domain,
        Gather,
        Prot, //
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_unmap over Families:
    unmap_stops_at_a_hole;
    unmap_takes_a_larger_page_whole;
    unmap_flushes_once_for_each_page_size;
    unmap_flushes_for_a_table_that_gathers_nothing;
    fast_unmap_leaves_the_flush_to_the_caller;
}

/// A domain with one page mapped at each of these numbers.
fn with_pages(shape: Shape, pages: &[u64]) -> Result<Arc<Domain>> {
    let domain = Table::domain(shape)?;
    for page in pages {
        domain.map(page * PAGE, 0, PAGE, Prot::RW)?;
    }
    Table::of(&domain)?.calls();
    Ok(domain)
}

fn unmap_stops_at_a_hole() -> Outcome {
    let domain = with_pages(Shape::default(), &[1, 2, 4])?;
    check_eq!(domain.unmap(PAGE, 4 * PAGE), 2 * PAGE);
    check_eq!(domain.iova_to_phys(4 * PAGE), Some(0));
    Table::of(&domain)?.check_calls(&[
        Call::Unmap(PAGE, PAGE, 4),
        Call::Unmap(3 * PAGE, PAGE, 2),
        Call::Sync(PAGE, 3 * PAGE - 1),
    ])?;
    check_eq!(domain.unmap(PAGE, PAGE), 0);
    Table::of(&domain)?.check_calls(&[Call::Unmap(PAGE, PAGE, 1)])?;
    check_eq!(domain.unmap(4 * PAGE, PAGE), PAGE);
    Ok(())
}

fn unmap_takes_a_larger_page_whole() -> Outcome {
    let domain = Table::domain(Shape::default())?;
    check_eq!(domain.map(LARGE, 0, LARGE, Prot::RW), Ok(()));
    Table::of(&domain)?.calls();
    check_eq!(domain.unmap(LARGE, PAGE), LARGE);
    Table::of(&domain)?.check_calls(&[
        Call::Unmap(LARGE, PAGE, 1),
        Call::Sync(LARGE, 2 * LARGE - 1),
    ])
}

fn unmap_flushes_once_for_each_page_size() -> Outcome {
    let domain = Table::domain(Shape::default())?;
    let table = Table::of(&domain)?;
    let (iova, size) = RUNS;
    check_eq!(domain.map(iova, iova, size, Prot::RW), Ok(()));
    table.calls();
    check_eq!(domain.unmap(iova, size), size);
    table.check_calls(&[
        Call::Unmap(iova, PAGE, 1),
        Call::Unmap(LARGE, LARGE, 1),
        Call::Sync(iova, LARGE - 1),
        Call::Unmap(2 * LARGE, PAGE, 1),
        Call::Sync(LARGE, 2 * LARGE - 1),
        Call::Sync(2 * LARGE, 2 * LARGE + PAGE - 1),
    ])?;

    // Pages of one size that touch are one flush, however many calls they take.
    let domain = with_pages(Shape::default(), &[8, 9, 10, 11])?;
    check_eq!(domain.unmap(8 * PAGE, 4 * PAGE), 4 * PAGE);
    Table::of(&domain)?.check_calls(&[
        Call::Unmap(8 * PAGE, PAGE, 4),
        Call::Sync(8 * PAGE, 12 * PAGE - 1),
    ])
}

fn unmap_flushes_for_a_table_that_gathers_nothing() -> Outcome {
    let domain = Table::domain(Shape {
        gathers: false,
        ..Shape::default()
    })?;
    let table = Table::of(&domain)?;
    let (iova, size) = RUNS;
    check_eq!(domain.map(iova, iova, size, Prot::RW), Ok(()));
    table.calls();
    check_eq!(domain.unmap(iova, size), size);
    table.check_calls(&[
        Call::Unmap(iova, PAGE, 1),
        Call::Unmap(LARGE, LARGE, 1),
        Call::Unmap(2 * LARGE, PAGE, 1),
        Call::Sync(iova, iova + size - 1),
    ])?;

    // Nothing unmapped, nothing to flush.
    check_eq!(domain.unmap(iova, size), 0);
    table.check_calls(&[Call::Unmap(iova, PAGE, 1)])
}

fn fast_unmap_leaves_the_flush_to_the_caller() -> Outcome {
    let domain = with_pages(Shape::default(), &[1, 2, 5, 6])?;
    let table = Table::of(&domain)?;
    let mut gather = Gather::default();
    check_eq!(domain.unmap_fast(PAGE, PAGE, &mut gather), PAGE);
    check_eq!(domain.unmap_fast(2 * PAGE, PAGE, &mut gather), PAGE);
    check_eq!(gather.range(), Some((PAGE, 3 * PAGE - 1)));
    table.check_calls(&[Call::Unmap(PAGE, PAGE, 1), Call::Unmap(2 * PAGE, PAGE, 1)])?;

    // What does not touch is flushed before.
    check_eq!(domain.unmap_fast(5 * PAGE, 2 * PAGE, &mut gather), 2 * PAGE);
    check_eq!(gather.range(), Some((5 * PAGE, 7 * PAGE - 1)));
    table.check_calls(&[
        Call::Unmap(5 * PAGE, PAGE, 2),
        Call::Sync(PAGE, 3 * PAGE - 1),
    ])?;
    gather.sync(domain.paging().ok_or(EINVAL)?);
    check!(gather.range().is_none());
    table.check_calls(&[Call::Sync(5 * PAGE, 7 * PAGE - 1)])
}
