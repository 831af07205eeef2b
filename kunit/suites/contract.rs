// SPDX-License-Identifier: GPL-2.0

//! What a core relies on: the contract of a driver, from every state that a device can be in.

mod bench;

use self::bench::{
    Bench,
    Start,
    ATTACHED,
    STARTS, //
};
use crate::{
    families::{
        self,
        Protocols, //
    },
    iommu::{
        AttachError,
        Attached,
        Domain,
        EndpointId,
        Prot, //
    },
    kapi::{
        kunit::{
            check,
            check_eq,
            kunit_suite,
            Outcome,
            WarnCounter, //
        },
        log, //
    },
    mark,
    mock::{
        fault::{
            Leave,
            Op,
            Rule, //
        },
        hw::Reach, //
    },
    oracle,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_contract over Protocols:
    blocking_and_the_default_never_fail: each Start in STARTS;
    success_means_attached: each Start in STARTS;
    attaching_again_is_harmless: each Start in STARTS;
    former_domain_is_let_go: each Start in STARTS;
    misfit_changes_nothing: each Start in STARTS;
    domain_made_for_the_device_attaches_after_a_misfit: each Start in STARTS;
    environment_fences_without_a_warning: each Start in STARTS;
    released_device_reaches_nothing: each Start in STARTS;
    pasid_moves_alone: each Start in ATTACHED;
    unmapped_page_is_out_of_reach: each Start in STARTS;
    page_table_that_was_replaced_is_not_walked;
    tag_of_a_freed_domain_brings_nothing_back;
}

/// Blocked, identity and paging domains.
fn targets(bench: &Bench) -> Result<[Arc<Domain>; 6]> {
    Ok([
        bench.blocked()?,
        bench.identity()?,
        bench.domain(0)?,
        bench.domain(0)?,
        bench.other_domain()?,
        bench.other_domain()?,
    ])
}

// R0.4: a way back always exists.
fn blocking_and_the_default_never_fail(from: &Start) -> Outcome {
    let warnings = WarnCounter::start()?;
    for at in 0..3 {
        let mut bench = Bench::start(from)?;
        let default = bench.domain(0)?;
        let ways = [bench.blocked()?, bench.identity()?, default];
        let way = ways.get(at).ok_or(EINVAL)?;
        check_eq!(bench.attach(0, way), Ok(Attached::Translating));
        bench.check_on(way)?;
    }
    check_eq!(warnings.count(), 0);
    Ok(())
}

// R2.8: and not merely reported.
fn success_means_attached(from: &Start) -> Outcome {
    let mut bench = Bench::start(from)?;
    let targets = targets(&bench)?;
    for to in &targets {
        for then in &targets {
            for step in [to, then] {
                check_eq!(bench.attach(0, step), Ok(Attached::Translating));
                bench.check_on(step)?;
                let others = targets.iter().filter(|other| !Arc::ptr_eq(other, step));
                for other in others {
                    check!(!bench.mock().is_on(EndpointId(0), other));
                }
            }
        }
    }
    Ok(())
}

// R0.8.
fn attaching_again_is_harmless(from: &Start) -> Outcome {
    let mut bench = Bench::start(from)?;
    for to in &targets(&bench)? {
        for _ in 0..3 {
            check_eq!(bench.attach(0, to), Ok(Attached::Translating));
            bench.check_on(to)?;
        }
        // It is still told of what is unmapped, and no more than once.
        if to.paging().is_some() {
            check_eq!(to.unmap(mark::IOVA, mark::SIZE), mark::SIZE);
            bench.check_on(to)?;
            mark::mark(to)?;
            bench.check_on(to)?;
        }
    }
    Ok(())
}

// R0.2: nothing of a domain that a device has left may be used any more.
fn former_domain_is_let_go(from: &Start) -> Outcome {
    for at in 0..6 {
        let mut bench = Bench::start(from)?;
        let to = targets(&bench)?.into_iter().nth(at).ok_or(EINVAL)?;
        check_eq!(bench.attach(0, &to), Ok(Attached::Translating));
        bench.forget_domains();
        check_eq!(bench.mock().kept(), 0);
        bench.check_on(&to)?;

        let blocked = bench.blocked()?;
        check_eq!(bench.attach(0, &blocked), Ok(Attached::Translating));
        drop(to);
        check_eq!(bench.mock().kept(), 0);
        bench.check_on(&blocked)?;
    }
    Ok(())
}

/// Domains that device 0 cannot have: too wide, and of another instance.
fn misfits(bench: &Bench, other: &Bench) -> Result<[Arc<Domain>; 2]> {
    Ok([bench.domain(2)?, other.domain(0)?])
}

// R2.4 and R2.5: probing is legitimate.
fn misfit_changes_nothing(from: &Start) -> Outcome {
    let warnings = WarnCounter::start()?;
    let (mut bench, other) = (Bench::start(from)?, Bench::new()?);
    let misfits = misfits(&bench, &other)?;
    let before = (bench.truth(0)?, bench.pasid_truths()?);
    let end = log::End::now();
    for misfit in &misfits {
        check_eq!(bench.attach(0, misfit), Err(AttachError::Incompatible));
        check!((bench.truth(0)?, bench.pasid_truths()?) == before);
        check!(!bench.mock().is_on(EndpointId(0), misfit));
        if bench.mock().features().pasid {
            check_eq!(bench.set_pasid(misfit), Err(AttachError::Incompatible));
            check!((bench.truth(0)?, bench.pasid_truths()?) == before);
        }
    }
    check_eq!(end.lines_since(c"iommu"), 0);
    check_eq!(warnings.count(), 0);
    drop(misfits);
    check_eq!(bench.mock().kept(), 0);
    check_eq!(other.mock().kept(), 0);
    Ok(())
}

// R2.3: so that a search ends.
fn domain_made_for_the_device_attaches_after_a_misfit(from: &Start) -> Outcome {
    let (mut bench, other) = (Bench::start(from)?, Bench::new()?);
    for misfit in &misfits(&bench, &other)? {
        check_eq!(bench.attach(0, misfit), Err(AttachError::Incompatible));
        let fresh = bench.domain(0)?;
        check_eq!(bench.attach(0, &fresh), Ok(Attached::Translating));
        bench.check_on(&fresh)?;
    }
    Ok(())
}

// R0.5, and R0.10: it works again without a new probe.
fn environment_fences_without_a_warning(from: &Start) -> Outcome {
    let warnings = WarnCounter::start()?;
    let mut bench = Bench::start(from)?;
    for to in &targets(&bench)? {
        let fence = Rule::once(Op::Attach, EIO).leaving(Leave::Fenced);
        bench.mock().faults().add(fence)?;
        check_eq!(bench.attach(0, to), Ok(Attached::Fenced));
        check_eq!(bench.truth(0)?, Reach::Aborted);
        bench.forget_domains();
        check_eq!(bench.mock().kept(), 0);
        check_eq!(bench.attach(0, to), Ok(Attached::Translating));
        bench.check_on(to)?;
    }
    check_eq!(warnings.count(), 0);
    Ok(())
}

// R1.3: and keeps nothing.
fn released_device_reaches_nothing(from: &Start) -> Outcome {
    let mut bench = Bench::start(from)?;
    bench.release(0)?;
    check_eq!(bench.truth(0)?, Reach::Aborted);
    bench.check_pasids()?;
    bench.forget_domains();
    check_eq!(bench.mock().kept(), 0);
    // The other one is none of its business.
    check_eq!(bench.truth(1)?, Reach::Memory(mark::IOVA));

    let again = bench.domain(0)?;
    check_eq!(bench.attach(0, &again), Ok(Attached::Translating));
    bench.check_on(&again)
}

fn pasid_moves_alone(from: &Start) -> Outcome {
    families::needs_pasids()?;
    let mut bench = Bench::start(from)?;
    let before = bench.truth(0)?;
    let blocked = bench.blocked()?;
    let (one, other) = (bench.domain(0)?, bench.domain(0)?);
    for to in [&one, &other, &one, &one, &blocked, &blocked, &other] {
        check_eq!(bench.set_pasid(to), Ok(()));
        bench.check_pasids()?;
        check_eq!(bench.truth(0)?, before);
    }
    drop(one);
    check_eq!(bench.mock().kept(), 0);
    check_eq!(bench.set_pasid(&blocked), Ok(()));
    drop(other);
    check_eq!(bench.mock().kept(), 0);
    bench.check_pasids()
}

// R4.3: when the unmap has returned, for every user of the domain.
fn unmapped_page_is_out_of_reach(from: &Start) -> Outcome {
    let mut bench = Bench::start(from)?;
    let domain = bench.domain(0)?;
    if bench.mock().features().pasid {
        check_unmap(&mut bench, &domain, true)?;
        let blocked = bench.blocked()?;
        check_eq!(bench.set_pasid(&blocked), Ok(()));
    }
    let other = bench.other_domain()?;
    check_unmap(&mut bench, &other, false)
}

fn check_unmap(bench: &mut Bench, domain: &Arc<Domain>, pasid: bool) -> Outcome {
    for at in [0, 1] {
        check_eq!(bench.attach(at, domain), Ok(Attached::Translating));
    }
    if pasid {
        check_eq!(bench.set_pasid(domain), Ok(()));
    }
    for _ in 0..3 {
        bench.check_on(domain)?;
        check_eq!(bench.truth(1)?, oracle::reach(domain));
        check_eq!(domain.unmap(mark::IOVA, mark::SIZE), mark::SIZE);
        check_eq!(bench.truth(1)?, Reach::Aborted);
        bench.check_on(domain)?;
        mark::mark(domain)?;
    }

    // One who has left is not told, and need not be.
    let blocked = bench.blocked()?;
    check_eq!(bench.attach(1, &blocked), Ok(Attached::Translating));
    check_eq!(domain.unmap(mark::IOVA, mark::SIZE), mark::SIZE);
    bench.check_on(domain)?;
    check_eq!(bench.truth(1)?, Reach::Aborted);
    Ok(())
}

/// A range in which large pages fit, around the mark, and two places it is mapped to.
const RANGE: u64 = 2 << 20;
const PLACES: [u64; 2] = [1 << 42, 1 << 43];

fn page_table_that_was_replaced_is_not_walked() -> Outcome {
    let mut bench = Bench::new()?;
    for domain in [bench.domain(0)?, bench.other_domain()?] {
        check_replaced_tables(&mut bench, &domain)?;
    }
    Ok(())
}

fn check_replaced_tables(bench: &mut Bench, domain: &Arc<Domain>) -> Outcome {
    check_eq!(bench.attach(0, domain), Ok(Attached::Translating));
    let [there, elsewhere] = PLACES;
    for _ in 0..3 {
        // A large page where there was a table, and a table where there was a large page.
        check_eq!(domain.unmap(mark::IOVA, mark::SIZE), mark::SIZE);
        bench.check_on(domain)?;
        domain.map(mark::IOVA, there, RANGE, Prot::RW)?;
        check_eq!(bench.truth(0)?, Reach::Memory(there));
        check_eq!(domain.unmap(mark::IOVA, RANGE), RANGE);
        bench.check_on(domain)?;
        domain.map(mark::IOVA, elsewhere, mark::SIZE, Prot::RW)?;
        check_eq!(bench.truth(0)?, Reach::Memory(elsewhere));
    }
    Ok(())
}

fn tag_of_a_freed_domain_brings_nothing_back() -> Outcome {
    let mut bench = Bench::new()?;
    let elsewhere = mark::IOVA + mark::SIZE;
    for round in 0..40 {
        let domain = match round % 2 {
            0 => bench.domain(0)?,
            _ => bench.other_domain()?,
        };
        for at in [0, 1] {
            check_eq!(bench.attach(at, &domain), Ok(Attached::Translating));
            check_eq!(bench.truth(at)?, oracle::reach(&domain));
        }
        let id = EndpointId(0);
        check_eq!(bench.mock().dma(id, None, elsewhere), Reach::Aborted);
        // The next domain, which may get the tag of this one, has nothing there.
        domain.map(elsewhere, 0, mark::SIZE, Prot::RW)?;
        check_eq!(bench.mock().dma(id, None, elsewhere), Reach::Memory(0));
        let blocked = bench.blocked()?;
        for at in [0, 1] {
            check_eq!(bench.attach(at, &blocked), Ok(Attached::Translating));
        }
        drop(domain);
        check_eq!(bench.mock().kept(), 0);
    }
    Ok(())
}
