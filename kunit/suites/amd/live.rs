// SPDX-License-Identifier: GPL-2.0

//! The driver on live hardware: where DMA gets to.

use super::{
    own_name,
    unmap,
    Bench,
    How,
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
            Outcome, //
        }, //
    },
    mock::{
        amd::AmdSpace,
        hw::{
            amd::{
                command::{
                    invalidate_devtab_entry,
                    invalidate_iotlb_pages, //
                },
                dte, //
            },
            machine::Inspect as _,
            model::{
                Command,
                Requester, //
            },
            Access,
            Reach, //
        },
        unit::{
            Modelled as _,
            Seen,
            Space as _,
            Target,
            Unit as _,
            FORMER_KERNEL, //
        },
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

fn page(number: u64) -> u64 {
    (1 << 44) + (number << 12)
}

/// A target, and where it sends [`IOVA`].
type Place = (Target<AmdSpace>, Reach);

/// Two host page tables, two guest ones with 5 levels, and one with 4.
fn spaces(bench: &Bench) -> Result<[Arc<AmdSpace>; 5]> {
    Ok([
        bench.space(WIDE, false, page(0))?,
        bench.space(WIDE, false, page(1))?,
        bench.space(WIDE, true, page(2))?,
        bench.space(WIDE, true, page(3))?,
        bench.space(NARROW, true, page(4))?,
    ])
}

fn places(bench: &Bench) -> Result<[Place; 7]> {
    let [a, b, c, d, e] = spaces(bench)?;
    let to = |space, number| (Target::Paging(space), Reach::Memory(page(number)));
    Ok([
        (Target::Blocked, Reach::Aborted),
        (Target::Identity, Reach::Memory(IOVA)),
        to(a, 0),
        to(b, 1),
        to(c, 2),
        to(d, 3),
        to(e, 4),
    ])
}

pub(super) fn any_target_follows_any_other(how: &How) -> Outcome {
    let bench = Bench::with(how.0, |e| {
        e.deferred = e.max_pasids == 0;
        e.resettable = how.1;
    })?;
    check_eq!(bench.unit.seen(WIDE), Some(Seen::Identity));
    check_eq!(bench.reach(WIDE, None, IOVA)?, Reach::Memory(IOVA));
    check_eq!(bench.unit.seen(SIMPLE), Some(Seen::Paging(0)));
    let former = Reach::Memory(FORMER_KERNEL + IOVA);
    check_eq!(bench.reach(SIMPLE, None, IOVA)?, former);
    let places = places(&bench)?;
    for endpoint in [WIDE, SIMPLE, NARROW] {
        for (from, there) in &places {
            for (to, here) in &places {
                check_eq!(bench.attach(endpoint, None, from), Ok(()));
                check_eq!(bench.reach(endpoint, None, IOVA)?, *there);
                check_eq!(bench.attach(endpoint, None, to), Ok(()));
                check_eq!(bench.reach(endpoint, None, IOVA)?, *here);
                let seen = match to {
                    Target::Blocked => Seen::Blocked,
                    Target::Identity => Seen::Identity,
                    Target::Paging(space) => Seen::Paging(space.number()),
                };
                check_eq!(bench.unit.seen(endpoint), Some(seen));
            }
        }
        bench.unit.release(endpoint, false);
        check_eq!(bench.reach(endpoint, None, IOVA)?, Reach::Aborted);
    }
    // Nobody holds on to a page table.
    for (place, _) in places {
        if let Target::Paging(space) = place {
            check!(Arc::into_unique_or_drop(space).is_some());
        }
    }
    check_eq!(bench.unit.machine().counts().wild, 0);
    Ok(())
}

pub(super) fn pasids_outlive_the_moves_of_other_dma(how: &How) -> Outcome {
    let bench = how.bench()?;
    let places = places(&bench)?;
    let [.., (guest, _), (shallow, _)] = &places;
    check_eq!(bench.attach(WIDE, None, &Target::Blocked), Ok(()));
    check_eq!(bench.attach(WIDE, Some(3), guest), Ok(()));
    let there = Reach::Memory(page(3));
    for (from, _) in &places {
        for (to, here) in &places {
            let before = bench.unit.seen(WIDE);
            let moved = bench
                .attach(WIDE, None, from)
                .and(bench.attach(WIDE, None, to));
            if let Ok(()) = moved {
                check_eq!(bench.reach(WIDE, None, IOVA)?, *here);
            } else {
                check_eq!(moved, Err(AttachError::Incompatible));
                check!(before.is_some());
            }
            check_eq!(bench.reach(WIDE, Some(3), IOVA)?, there);
            check_eq!(bench.reach(WIDE, Some(2), IOVA)?, Reach::Aborted);
        }
    }
    check_eq!(
        bench.attach(WIDE, None, shallow),
        Err(AttachError::Incompatible)
    );
    check_eq!(bench.attach(WIDE, None, &Target::Identity), Ok(()));
    check_eq!(bench.attach(WIDE, Some(3), &Target::Blocked), Ok(()));
    check_eq!(bench.reach(WIDE, Some(3), IOVA)?, Reach::Aborted);
    check_eq!(bench.reach(WIDE, None, IOVA)?, Reach::Memory(IOVA));

    // Nor does the blocked DMA next to a PASID leave anything that is remembered.
    check_eq!(bench.attach(WIDE, None, &Target::Blocked), Ok(()));
    check_eq!(bench.attach(WIDE, Some(3), guest), Ok(()));
    check_eq!(bench.reach(WIDE, None, IOVA)?, Reach::Aborted);
    check_eq!(bench.attach(WIDE, Some(3), &Target::Blocked), Ok(()));
    check_eq!(bench.attach(WIDE, None, guest), Ok(()));
    check_eq!(bench.reach(WIDE, None, IOVA)?, there);
    check_eq!(bench.unit.machine().counts().wild, 0);
    Ok(())
}

pub(super) fn guest_tables_serve_both_kinds_of_dma(how: &How) -> Outcome {
    let bench = how.bench()?;
    let [_, _, first, second, _] = spaces(&bench)?;
    let paging = |space: &Arc<AmdSpace>| Target::Paging(space.clone());
    check_eq!(bench.attach(WIDE, None, &paging(&first)), Ok(()));
    check_eq!(bench.attach(WIDE, Some(1), &paging(&first)), Ok(()));
    check_eq!(bench.attach(WIDE, Some(7), &paging(&second)), Ok(()));
    check_eq!(bench.attach(WIDE, Some(7), &paging(&second)), Ok(()));
    for (pasid, to) in [(None, 2), (Some(1), 2), (Some(7), 3)] {
        check_eq!(bench.reach(WIDE, pasid, IOVA)?, Reach::Memory(page(to)));
    }
    // Straight over, and back.
    for (space, to) in [(&second, 3), (&first, 2)] {
        check_eq!(bench.attach(WIDE, Some(1), &paging(space)), Ok(()));
        check_eq!(bench.reach(WIDE, Some(1), IOVA)?, Reach::Memory(page(to)));
    }
    // All users forget what is unmapped.
    check_eq!(unmap(&first), 0x1000);
    for (pasid, reach) in [
        (None, Reach::Aborted),
        (Some(1), Reach::Aborted),
        (Some(7), Reach::Memory(page(3))),
    ] {
        check_eq!(bench.reach(WIDE, pasid, IOVA)?, reach);
    }
    bench.unit.release(WIDE, true);
    check_eq!(bench.reach(WIDE, Some(7), IOVA)?, Reach::Aborted);
    check_eq!(bench.unit.seen(WIDE), Some(Seen::Paging(first.number())));
    check!(Arc::into_unique_or_drop(second).is_some());
    Ok(())
}

pub(super) fn host_table_is_none_for_pasids(how: &How) -> Outcome {
    let bench = how.bench()?;
    let [host, _, guest, ..] = spaces(&bench)?.map(Target::Paging);
    let invalid = Err(AttachError::Failed(EINVAL));
    // What firmware has left has no GCR3 table.
    check_eq!(bench.attach(WIDE, Some(1), &guest), invalid);
    check_eq!(bench.attach(WIDE, None, &host), Ok(()));
    check_eq!(bench.attach(WIDE, Some(1), &guest), invalid);
    check_eq!(bench.attach(WIDE, Some(1), &Target::Blocked), Ok(()));
    check_eq!(bench.attach(WIDE, None, &Target::Identity), Ok(()));
    check_eq!(
        bench.attach(WIDE, Some(1), &host),
        Err(AttachError::Incompatible)
    );
    check_eq!(
        bench.attach(WIDE, Some(1), &Target::Identity),
        Err(AttachError::Failed(errno::eopnotsupp()))
    );
    for pasid in [0, 8, u32::MAX] {
        check_eq!(bench.attach(WIDE, Some(pasid), &guest), invalid);
    }
    check_eq!(bench.attach(WIDE, Some(1), &guest), Ok(()));
    // The other way round.
    check_eq!(
        bench.attach(WIDE, None, &host),
        Err(AttachError::Incompatible)
    );
    check_eq!(bench.reach(WIDE, None, IOVA)?, Reach::Memory(IOVA));
    check_eq!(bench.reach(WIDE, Some(1), IOVA)?, Reach::Memory(page(2)));
    Ok(())
}

pub(super) fn depth_is_the_same_for_all_guest_tables(how: &How) -> Outcome {
    let bench = how.bench()?;
    let [_, _, deep, _, shallow] = spaces(&bench)?.map(Target::Paging);
    check_eq!(bench.attach(WIDE, None, &Target::Identity), Ok(()));
    check_eq!(bench.attach(WIDE, Some(1), &shallow), Ok(()));
    check_eq!(bench.reach(WIDE, Some(1), IOVA)?, Reach::Memory(page(4)));
    for pasid in [None, Some(2)] {
        check_eq!(
            bench.attach(WIDE, pasid, &deep),
            Err(AttachError::Incompatible)
        );
    }
    // The only one may change it.
    check_eq!(bench.attach(WIDE, Some(1), &deep), Ok(()));
    check_eq!(bench.reach(WIDE, Some(1), IOVA)?, Reach::Memory(page(2)));
    check_eq!(bench.attach(WIDE, None, &deep), Ok(()));
    check_eq!(
        bench.attach(WIDE, Some(1), &shallow),
        Err(AttachError::Incompatible)
    );
    Ok(())
}

pub(super) fn host_table_grows_while_devices_run(how: &How) -> Outcome {
    let bench = how.bench()?;
    let [space, ..] = spaces(&bench)?;
    let to = Target::Paging(space.clone());
    let mut devices = KVec::new();
    for endpoint in [WIDE, SIMPLE] {
        check_eq!(bench.attach(endpoint, None, &to), Ok(()));
        check_eq!(bench.reach(endpoint, None, IOVA)?, Reach::Memory(page(0)));
        devices.push(endpoint, GFP_KERNEL)?;
    }
    let registers = *bench.unit.machine().model();
    let mode = |id: u32| {
        let at = registers.device_table + u64::from(id) * dte::SIZE;
        let word = bench.unit.machine().load(at)?;
        Ok::<_, Error>(dte::MODE.get(&[word]))
    };
    // 3 levels cover 39 bits.
    for (bits, levels) in [(38, 3), (39, 4), (48, 5), (63, 6)] {
        space
            .map(1 << bits, page(bits), 0x1000, 1, Prot::RW)
            .result?;
        for endpoint in &devices {
            for from in bench.unit.requesters(*endpoint, None)? {
                check_eq!(mode(from.id)?, levels);
            }
            check_eq!(bench.reach(*endpoint, None, IOVA)?, Reach::Memory(page(0)));
            check_eq!(
                bench.reach(*endpoint, None, 1 << bits)?,
                Reach::Memory(page(bits))
            );
        }
    }
    // Who comes later gets all of it.
    check_eq!(bench.attach(NARROW, None, &to), Ok(()));
    check_eq!(bench.reach(NARROW, None, 1 << 48)?, Reach::Memory(page(48)));
    check_eq!(bench.unit.machine().counts().wild, 0);
    Ok(())
}

pub(super) fn interrupts_are_left_alone(how: &How) -> Outcome {
    let bench = how.bench()?;
    let own = own_name(&bench, WIDE)?;
    let at = bench.unit.machine().model().device_table + u64::from(own.id) * dte::SIZE + 16;
    let mode = dte::GUEST_PAGING_MODE.mask();
    for (number, (to, reach)) in (1..).zip(&places(&bench)?) {
        // Remapped, a table of 512 entries at another address each time.
        let word = 1 | (9 << 1) | (number << 20) | (2 << 60);
        bench.unit.interrupt_writer(WIDE, word)?;
        check_eq!(bench.attach(WIDE, None, to), Ok(()));
        check_eq!(bench.unit.machine().load(at)? & !mode, word);
        check_eq!(bench.reach(WIDE, None, IOVA)?, *reach);
        let before = bench.unit.machine().load(at)?;
        bench.unit.interrupt_writer(WIDE, u64::MAX)?;
        check_eq!(bench.unit.machine().load(at)? & mode, before & mode);
    }
    Ok(())
}

pub(super) fn alias_is_an_entry_of_its_own() -> Outcome {
    let bench = Bench::new(1)?;
    let [space, other, ..] = spaces(&bench)?.map(Target::Paging);
    let all = bench.unit.requesters(300, None);
    check_eq!(all.err(), Some(ENODEV));
    let names = bench.unit.requesters(NARROW, Some(5))?;
    let expected = [2, 0x102].map(|id| Requester { id, pasid: Some(5) });
    check!(names[..] == expected);

    check_eq!(bench.attach(WIDE, None, &space), Ok(()));
    check_eq!(bench.reach(WIDE, None, IOVA)?, Reach::Memory(page(0)));
    // An entry of the alias that is forgotten is one that can be seen.
    let machine = bench.unit.machine();
    let alias = machine.model().device_table + 0x100 * dte::SIZE;
    let old = [machine.load(alias)?, machine.load(alias + 8)?];
    check_eq!(bench.attach(WIDE, None, &other), Ok(()));
    machine.store(alias, &old)?;
    machine.submit(invalidate_devtab_entry(0x100));
    machine.wait();
    check_eq!(bench.reach(WIDE, None, IOVA).err(), Some(EDOM));
    check_eq!(bench.unit.dma(WIDE, None, IOVA), Reach::Memory(page(1)));
    Ok(())
}

/// Linux leaves the entries of aliases as they are, which is a finding.
pub(super) fn writes_of_an_alias_are_marked(how: &How) -> Outcome {
    let bench = Bench::new(how.0)?;
    let [space, ..] = spaces(&bench)?;
    check_eq!(
        bench.attach(WIDE, None, &Target::Paging(space.clone())),
        Ok(())
    );
    space.set_dirty_tracking(true)?;
    let names = bench.unit.requesters(WIDE, None)?;
    for (name, marks) in names.iter().zip([true, how.0 != 0]) {
        let reach = bench.unit.machine().access(*name, IOVA, Access::Write);
        check_eq!(reach, Reach::Memory(page(0)));
        let mut found = 0;
        space.read_and_clear_dirty((0, u64::MAX), false, &mut |_, size| found += size)?;
        check_eq!(found, u64::from(marks) * 0x1000);
        space.sync(&Gather::everything());
    }
    Ok(())
}

pub(super) fn entry_is_used_until_it_is_flushed() -> Outcome {
    let bench = Bench::new(0)?;
    let [space, ..] = spaces(&bench)?.map(Target::Paging);
    check_eq!(bench.attach(WIDE, None, &space), Ok(()));
    let there = bench.reach(WIDE, None, IOVA)?;
    let machine = bench.unit.machine();
    machine.store(machine.model().device_table, &[1, 0])?;
    for (flushed, reach) in [(0x100, there), (1, there), (0, Reach::Aborted)] {
        machine.submit(invalidate_devtab_entry(flushed));
        machine.wait();
        check_eq!(bench.unit.dma(WIDE, None, IOVA), reach);
    }
    Ok(())
}

pub(super) fn unmapped_page_is_used_until_it_is_flushed() -> Outcome {
    let bench = Bench::new(0)?;
    let [host, _, guest, ..] = spaces(&bench)?;
    for space in [host, guest] {
        check_eq!(
            bench.attach(WIDE, None, &Target::Paging(space.clone())),
            Ok(())
        );
        let there = bench.reach(WIDE, None, IOVA)?;
        let mut gather = Gather::default();
        check_eq!(space.unmap(IOVA, 0x1000, 1, &mut gather), 0x1000);
        check_eq!(bench.reach(WIDE, None, IOVA)?, there);
        space.sync(&gather);
        check_eq!(bench.reach(WIDE, None, IOVA)?, Reach::Aborted);
    }
    Ok(())
}

pub(super) fn lowest_domain_id_is_taken_first() -> Outcome {
    let bench = Bench::new(0)?;
    let own = own_name(&bench, WIDE)?;
    let domain = |space: &Arc<AmdSpace>| {
        let to = Target::Paging(space.clone());
        bench.attach(WIDE, None, &to)?;
        let at = bench.unit.machine().model().device_table + u64::from(own.id) * dte::SIZE;
        let word = bench.unit.machine().load(at + 8)?;
        bench.attach(WIDE, None, &Target::Blocked)?;
        Ok::<_, Error>(dte::DOMAIN_ID.get(&[0, word]))
    };
    // 1 is that of identity, 2 to 4 are those of the endpoints.
    let [a, b, guest, ..] = spaces(&bench)?;
    check_eq!([domain(&a)?, domain(&b)?, domain(&guest)?], [5, 6, 2]);
    drop(a);
    let again = bench.space(WIDE, false, page(9))?;
    let next = bench.space(WIDE, false, page(10))?;
    check_eq!([domain(&again)?, domain(&next)?], [5, 7]);
    Ok(())
}

pub(super) fn device_keeps_pages_until_its_own_iotlb_is_flushed() -> Outcome {
    for ats in [false, true] {
        for (pasid, guest) in [(None, false), (None, true), (Some(3), true)] {
            let bench = Bench::with(0, |e| e.resettable = ats)?;
            let machine = bench.unit.machine();
            let execute = |command| {
                machine.submit(command);
                machine.wait();
            };
            let space = bench.space(WIDE, guest, page(0))?;
            check_eq!(bench.attach(WIDE, None, &Target::Blocked), Ok(()));
            check_eq!(
                bench.attach(WIDE, pasid, &Target::Paging(space.clone())),
                Ok(())
            );
            check_eq!(bench.reach(WIDE, pasid, IOVA)?, Reach::Memory(page(0)));
            // As a driver does that forgets the device, whose alias keeps it, too.
            space.unmap(IOVA, 0x1000, 1, &mut Gather::default());
            execute(Command([8 << 60, 0]));
            let left = match ats {
                true => Reach::Memory(page(0)),
                false => Reach::Aborted,
            };
            check_eq!(bench.reach(WIDE, pasid, IOVA)?, left);
            let id = own_name(&bench, WIDE)?.id;
            let number = guest.then_some(pasid.unwrap_or(0));
            let here = (IOVA, IOVA);
            execute(invalidate_iotlb_pages(id + 1, None, (0, u64::MAX)));
            execute(invalidate_iotlb_pages(id, number, (0, 0)));
            execute(invalidate_iotlb_pages(id, Some(9), here));
            check_eq!(bench.reach(WIDE, pasid, IOVA)?, left);
            execute(invalidate_iotlb_pages(id, number, here));
            check_eq!(bench.reach(WIDE, pasid, IOVA)?, Reach::Aborted);
        }
    }
    Ok(())
}
