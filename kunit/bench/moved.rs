// SPDX-License-Identifier: GPL-2.0

//! Replacing the domain of a group beside unmapping and mapping all of its pages.

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
    fixture::Fixture,
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
const IOVA: u64 = 1 << 32;
const PAGES: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// Pairs of replacements in a round.
const TIMES: u32 = 64;

/// How much slower than with the fewest pages a replacement may be, which must not grow.
const FLAT: Limits = Limits {
    floor: 1250,
    aim: 1000,
};

/// Measures with more and more pages.
pub(super) fn measure(sheet: &mut Sheet) -> Result {
    let mut first = 0;
    for pages in PAGES {
        let fixture = Fixture::new(1)?;
        let domains = [full(&fixture, pages)?, full(&fixture, pages)?];
        let [a, b] = &domains;
        let group = fixture.group()?;
        group.attach(a)?;
        let replace = || {
            let taken = time(|| {
                for _ in 0..TIMES {
                    group.replace(b, None)?;
                    group.replace(a, None)?;
                }
                Ok(())
            })?;
            fixture.recorder().clear();
            // One of as many.
            Ok((taken / u64::from(2 * TIMES)).max(1))
        };
        let remap = || {
            time(|| {
                a.unmap(IOVA, pages * PAGE);
                map_all(a, pages)
            })
        };
        let mut pairs = Pairs::new();
        for round in sheet.rounds() {
            round.take(&mut pairs, replace, remap)?;
        }
        let mut row = Row {
            what: "replace, by the pages that are mapped",
            size: pages,
            peer: "unmap all + map all",
            limits: None,
            times: 1,
        };
        sheet.pair(&row, &mut pairs)?;
        let (ours, _) = pairs.summaries();
        let [_, median, _] = ours.quartiles;
        match median.saturating_mul(1000).checked_div(first) {
            None => first = median.max(1),
            Some(growth) => {
                row.what = "replace, growth from 1000 pages";
                row.peer = "itself";
                row.limits = Some(FLAT);
                sheet.figure(&row, growth, "ratio");
            }
        }
        group.detach(a);
    }
    Ok(())
}

fn full(fixture: &Fixture, pages: u64) -> Result<Arc<Domain>> {
    let domain = fixture.domain()?;
    map_all(&domain, pages)?;
    Ok(domain)
}

/// With small pages, as the low bits differ.
fn map_all(domain: &Domain, pages: u64) -> Result {
    domain.map(IOVA, IOVA + PAGE, pages * PAGE, Prot::RW)
}
