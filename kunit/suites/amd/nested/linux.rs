// SPDX-License-Identifier: GPL-2.0

//! What Linux's order of steps gets wrong with tables of a guest.

use super::{
    super::{
        Bench,
        IOVA,
        SIMPLE,
        WIDE, //
    },
    domain,
    entry,
    go,
    guest,
    page,
    parent,
    GPA,
    LINUX,
    STORE128, //
};
use crate::{
    iommu::{
        Gather,
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
            amd::dte::{
                self,
                Dte, //
            },
            machine::Inspect as _,
            Reach, //
        },
        unit::{
            Modelled as _,
            Seen,
            Space as _,
            Target,
            Unit as _, //
        },
    },
};

kunit_suite! {
    iommu_mock_amd_nested_linux:
    leaves_lines_of_where_it_was;
    leaves_lines_of_guests;
    does_not_go_back_to_the_parent;
    does_not_wait_for_what_the_parent_unmaps;
    tells_guests_of_no_new_top;
    ends_what_is_nested_with_a_new_top;
}

/// The domain that the device leaves is not flushed, and its DomainID goes to another.
fn leaves_lines_of_where_it_was() -> Outcome {
    for (protocol, reached) in [(LINUX, 1), (STORE128, 2)] {
        let bench = Bench::new(protocol)?;
        let parent = parent(&bench, 0)?;
        let nested = guest(&bench, &parent, &Dte::of_guest(4, 7))?;
        let before = bench.space(WIDE, false, page(1))?;
        go(&bench, SIMPLE, &before)?;
        check_eq!(bench.reach(SIMPLE, None, IOVA)?, Reach::Memory(page(1)));
        let domain = entry(&bench, SIMPLE)?.get(dte::DOMAIN_ID);
        go(&bench, SIMPLE, &nested)?;
        check_eq!(bench.reach(SIMPLE, None, IOVA)?, Reach::Memory(page(0)));
        drop(before);
        let next = bench.space(WIDE, false, page(2))?;
        go(&bench, WIDE, &next)?;
        check_eq!(entry(&bench, WIDE)?.get(dte::DOMAIN_ID), domain);
        check_eq!(bench.reach(WIDE, None, IOVA)?, Reach::Memory(page(reached)));
    }
    Ok(())
}

/// The DomainID of a guest is not flushed either before it goes to another.
fn leaves_lines_of_guests() -> Outcome {
    for (protocol, reached) in [(LINUX, 0), (STORE128, 1)] {
        let bench = Bench::new(protocol)?;
        let (one, other) = (parent(&bench, 0)?, parent(&bench, 1)?);
        let nested = guest(&bench, &one, &Dte::of_guest(4, 7))?;
        go(&bench, SIMPLE, &nested)?;
        check_eq!(bench.reach(SIMPLE, None, IOVA)?, Reach::Memory(page(0)));
        let of_guest = domain(&bench, SIMPLE)?;
        check_eq!(bench.attach(SIMPLE, None, &Target::Blocked), Ok(()));
        drop(nested);
        let next = guest(&bench, &other, &Dte::of_guest(4, 7))?;
        go(&bench, WIDE, &next)?;
        check_eq!(domain(&bench, WIDE)?, of_guest);
        check_eq!(bench.reach(WIDE, None, IOVA)?, Reach::Memory(page(reached)));
    }
    Ok(())
}

/// The books still say that the device is there.
fn does_not_go_back_to_the_parent() -> Outcome {
    let bench = Bench::new(LINUX)?;
    let parent = parent(&bench, 0)?;
    let nested = guest(&bench, &parent, &Dte::of_guest(4, 7))?;
    for space in [&parent, &nested, &parent] {
        go(&bench, SIMPLE, space)?;
    }
    check_eq!(bench.reach(SIMPLE, None, IOVA)?, Reach::Memory(page(0)));
    check_eq!(bench.reach(SIMPLE, None, GPA)?, Reach::Aborted);
    check_eq!(bench.unit.seen(SIMPLE), Some(Seen::Paging(0)));
    // What is gone is still walked.
    drop(nested);
    check_eq!(bench.reach(SIMPLE, None, IOVA + 0x1000)?, Reach::Aborted);
    check!(bench.unit.machine().counts().wild > 0);
    Ok(())
}

/// Only who is on the parent itself makes it wait for the flush of what is nested in it.
fn does_not_wait_for_what_the_parent_unmaps() -> Outcome {
    for first in [false, true] {
        let bench = Bench::new(LINUX)?;
        let parent = parent(&bench, 0)?;
        let nested = guest(&bench, &parent, &Dte::of_guest(4, 7))?;
        if first {
            go(&bench, SIMPLE, &parent)?;
        }
        go(&bench, SIMPLE, &nested)?;
        check_eq!(bench.reach(SIMPLE, None, IOVA)?, Reach::Memory(page(0)));
        let mut gather = Gather::default();
        check_eq!(parent.unmap(GPA, 0x1000, 1, &mut gather), 0x1000);
        parent.sync(&gather);
        let reach = match first {
            true => Reach::Aborted,
            false => Reach::Memory(page(0)),
        };
        check_eq!(bench.reach(SIMPLE, None, IOVA)?, reach);
    }
    Ok(())
}

/// Who is nested is not on the list of the parent.
fn tells_guests_of_no_new_top() -> Outcome {
    let bench = Bench::new(LINUX)?;
    let parent = parent(&bench, 0)?;
    let nested = guest(&bench, &parent, &Dte::of_guest(4, 7))?;
    go(&bench, SIMPLE, &nested)?;
    let before = entry(&bench, SIMPLE)?;
    parent.map(1 << 50, page(5), 0x1000, 1, Prot::RW).result?;
    check_eq!(entry(&bench, SIMPLE)?, before);
    nested.map(1 << 20, 1 << 50, 0x1000, 1, Prot::RW).result?;
    check_eq!(nested.iova_to_phys(1 << 20), Some(page(5)));
    check_eq!(bench.reach(SIMPLE, None, 1 << 20)?, Reach::Aborted);
    Ok(())
}

/// Unless it was on the parent first: then it is on its list, and gets its entry.
fn ends_what_is_nested_with_a_new_top() -> Outcome {
    let bench = Bench::new(LINUX)?;
    let parent = parent(&bench, 0)?;
    let nested = guest(&bench, &parent, &Dte::of_guest(4, 7))?;
    for space in [&parent, &nested] {
        go(&bench, SIMPLE, space)?;
    }
    check_eq!(bench.reach(SIMPLE, None, IOVA)?, Reach::Memory(page(0)));
    parent.map(1 << 50, page(5), 0x1000, 1, Prot::RW).result?;
    check!(!entry(&bench, SIMPLE)?.is(dte::GV));
    // What is an address of the guest's memory is taken from the device.
    check_eq!(bench.reach(SIMPLE, None, GPA)?, Reach::Memory(page(0)));
    check_eq!(bench.reach(SIMPLE, None, IOVA)?, Reach::Memory(page(100)));
    Ok(())
}
