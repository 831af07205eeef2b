// SPDX-License-Identifier: GPL-2.0

//! What strict and lazy unmapping cost a guest whose hypervisor takes its time, as its developers
//! saw it in 2022: a flush only when all IOVAs were used does twice the work of strict unmapping,
//! a short queue much less than that, a long one nearly as much.
//!
//! Time is virtual: the hypervisor adds its prices up, and a mapping takes the guest as long as
//! [`WORK`] says. Every run counts alike.

use super::{
    Rig,
    LINUX, //
};
use crate::{
    dma::{
        Clock,
        DmaDomain,
        Rings,
        Settings, //
    },
    effort,
    iommu::Prot,
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        note,
        skip,
        Outcome, //
    },
    mock::{
        hw::s390::shadow::Price,
        s390::S390Unit,
        shell::Shell, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

kunit_suite! {
    iommu_mock_zpci_price:
    refresh_is_paid_by_what_it_finds;
    lazy_guest_does_twice_the_work_of_a_strict_one;
}

const PAGE: u64 = 0x1000;

/// Pages that are mapped all the time: what a busy disk has on its way.
const BUSY: u64 = 8192;

/// Pages that IOVAs are handed out of, besides.
const SPACE: u64 = 65536;

const PRICE: Price = Price {
    trap: 12_000,
    look: 2_000,
    pin: 500,
    unpin: 500,
    flush: 5_000,
};

/// Nanoseconds that the guest spends on each mapping.
const WORK: u64 = 500;

/// Nanoseconds of a millisecond.
const MS: u64 = 1_000_000;

/// The virtual time.
struct Virtual {
    shell: Arc<Shell<S390Unit>>,
    worked: Atomic<u64>,
}

impl Virtual {
    fn nanoseconds(&self) -> u64 {
        self.shell.unit().pci().spent() + self.worked.load(Relaxed)
    }
}

impl Clock for Virtual {
    fn now(&self) -> u64 {
        self.nanoseconds() / MS
    }
}

fn refresh_is_paid_by_what_it_finds() -> Outcome {
    let rig = Rig::new(&LINUX, 1)?;
    rig.pci().shadow(16, PRICE);
    let domain = rig.empty()?;
    rig.group()?.attach(&domain).map_err(Error::from)?;
    let spent = |op: &dyn Fn() -> Result| {
        let before = rig.pci().spent();
        op().map(|()| rig.pci().spent() - before)
    };
    let Price {
        trap,
        look,
        pin,
        unpin,
        flush,
    } = PRICE;
    let map = || domain.map(0, 1 << 32, 3 * PAGE, Prot::RW);
    check_eq!(spent(&map)?, trap + 3 * (look + pin));
    let again = || domain.paging().ok_or(EINVAL)?.sync_map(0, 8 * PAGE);
    check_eq!(spent(&again)?, trap + 3 * look);
    let unmap = || match domain.unmap(PAGE, 2 * PAGE) {
        0 => Err(EINVAL),
        _ => Ok(()),
    };
    check_eq!(spent(&unmap)?, trap + 2 * unpin + flush);
    rig.group()?.detach(&domain);
    Ok(())
}

fn per(all: u64, by: u64) -> u64 {
    all.checked_div(by).unwrap_or(0)
}

/// Mappings in a second, each of which is unmapped again, and flushes for a thousand of them.
fn replay(lazy: Option<(usize, u64)>, times: u64) -> Outcome<(u64, u64)> {
    let rig = Rig::new(&LINUX, 1)?;
    rig.pci().shadow((BUSY + SPACE) as usize, PRICE);
    let domain = rig.empty()?;
    rig.group()?.attach(&domain).map_err(Error::from)?;
    let clock = Virtual {
        shell: rig.shell.clone(),
        worked: Atomic::new(0),
    };
    let clock = Arc::new(clock, GFP_KERNEL)?;
    let (slots, timeout) = lazy.unwrap_or((1, 0));
    let settings = Settings {
        rings: Rings::One,
        slots,
        timeout,
        low_first: false,
    };
    let dma = DmaDomain::new(&domain, settings, clock.clone())?;
    if lazy.is_some() {
        dma.go_lazy()?;
    }
    let busy = BUSY * PAGE;
    domain.map(1 << 40, 1 << 40, busy, Prot::RW)?;

    let (began, last) = (clock.nanoseconds(), (SPACE + 1) * PAGE - 1);
    for page in 0..times {
        let iova = dma.map(&domain, (1 << 32) + page * PAGE, PAGE, Prot::RW, last)?;
        dma.unmap(&domain, iova, PAGE);
        clock.worked.fetch_add(WORK, Relaxed);
        dma.tick(&domain);
    }
    let took = clock.nanoseconds() - began;
    let flushes = dma.queue().map_or(times, |queue| queue.flushes());
    rig.group()?.detach(&domain);
    Ok((per(times * 1000 * MS, took), per(flushes * 1000, times)))
}

fn lazy_guest_does_twice_the_work_of_a_strict_one() -> Outcome {
    if effort() < 100 {
        skip(c"effort= is too little to fill the rings");
        return Ok(());
    }
    // Slots and milliseconds. The timeout of the second is never reached, nor is its ring full.
    let (strict, _) = replay(None, 512)?;
    let (rollover, _) = replay(Some((2 * SPACE as usize, 1 << 30)), SPACE + 1)?;
    let mut rates = [0; 3];
    for (rate, (slots, timeout, times)) in rates.iter_mut().zip([
        (256, 10, 2048),
        (8192, 100, 2 * 8192),
        (32768, 1000, 2 * 32768),
    ]) {
        let (now, flushes) = replay(Some((slots, timeout)), times)?;
        note(fmt!(
            "{slots} slots, {timeout} ms: {now} mappings/s, {} % of rollover, {flushes} flushes \
             for 1000",
            per(now * 100, rollover)
        ));
        *rate = now;
    }
    note(fmt!(
        "rollover only: {rollover} mappings/s; strict: {strict}, {} %",
        per(strict * 100, rollover)
    ));
    let [short, medium, long] = rates;
    check!(long >= 2 * strict, "{long} is not twice {strict}");
    check!(rollover >= 2 * strict, "{rollover} is not twice {strict}");
    check!(short < strict, "a short queue does more than none");
    check!(short < medium && medium < long);
    check!(long * 10 >= rollover * 9, "more than a tenth is lost");
    Ok(())
}
