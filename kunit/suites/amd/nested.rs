// SPDX-License-Identifier: GPL-2.0

//! Page tables of a guest on top of host page tables.

mod linux;

use super::{
    own_name,
    unmap,
    Bench,
    How,
    HOWS,
    IOVA,
    NARROW,
    SIMPLE,
    WIDE, //
};
use crate::{
    iommu::{
        AttachError,
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
    mock::{
        amd::AmdSpace,
        hw::{
            amd::dte::{
                self,
                Dte, //
            },
            machine::Inspect as _,
            Access,
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
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_amd_nested:
    entry_is_of_parent_and_guest: each How in HOWS;
    guest_needs_an_entry_and_a_parent;
    guests_domain_stands_for_one_of_ours;
    guest_flushes_for_itself: each How in HOWS;
    pasids_and_guests_exclude_each_other: each How in HOWS;
    any_target_follows_what_is_nested;
    parent_works_for_what_is_nested;
}

/// Where a guest thinks that its memory is.
const GPA: u64 = 0x7000_0000;

const LINUX: u32 = 0;
const STORE128: u32 = 1;

fn page(number: u64) -> u64 {
    (1 << 44) + (number << 12)
}

/// A host page table that has the guest's memory at a page.
fn parent(bench: &Bench, number: u64) -> Result<Arc<AmdSpace>> {
    let parent = bench.space(WIDE, false, page(100))?;
    parent.map(GPA, page(number), 0x1000, 1, Prot::RW).result?;
    Ok(parent)
}

/// What a guest maps on top of it.
fn guest(bench: &Bench, parent: &Arc<AmdSpace>, entry: &Dte) -> Result<Arc<AmdSpace>> {
    let guest = bench.unit.new_nested(parent, entry)?;
    guest.map(IOVA, GPA, 0x1000, 1, Prot::RW).result?;
    Ok(guest)
}

fn go(bench: &Bench, endpoint: u32, to: &Arc<AmdSpace>) -> Outcome {
    let to = Target::Paging(to.clone());
    check_eq!(bench.attach(endpoint, None, &to), Ok(()));
    Ok(())
}

fn entry(bench: &Bench, endpoint: u32) -> Result<Dte> {
    let machine = bench.unit.machine();
    let id = own_name(bench, endpoint)?.id;
    let at = machine.model().device_table + u64::from(id) * dte::SIZE;
    let mut words = [0; dte::WORDS as usize];
    for (word, offset) in words.iter_mut().zip((0..).step_by(8)) {
        *word = machine.load(at + offset)?;
    }
    Ok(Dte(words))
}

fn domain(bench: &Bench, endpoint: u32) -> Result<u64> {
    Ok(entry(bench, endpoint)?.get(dte::DOMAIN_ID))
}

fn entry_is_of_parent_and_guest(how: &How) -> Outcome {
    let bench = Bench::new(how.0)?;
    let parent = parent(&bench, 0)?;
    go(&bench, SIMPLE, &parent)?;
    for (levels, glx) in [(4, 0), (5, 0), (4, 1), (5, 2)] {
        let of_guest = Dte::of_guest(levels, 0x1234).with(dte::GLX, glx);
        let nested = guest(&bench, &parent, &of_guest)?;
        go(&bench, WIDE, &nested)?;
        let (all, host) = (entry(&bench, WIDE)?, entry(&bench, SIMPLE)?);
        for flag in [dte::V, dte::TV, dte::GV, dte::GIOV, dte::IR, dte::IW] {
            check!(all.is(flag));
        }
        for field in [dte::MODE, dte::HOST_ROOT] {
            check_eq!(all.get(field), host.get(field));
        }
        check_eq!(all.get(dte::GLX), glx);
        check_eq!(all.get(dte::GUEST_PAGING_MODE), u64::from(levels) - 4);
        check!(![0, 0x1234, host.get(dte::DOMAIN_ID)].contains(&all.get(dte::DOMAIN_ID)));
        // The guest's tables are where the guest thinks that they are.
        check!(parent.iova_to_phys(all.gcr3()) == Some(all.gcr3()));
        check_eq!(bench.reach(WIDE, None, IOVA)?, Reach::Memory(page(0)));
        check_eq!(nested.iova_to_phys(IOVA), Some(page(0)));
        check_eq!(bench.reach(WIDE, None, GPA)?, Reach::Aborted);
        check_eq!(bench.unit.seen(WIDE), Some(Seen::Paging(nested.number())));
        let tracked = nested.set_dirty_tracking(true);
        check_eq!(tracked, Err(errno::eopnotsupp()));
        bench.unit.release(WIDE, false);
    }
    check_eq!(bench.unit.machine().counts().wild, 0);
    Ok(())
}

fn guest_needs_an_entry_and_a_parent() -> Outcome {
    let bench = Bench::new(STORE128)?;
    let right = Dte::of_guest(4, 7);
    let parent = parent(&bench, 0)?;
    let nested = guest(&bench, &parent, &right)?;
    for wrong in [
        right.with(dte::V, 0),
        right.with(dte::TV, 0),
        right.with(dte::GV, 0),
        right.with(dte::GIOV, 0),
        right.with(dte::MODE, 1),
        right.with(dte::HOST_ROOT, 1),
        right.with(dte::GLX, 3),
        right.with_gcr3(1 << 12),
        Dte::of_guest(3, 7),
        Dte::of_guest(6, 7),
        Dte::of_guest(7, 7),
    ] {
        check_eq!(bench.unit.new_nested(&parent, &wrong).err(), Some(EINVAL));
    }
    let elsewhere = Bench::new(STORE128)?;
    for wrong in [
        nested,
        bench.space(WIDE, true, page(1))?,
        elsewhere.space(WIDE, false, page(1))?,
    ] {
        check_eq!(bench.unit.new_nested(&wrong, &right).err(), Some(EINVAL));
    }
    Ok(())
}

fn guests_domain_stands_for_one_of_ours() -> Outcome {
    let bench = Bench::new(STORE128)?;
    let (one, other) = (parent(&bench, 0)?, parent(&bench, 1)?);
    let on = |nested: &Arc<AmdSpace>| {
        go(&bench, WIDE, nested)?;
        Ok::<_, crate::kapi::kunit::Failed>(domain(&bench, WIDE)?)
    };
    // 1 is that of identity, 2 to 4 are those of the endpoints, 5 and 6 of the parents.
    let a = guest(&bench, &one, &Dte::of_guest(4, 7))?;
    let b = guest(&bench, &one, &Dte::of_guest(5, 7))?;
    let c = guest(&bench, &one, &Dte::of_guest(4, 8))?;
    let d = guest(&bench, &other, &Dte::of_guest(4, 7))?;
    check_eq!([on(&a)?, on(&b)?, on(&c)?, on(&d)?], [7, 7, 8, 9]);
    // The last one gives it back.
    drop(a);
    let e = guest(&bench, &other, &Dte::of_guest(4, 9))?;
    check_eq!([on(&b)?, on(&e)?], [7, 10]);
    drop(b);
    let f = guest(&bench, &other, &Dte::of_guest(4, 10))?;
    check_eq!(on(&f)?, 7);
    Ok(())
}

fn guest_flushes_for_itself(how: &How) -> Outcome {
    let bench = Bench::new(how.0)?;
    let parent = parent(&bench, 0)?;
    let nested = guest(&bench, &parent, &Dte::of_guest(4, 7))?;
    go(&bench, WIDE, &nested)?;
    let there = Reach::Memory(page(0));
    check_eq!(bench.reach(WIDE, None, IOVA)?, there);
    let mut gather = Gather::default();
    check_eq!(nested.unmap(IOVA, 0x1000, 1, &mut gather), 0x1000);
    check_eq!(bench.reach(WIDE, None, IOVA)?, there);
    nested.sync(&gather);
    check_eq!(bench.reach(WIDE, None, IOVA)?, Reach::Aborted);
    // Its tables grow into what the parent maps.
    for far in [1 << 30, 1 << 40, 1 << 46] {
        nested.map(far, GPA, 0x1000, 1, Prot::RW).result?;
        check_eq!(bench.reach(WIDE, None, far)?, there);
    }
    Ok(())
}

fn pasids_and_guests_exclude_each_other(how: &How) -> Outcome {
    let bench = Bench::new(how.0)?;
    let invalid = Err(AttachError::Failed(EINVAL));
    let space = parent(&bench, 0)?;
    let nested = Target::Paging(guest(&bench, &space, &Dte::of_guest(5, 7))?);
    let host = Target::Paging(space);
    let table = Target::Paging(bench.space(WIDE, true, page(2))?);
    // Linux enables PASIDs of whoever has them, with a GCR3 table; ours are enabled while used.
    for before in [&Target::Identity, &table] {
        check_eq!(bench.attach(WIDE, None, before), Ok(()));
        check_eq!(bench.attach(SIMPLE, None, before), Ok(()));
        let reach = bench.reach(WIDE, None, IOVA)?;
        if how.0 == LINUX {
            check_eq!(bench.attach(WIDE, None, &nested), invalid);
            check_eq!(bench.reach(WIDE, None, IOVA)?, reach);
        }
        check_eq!(bench.attach(WIDE, Some(1), &table), Ok(()));
        check_eq!(bench.attach(WIDE, None, &nested), invalid);
        check_eq!(
            bench.attach(WIDE, Some(2), &nested),
            Err(AttachError::Incompatible)
        );
        check_eq!(bench.reach(WIDE, None, IOVA)?, reach);
        check_eq!(bench.reach(WIDE, Some(1), IOVA)?, Reach::Memory(page(2)));
        check_eq!(bench.attach(WIDE, Some(1), &Target::Blocked), Ok(()));
        if how.0 != LINUX {
            check_eq!(bench.attach(WIDE, None, &nested), Ok(()));
        }
        check_eq!(bench.attach(SIMPLE, None, &nested), Ok(()));
    }
    for before in [&Target::Blocked, &host] {
        check_eq!(bench.attach(WIDE, None, before), Ok(()));
        check_eq!(bench.attach(WIDE, None, &nested), Ok(()));
        check_eq!(bench.attach(WIDE, Some(1), &table), invalid);
        check_eq!(bench.reach(WIDE, None, IOVA)?, Reach::Memory(page(0)));
        check_eq!(bench.reach(WIDE, Some(1), IOVA)?, Reach::Aborted);
    }
    Ok(())
}

fn any_target_follows_what_is_nested() -> Outcome {
    let bench = Bench::new(STORE128)?;
    let (one, other) = (parent(&bench, 0)?, parent(&bench, 1)?);
    let nested = |parent, levels, number| guest(&bench, parent, &Dte::of_guest(levels, number));
    let to = |space, number| (Target::Paging(space), Reach::Memory(page(number)));
    let places = [
        (Target::Blocked, Reach::Aborted),
        (Target::Identity, Reach::Memory(IOVA)),
        to(bench.space(WIDE, true, page(2))?, 2),
        to(bench.space(NARROW, true, page(3))?, 3),
        to(nested(&one, 4, 1)?, 0),
        to(nested(&one, 4, 2)?, 0),
        to(nested(&one, 5, 1)?, 0),
        to(nested(&other, 4, 1)?, 1),
        to(nested(&other, 5, 2)?, 1),
        to(one, 100),
        to(other, 100),
    ];
    for endpoint in [WIDE, SIMPLE, NARROW] {
        for (from, there) in &places {
            for (to, here) in &places {
                for (target, reach) in [(from, there), (to, here), (to, here)] {
                    check_eq!(bench.attach(endpoint, None, target), Ok(()));
                    check_eq!(bench.reach(endpoint, None, IOVA)?, *reach);
                }
                if let Target::Paging(space) = to {
                    let seen = Seen::Paging(space.number());
                    check_eq!(bench.unit.seen(endpoint), Some(seen));
                }
            }
        }
        bench.unit.release(endpoint, false);
    }
    // Nobody holds on to a page table, first those of guests.
    for (place, _) in places {
        if let Target::Paging(space) = place {
            check!(Arc::into_unique_or_drop(space).is_some());
        }
    }
    check_eq!(bench.unit.machine().counts().wild, 0);
    Ok(())
}

fn parent_works_for_what_is_nested() -> Outcome {
    let bench = Bench::new(STORE128)?;
    let parent = parent(&bench, 0)?;
    let nested = guest(&bench, &parent, &Dte::of_guest(4, 7))?;
    // Next to another endpoint of the parent, then alone.
    go(&bench, SIMPLE, &parent)?;
    for (number, bits) in [(1, 50), (2, 57)] {
        go(&bench, WIDE, &nested)?;
        check_eq!(
            bench.reach(WIDE, None, IOVA)?,
            Reach::Memory(page(number - 1))
        );
        let mut gather = Gather::default();
        check_eq!(parent.unmap(GPA, 0x1000, 1, &mut gather), 0x1000);
        parent.sync(&gather);
        check_eq!(bench.reach(WIDE, None, IOVA)?, Reach::Aborted);
        parent.map(GPA, page(number), 0x1000, 1, Prot::RW).result?;
        check_eq!(bench.reach(WIDE, None, IOVA)?, Reach::Memory(page(number)));

        let mode = entry(&bench, WIDE)?.get(dte::MODE);
        let to = page(50 + number);
        parent.map(1 << bits, to, 0x1000, 1, Prot::RW).result?;
        check!(entry(&bench, WIDE)?.get(dte::MODE) > mode);
        if number == 1 {
            // What comes next is beyond the addresses that guests have.
            nested.map(0, 1 << bits, 0x1000, 1, Prot::RW).result?;
        }
        check_eq!(bench.reach(WIDE, None, 0)?, Reach::Memory(page(51)));

        for enable in [true, false] {
            parent.set_dirty_tracking(enable)?;
            check!(entry(&bench, WIDE)?.is(dte::GV));
            let own = own_name(&bench, WIDE)?;
            let reach = bench.unit.machine().access(own, IOVA, Access::Write);
            check_eq!(reach, Reach::Memory(page(number)));
            let mut found = 0;
            parent.read_and_clear_dirty((GPA, GPA + 0xfff), false, &mut |_, size| found += size)?;
            check_eq!(found, u64::from(enable) * 0x1000);
            parent.sync(&Gather::everything());
        }
        bench.unit.release(SIMPLE, false);
    }
    // By way of the parent, and back.
    for _ in 0..2 {
        go(&bench, WIDE, &parent)?;
        check_eq!(bench.reach(WIDE, None, GPA)?, Reach::Memory(page(2)));
        go(&bench, WIDE, &nested)?;
        check_eq!(bench.reach(WIDE, None, IOVA)?, Reach::Memory(page(2)));
    }
    check_eq!(unmap(&nested), 0x1000);
    check_eq!(bench.reach(WIDE, None, IOVA)?, Reach::Aborted);
    Ok(())
}
