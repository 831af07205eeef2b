// SPDX-License-Identifier: GPL-2.0

//! Lazy unmapping beside strict, and one large ring beside a flush only when all IOVAs were used.
//!
//! A flush has a price that is waited for: the 1 us that hardware takes to complete an
//! invalidation, or the 10 us and 100 us of a hypervisor that shadows tables.

mod priced;
mod rollover;
mod shadowed;

pub(super) use shadowed::measure as shadowed;

use self::{
    priced::Priced,
    rollover::Rollover, //
};
use super::{
    measure::{
        time,
        Pairs, //
    },
    sheet::{
        Limits,
        Row,
        Sheet, //
    },
};
use crate::{
    dma::{
        Clock,
        DmaDomain,
        Settings, //
    },
    iommu::{
        Domain,
        Prot, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

const PAGE: u64 = 1 << 12;

/// Pages that 32 address bits reach.
const PAGES_32: u64 = 1 << 20;

/// At least twice the mappings in a second.
const TWICE: Limits = Limits {
    floor: 500,
    aim: 500,
};
/// Within 10 %.
const TENTH: Limits = Limits {
    floor: 1100,
    aim: 1000,
};

/// Only a full ring flushes: a timer would add a hundred flushes in a second.
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> u64 {
        1
    }
}

struct Stack {
    domain: Arc<Domain>,
    dma: Arc<DmaDomain>,
}

impl Stack {
    fn new(price: u64, lazy: Option<Settings>) -> Result<Self> {
        Self::over(Priced::domain(price)?, lazy)
    }

    fn over(domain: Arc<Domain>, lazy: Option<Settings>) -> Result<Self> {
        let clock = Arc::new(Stopped, GFP_KERNEL)?;
        let dma = DmaDomain::new(&domain, lazy.unwrap_or(Settings::PER_CPU), clock)?;
        if lazy.is_some() {
            dma.go_lazy()?;
        }
        Ok(Self { domain, dma })
    }

    fn time(&self, times: u32) -> Result<u64> {
        time(|| self.run(times))
    }

    /// Maps a page and unmaps it, so many times.
    fn run(&self, times: u32) -> Result {
        for _ in 0..times {
            let iova = self.dma.map(&self.domain, PAGE, PAGE, Prot::RW, u64::MAX)?;
            self.dma.unmap(&self.domain, iova, PAGE);
        }
        Ok(())
    }
}

/// Measures all of it.
pub(super) fn measure(sheet: &mut Sheet) -> Result {
    for price in [1_000, 10_000, 100_000] {
        against_strict(sheet, price)?;
    }
    for price in [10_000, 100_000] {
        against_rollover(sheet, price)?;
    }
    Ok(())
}

fn against_strict(sheet: &mut Sheet, price: u64) -> Result {
    const TIMES: u32 = 1024;
    let lazy = Stack::new(price, Some(Settings::PER_CPU))?;
    let strict = Stack::new(price, None)?;
    let mut pairs = Pairs::new();
    let mut rounds = 0;
    for round in sheet.rounds() {
        round.take(&mut pairs, || lazy.time(TIMES), || strict.time(TIMES))?;
        rounds += u64::from(TIMES);
    }
    let mut row = Row {
        what: "lazy map+unmap, flush of so many ns",
        size: price,
        peer: "strict",
        limits: Some(TWICE),
        times: TIMES,
    };
    sheet.pair(&row, &mut pairs)?;
    row.limits = None;
    for (what, stack) in [
        ("flushes of a lazy mapping", &lazy),
        ("flushes of a strict mapping", &strict),
    ] {
        row.what = what;
        let flushes = Priced::flushes(&stack.domain).saturating_mul(1000);
        let each = flushes.checked_div(rounds).unwrap_or(0);
        sheet.figure(&row, each, "flushes");
    }
    Ok(())
}

fn against_rollover(sheet: &mut Sheet, price: u64) -> Result {
    // Two rings full.
    const TIMES: u32 = 65536;
    let ring = Stack::new(price, Some(Settings::SHADOWED))?;
    let rollover = Rollover::new(Priced::domain(price)?, PAGES_32)?;
    let mut pairs = Pairs::new();
    for round in sheet.rounds() {
        round.take(&mut pairs, || ring.time(TIMES), || rollover.time(TIMES))?;
    }
    let row = Row {
        what: "ring of 32768, flush of so many ns",
        size: price,
        peer: "flush on rollover",
        limits: Some(TENTH),
        times: TIMES,
    };
    sheet.pair(&row, &mut pairs)
}
