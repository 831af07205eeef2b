// SPDX-License-Identifier: GPL-2.0

//! Map: what is refused, how a range is cut into pages, and what is left after a failure.

mod reference;
pub(super) mod table;

use self::table::{
    Call,
    Shape,
    Table,
    Twist, //
};
use crate::{
    families::Families,
    fixture::{
        Fixture,
        Setup, //
    },
    iommu::{
        Aperture,
        Domain,
        Gather,
        Prot, //
    },
    kapi::{
        errno,
        kunit::{
            check,
            check_eq,
            kunit_suite,
            Outcome, //
        }, //
    },
    mock::fault::{
        Leave,
        Op,
        Rule, //
    },
    random::Random,
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_map over Families:
    domain_without_pages_maps_nothing;
    misaligned_range_is_refused;
    empty_range_is_refused;
    range_that_wraps_is_refused;
    aperture_includes_both_ends;
    aperture_widens_and_never_shrinks;
    last_byte_of_the_address_space_can_be_used;
    pages_are_those_of_a_brute_force_reference;
    mapped_range_is_announced_once;
    failure_leaves_nothing_mapped;
    impossible_progress_leaves_nothing_mapped;
    refused_announcement_leaves_nothing_mapped;
    range_that_is_mapped_is_refused_and_stays;
    address_is_found_inside_a_page;
    physical_address_0_is_an_address;
}

pub(super) const PAGE: u64 = 4 << 10;
pub(super) const LARGE: u64 = 2 << 20;

/// Checks that a range can be neither mapped, for this reason, nor unmapped, without a call.
#[track_caller]
fn check_refused(domain: &Domain, (iova, paddr, size): (u64, u64, u64), error: Error) -> Outcome {
    check_eq!(domain.map(iova, paddr, size, Prot::RW), Err(error));
    Table::of(domain)?.check_calls(&[])
}

fn domain_without_pages_maps_nothing() -> Outcome {
    let fixture = Fixture::new(1)?;
    let (identity, blocked) = (fixture.identity()?, fixture.blocked()?);
    let no_sizes = Table::domain(Shape {
        page_sizes: 0,
        ..Shape::default()
    })?;
    for domain in [&identity, &blocked, &no_sizes] {
        check_eq!(domain.map(0, 0, PAGE, Prot::RW), Err(EINVAL));
        check_eq!(domain.unmap(0, PAGE), 0);
        let mut gather = Gather::default();
        check_eq!(domain.unmap_fast(0, PAGE, &mut gather), 0);
        check!(gather.range().is_none());
    }
    Table::of(&no_sizes)?.check_calls(&[])?;
    check_eq!(identity.iova_to_phys(0x1234), Some(0x1234));
    check_eq!(blocked.iova_to_phys(0x1234), None);
    Ok(())
}

fn misaligned_range_is_refused() -> Outcome {
    let domain = Table::domain(Shape::default())?;
    for off in [1, 8, PAGE / 2, PAGE - 1] {
        check_refused(&domain, (PAGE + off, PAGE, PAGE), EINVAL)?;
        check_refused(&domain, (PAGE, PAGE + off, PAGE), EINVAL)?;
        check_refused(&domain, (PAGE, PAGE, PAGE + off), EINVAL)?;
        // Before anything else that is wrong with it.
        check_refused(&domain, (u64::MAX - PAGE + 1 + off, 0, 2 * PAGE), EINVAL)?;
        check_eq!(domain.unmap(PAGE + off, PAGE), 0);
        check_eq!(domain.unmap(PAGE, PAGE + off), 0);
        Table::of(&domain)?.check_calls(&[])?;
    }
    // It is the smallest page that counts.
    let page_sizes = LARGE | (1 << 30);
    let domain = Table::domain(Shape {
        page_sizes,
        ..Shape::default()
    })?;
    check_refused(&domain, (PAGE, 0, LARGE), EINVAL)?;
    check_refused(&domain, (0, 0, PAGE), EINVAL)?;
    check_eq!(domain.map(0, LARGE, LARGE, Prot::RW), Ok(()));
    Ok(())
}

fn empty_range_is_refused() -> Outcome {
    let domain = Table::domain(Shape::default())?;
    check_refused(&domain, (0, 0, 0), EINVAL)?;
    check_refused(&domain, (LARGE, PAGE, 0), EINVAL)?;
    check_eq!(domain.unmap(0, 0), 0);
    Table::of(&domain)?.check_calls(&[])
}

fn range_that_wraps_is_refused() -> Outcome {
    let top = u64::MAX - PAGE + 1;
    let domain = Table::domain(Shape {
        aperture: Aperture::bits(32),
        ..Shape::default()
    })?;
    // Also where it is outside the aperture as well.
    check_refused(&domain, (top, 0, 2 * PAGE), EOVERFLOW)?;
    check_refused(&domain, (0, top, 2 * PAGE), EOVERFLOW)?;
    check_refused(&domain, (top, 0, PAGE), ERANGE)?;
    check_eq!(domain.unmap(top, 2 * PAGE), 0);
    Table::of(&domain)?.check_calls(&[])
}

fn aperture_includes_both_ends() -> Outcome {
    let (first, last) = (16 * PAGE, 32 * PAGE - 1);
    let domain = Table::domain(Shape {
        aperture: Aperture { first, last },
        ..Shape::default()
    })?;
    let end = last + 1;
    for (iova, size) in [
        (first - PAGE, PAGE),
        (first - PAGE, 2 * PAGE),
        (end, PAGE),
        (end - PAGE, 2 * PAGE),
        (first - PAGE, end - first + 2 * PAGE),
        (0, PAGE),
    ] {
        check_refused(&domain, (iova, 0, size), ERANGE)?;
    }
    for (iova, size) in [(first, PAGE), (end - PAGE, PAGE), (first, end - first)] {
        check_eq!(domain.map(iova, 0, size, Prot::RW), Ok(()));
        check_eq!(domain.unmap(iova, size), size);
    }
    Ok(())
}

fn aperture_widens_and_never_shrinks() -> Outcome {
    let fixture = Setup::ordinary(1)?.endpoint(0, |e| e.bits = 32).probe()?;
    let domain = fixture.domain()?;
    let table = domain.paging().ok_or(EINVAL)?;
    let old = Aperture::bits(32);
    check_eq!(table.aperture(), old);
    check_eq!(domain.map(1 << 32, 0, PAGE, Prot::RW), Err(ERANGE));
    for smaller in [
        Aperture::bits(31),
        Aperture { first: PAGE, ..old },
        Aperture {
            last: old.last - 1,
            ..old
        },
        Aperture {
            first: PAGE,
            last: u64::MAX,
        },
    ] {
        check_eq!(table.widen(smaller), Err(EINVAL));
        check_eq!(table.aperture(), old);
    }
    check_eq!(table.widen(old), Ok(()));
    check_eq!(table.widen(Aperture::bits(33)), Ok(()));
    check_eq!(table.aperture(), Aperture::bits(33));
    check_eq!(domain.map(1 << 32, 0, PAGE, Prot::RW), Ok(()));
    check_eq!(domain.iova_to_phys(1 << 32), Some(0));
    Ok(())
}

fn last_byte_of_the_address_space_can_be_used() -> Outcome {
    let top = u64::MAX - LARGE + 1;
    for gathers in [true, false] {
        let domain = Table::domain(Shape {
            gathers,
            ..Shape::default()
        })?;
        let table = Table::of(&domain)?;
        check_eq!(domain.map(top, top, LARGE, Prot::RW), Ok(()));
        check_eq!(domain.iova_to_phys(u64::MAX), Some(u64::MAX));
        check_eq!(domain.map(top - PAGE, 0, PAGE, Prot::RW), Ok(()));
        table.calls();
        check_eq!(domain.unmap(top, LARGE), LARGE);
        table.check_calls(&[Call::Unmap(top, LARGE, 1), Call::Sync(top, u64::MAX)])?;
        check_eq!(domain.unmap(top - PAGE, PAGE), PAGE);
        check_eq!(table.mapped(), 0);

        // It is undone as well as any other.
        table.answer_sync_map(Err(ENOMEM));
        check_eq!(domain.map(top, 0, LARGE, Prot::RW), Err(ENOMEM));
        check_eq!(table.mapped(), 0);
    }
    Ok(())
}

/// Maps and unmaps one range and compares with the reference.
fn check_split(sizes: u64, iova: u64, paddr: u64, size: u64) -> Outcome {
    let domain = Table::domain(Shape {
        page_sizes: sizes,
        ..Shape::default()
    })?;
    let table = Table::of(&domain)?;
    check_eq!(domain.map(iova, paddr, size, Prot::RW), Ok(()));
    let mut expected = reference::map_calls(sizes, iova, paddr, size)?;
    expected.push(Call::SyncMap(iova, size), GFP_KERNEL)?;
    let calls = table.calls();
    check!(
        calls[..] == expected[..],
        "{:x}: {:x} to {:x}, {:x} bytes: {:x?}, expected {:x?}",
        sizes,
        iova,
        paddr,
        size,
        &calls[..],
        &expected[..]
    );
    check_eq!(table.mapped(), size);
    check_eq!(domain.unmap(iova, size), size);
    check_eq!(table.mapped(), 0);

    // Unmapping goes by the IOVA alone, and by what is there.
    let first = table.calls().first().copied();
    let by_iova = reference::map_calls(sizes, iova, iova, size)?;
    let expected = by_iova.first().map(|call| match call {
        Call::Map(iova, _, page, count) => Call::Unmap(*iova, *page, *count),
        other => *other,
    });
    check_eq!(first, expected);
    Ok(())
}

fn pages_are_those_of_a_brute_force_reference() -> Outcome {
    // Page sizes as multiples of the first, so that ranges of few pages meet all of them.
    let families: [&[u64]; 6] = [
        &[1],
        &[1, 2],
        &[1, 8],
        &[1, 4, 16],
        &[1, 16, 32],
        &[1, 2, 4, 64],
    ];
    let seed = crate::seed();
    let mut random = Random::new(seed);
    for family in families {
        for unit in [PAGE, 1 << 16, 1] {
            let sizes = family.iter().fold(0, |sizes, size| sizes | (size * unit));
            // Every small range, as far as it goes, and random ones.
            for iova in 0..6 {
                for paddr in 0..6 {
                    for size in [1, 2, 3, 8, 17, 40] {
                        check_split(sizes, iova * unit, paddr * unit, size * unit)?;
                    }
                }
            }
            for _ in 0..crate::effort() {
                let iova = u64::from(random.below(100)) * unit;
                let apart = u64::from(random.pick([0u32, 1, 2, 16, 64])) * unit;
                let size = u64::from(1 + random.below(100)) * unit;
                check_split(sizes, iova, iova + apart, size)?;
            }
        }
    }
    Ok(())
}

fn mapped_range_is_announced_once() -> Outcome {
    let domain = Table::domain(Shape::default())?;
    let (iova, size) = (LARGE - PAGE, LARGE + 2 * PAGE);
    check_eq!(domain.map(iova, iova, size, Prot::RW), Ok(()));
    Table::of(&domain)?.check_calls(&[
        Call::Map(iova, iova, PAGE, 1),
        Call::Map(LARGE, LARGE, LARGE, 1),
        Call::Map(2 * LARGE, 2 * LARGE, PAGE, 1),
        Call::SyncMap(iova, size),
    ])
}

/// A range of three runs: one page, one large page, one page.
pub(super) const RUNS: (u64, u64) = (LARGE - PAGE, LARGE + 2 * PAGE);

/// Maps [`RUNS`], of which one run goes wrong, and checks that nothing is left.
#[track_caller]
fn check_undone(twist: Twist, error: Error) -> Outcome {
    let domain = Table::domain(Shape::default())?;
    let table = Table::of(&domain)?;
    table.twist(twist);
    let (iova, size) = RUNS;
    check_eq!(domain.map(iova, iova, size, Prot::RW), Err(error));
    check_eq!(table.mapped(), 0);
    let calls = table.calls();
    let maps = calls.iter().filter(|call| matches!(call, Call::Map(..)));
    check_eq!(maps.count(), twist.after + 1);
    check!(!calls.iter().any(|call| matches!(call, Call::SyncMap(..))));
    // Whatever was mapped may be in a cache.
    let was_mapped = twist.after != 0 || twist.pages != 0;
    let flushed = calls.iter().any(|call| matches!(call, Call::Sync(..)));
    check_eq!(flushed, was_mapped);

    // And it is as if nothing had been.
    check_eq!(domain.map(iova, iova, size, Prot::RW), Ok(()));
    check_eq!(table.mapped(), size);
    Ok(())
}

fn failure_leaves_nothing_mapped() -> Outcome {
    for after in 0..3 {
        for error in [ENOMEM, errno::eaddrinuse(), ENOSPC] {
            let (pages, says, result) = (0, 0, Err(error));
            let twist = Twist {
                after,
                pages,
                says,
                result,
            };
            check_undone(twist, error)?;
        }
    }

    // It may fail in the middle of a run, and after all of it.
    let domain = Table::domain(Shape::default())?;
    let table = Table::of(&domain)?;
    for pages in 1..=8 {
        table.twist(Twist {
            after: 0,
            pages,
            says: pages * PAGE,
            result: Err(ENOMEM),
        });
        check_eq!(domain.map(PAGE, PAGE, 8 * PAGE, Prot::RW), Err(ENOMEM));
        check_eq!(table.mapped(), 0);
        table.check_calls(&[
            Call::Map(PAGE, PAGE, PAGE, 8),
            Call::Unmap(PAGE, PAGE, pages),
            Call::Sync(PAGE, PAGE + pages * PAGE - 1),
        ])?;
    }
    Ok(())
}

fn impossible_progress_leaves_nothing_mapped() -> Outcome {
    for after in 0..3 {
        let page = if after == 1 { LARGE } else { PAGE };
        for (says, result) in [
            (0, Ok(())),
            (2 * page, Ok(())),
            (u64::MAX - page + 1, Ok(())),
            (page / 2, Ok(())),
            (page / 2, Err(ENOMEM)),
            (2 * page, Err(ENOMEM)),
        ] {
            // Whether it mapped what it was asked to or not.
            for pages in [0, 1] {
                let twist = Twist {
                    after,
                    pages,
                    says,
                    result,
                };
                check_undone(twist, EIO)?;
            }
        }
    }

    // The plain driver lies on demand.
    let fixture = Fixture::new(1)?;
    let domain = fixture.domain()?;
    fixture.fail(Rule::once(Op::Map, ENOMEM).leaving(Leave::Lie).after(1))?;
    let (iova, size) = RUNS;
    check_eq!(domain.map(iova, 0, size, Prot::RW), Ok(()));
    check_eq!(domain.unmap(iova, size), size);
    fixture.fail(Rule::once(Op::Map, ENOMEM).leaving(Leave::Lie).after(1))?;
    check_eq!(domain.map(iova, iova, size, Prot::RW), Err(EIO));
    for at in [iova, LARGE, 2 * LARGE] {
        check_eq!(domain.iova_to_phys(at), None);
    }
    Ok(())
}

fn refused_announcement_leaves_nothing_mapped() -> Outcome {
    let domain = Table::domain(Shape::default())?;
    let table = Table::of(&domain)?;
    table.answer_sync_map(Err(ENOMEM));
    let (iova, size) = RUNS;
    check_eq!(domain.map(iova, iova, size, Prot::RW), Err(ENOMEM));
    check_eq!(table.mapped(), 0);
    table.answer_sync_map(Ok(()));
    check_eq!(domain.map(iova, iova, size, Prot::RW), Ok(()));
    check_eq!(table.mapped(), size);

    let fixture = Fixture::new(1)?;
    let domain = fixture.domain()?;
    fixture.fail(Rule::once(Op::SyncMap, ENOSPC))?;
    check_eq!(domain.map(iova, 0, PAGE, Prot::RW), Err(ENOSPC));
    check_eq!(domain.iova_to_phys(iova), None);
    check_eq!(domain.map(iova, 0, PAGE, Prot::RW), Ok(()));
    Ok(())
}

fn range_that_is_mapped_is_refused_and_stays() -> Outcome {
    let fixture = Fixture::new(1)?;
    let domain = fixture.domain()?;
    check_eq!(domain.map(4 * PAGE, 0, PAGE, Prot::RW), Ok(()));
    check_eq!(
        domain.map(PAGE, LARGE, 8 * PAGE, Prot::RW),
        Err(errno::eaddrinuse())
    );
    for page in 1..9 {
        let expected = Some(0).filter(|_| page == 4);
        check_eq!(domain.iova_to_phys(page * PAGE), expected);
    }
    Ok(())
}

fn address_is_found_inside_a_page() -> Outcome {
    let fixture = Fixture::new(1)?;
    let domain = fixture.domain()?;
    check_eq!(domain.map(LARGE, 4 * LARGE, LARGE, Prot::RW), Ok(()));
    for (iova, paddr) in [
        (LARGE, Some(4 * LARGE)),
        (LARGE + 0x1234, Some(4 * LARGE + 0x1234)),
        (2 * LARGE - 1, Some(5 * LARGE - 1)),
        (LARGE - 1, None),
        (2 * LARGE, None),
    ] {
        check_eq!(domain.iova_to_phys(iova), paddr);
    }
    Ok(())
}

fn physical_address_0_is_an_address() -> Outcome {
    let fixture = Fixture::new(1)?;
    let domain = fixture.domain()?;
    check_eq!(domain.iova_to_phys(PAGE), None);
    check_eq!(domain.map(PAGE, 0, PAGE, Prot::RW), Ok(()));
    check_eq!(domain.iova_to_phys(PAGE), Some(0));
    check_eq!(domain.iova_to_phys(PAGE + 1), Some(1));
    check_eq!(domain.unmap(PAGE, PAGE), PAGE);
    check_eq!(domain.iova_to_phys(PAGE), None);
    check_eq!(fixture.identity()?.iova_to_phys(0), Some(0));
    Ok(())
}
