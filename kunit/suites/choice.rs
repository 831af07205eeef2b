// SPDX-License-Identifier: GPL-2.0

//! Which default domain a group gets: what suits its devices, the system and the kernel.

use super::{
    expect::{
        check_calls,
        default_of,
        Watch, //
    },
    Size,
    SIZES, //
};
use crate::{
    families::Families,
    fixture::{
        Fixture,
        Setup, //
    },
    iommu::{
        DefaultType::{
            self,
            Dma,
            DmaLazy,
            Identity, //
        },
        Kind, //
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
        Op,
        Rule, //
    },
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_choice over Families:
    first_default_suits_device_and_system;
    translation_without_a_layer_for_it_warns: each Size in SIZES;
    failed_allocation_falls_back_to_translation;
    failed_allocation_of_translation_is_reported;
    domain_without_pasids_is_second_choice;
    opinions_of_all_members_count;
    wish_against_an_opinion_is_refused;
}

/// What a first device is and what its group gets.
struct First {
    system: DefaultType,
    opinion: Option<DefaultType>,
    untrusted: bool,
    deferred_flush: bool,
    expected: Result<DefaultType>,
}

const fn first(system: DefaultType, expected: DefaultType) -> First {
    First {
        system,
        opinion: None,
        untrusted: false,
        deferred_flush: true,
        expected: Ok(expected),
    }
}

fn first_default_suits_device_and_system() -> Outcome {
    let with = |opinion, first: First| First {
        opinion: Some(opinion),
        ..first
    };
    let untrusted = |first: First| First {
        untrusted: true,
        ..first
    };
    let strict_only = |first: First| First {
        deferred_flush: false,
        ..first
    };
    let refused = |first: First| First {
        expected: Err(EINVAL),
        ..first
    };
    let rows = [
        first(Identity, Identity),
        first(Dma, Dma),
        first(DmaLazy, DmaLazy),
        strict_only(first(DmaLazy, Dma)),
        with(Identity, first(Dma, Identity)),
        with(Dma, first(Identity, Dma)),
        with(Dma, first(DmaLazy, Dma)),
        with(DmaLazy, first(Identity, DmaLazy)),
        strict_only(with(DmaLazy, first(Identity, Dma))),
        untrusted(first(Identity, Dma)),
        untrusted(first(DmaLazy, Dma)),
        untrusted(with(Dma, first(Identity, Dma))),
        refused(untrusted(with(Identity, first(Dma, Identity)))),
        refused(untrusted(with(DmaLazy, first(Dma, DmaLazy)))),
    ];
    let watch = Watch::start()?;
    for (at, row) in rows.iter().enumerate() {
        let mut fixture = Setup::ordinary(1)?
            .system(row.system)
            .config(|c| c.deferred_flush = row.deferred_flush)
            .endpoint(0, |e| {
                e.default_type = row.opinion;
                e.untrusted = row.untrusted;
            })
            .build()?;
        check_eq!(fixture.plug(0).err(), row.expected.err());
        let Ok(expected) = row.expected else {
            check!(fixture.endpoints().is_empty());
            continue;
        };
        let what = fixture.group()?.lock().default_type();
        check!(
            what == Some(expected),
            "row {}: {:?}, expected {:?}",
            at,
            what,
            expected
        );
        let default = default_of(&fixture)?;
        let kind = match expected {
            Identity => Kind::Identity,
            Dma | DmaLazy => Kind::Paging,
        };
        check_eq!(default.kind(), kind);
        fixture.check_all_reach(&default)?;
    }
    check_eq!(watch.count(), 0);
    Ok(())
}

fn translation_without_a_layer_for_it_warns(size: &Size) -> Outcome {
    let watch = Watch::start()?;
    // Nobody insists: not translated, whatever the system's default is.
    for system in [Identity, Dma, DmaLazy] {
        let setup = Setup::ordinary(size.members)?.system(system).without_dma();
        let fixture = setup.probe()?;
        check_eq!(fixture.group()?.lock().default_type(), Some(Identity));
        fixture.check_all_reach(&fixture.identity()?)?;
    }
    check_eq!(watch.count(), 0);

    for opinion in [Dma, DmaLazy] {
        let before = watch.count();
        let last = size.members as usize - 1;
        let mut fixture = Setup::ordinary(size.members)?
            .without_dma()
            .endpoint(last, |e| e.default_type = Some(opinion))
            .build()?;
        for id in 0..size.members - 1 {
            fixture.plug(id)?;
        }
        if last == 0 {
            check_eq!(fixture.plug(0), Err(EINVAL));
            check_eq!(watch.count(), before + 1);
            continue;
        }
        // A later member joins all the same, and is asked at the next change.
        fixture.plug(last as u32)?;
        check_eq!(watch.count(), before);
        fixture.recorder().clear();
        check_eq!(fixture.group()?.set_default_type(None), Err(EINVAL));
        check_eq!(watch.count(), before + 1);
        check_calls(&fixture, &[])?;
        fixture.check_all_reach(&fixture.identity()?)?;
    }
    Ok(())
}

fn failed_allocation_falls_back_to_translation() -> Outcome {
    // There is no identity domain.
    let setup = Setup::ordinary(1)?.system(Identity);
    let fixture = setup.config(|c| c.has_identity = false).probe()?;
    check_eq!(fixture.group()?.lock().default_type(), Some(Dma));

    // The lazy domain cannot be had, the strict one can.
    let mut fixture = Setup::ordinary(1)?.system(DmaLazy).build()?;
    fixture.fail(Rule::once(Op::Alloc, ENOMEM))?;
    check_eq!(fixture.plug(0), Ok(()));
    check_eq!(fixture.faults().hits(), 1);
    check_eq!(fixture.group()?.lock().default_type(), Some(Dma));

    // Neither can: the latter's error is reported.
    let mut fixture = Setup::ordinary(1)?.system(DmaLazy).build()?;
    fixture.fail(Rule::once(Op::Alloc, ENOMEM))?;
    fixture.fail(Rule::once(Op::Alloc, ENOSPC))?;
    check_eq!(fixture.plug(0), Err(ENOSPC));
    check_eq!(fixture.faults().hits(), 2);

    // A device that insists is not given anything else.
    let setup = Setup::ordinary(1)?.endpoint(0, |e| e.default_type = Some(Identity));
    let mut fixture = setup.config(|c| c.has_identity = false).build()?;
    check_eq!(fixture.plug(0), Err(errno::eopnotsupp()));
    check!(fixture.endpoints().is_empty());
    Ok(())
}

fn failed_allocation_of_translation_is_reported() -> Outcome {
    // The kernel's core makes EINVAL of it.
    let mut fixture = Setup::ordinary(1)?.build()?;
    fixture.fail(Rule::once(Op::Alloc, ENOMEM).times(2))?;
    check_eq!(fixture.plug(0), Err(ENOMEM));
    check_eq!(fixture.faults().hits(), 1);
    Ok(())
}

fn domain_without_pasids_is_second_choice() -> Outcome {
    for (max_pasids, attempts) in [(4, 2), (0, 1)] {
        // The attempt with PASIDs is refused before the plan is asked, so that it counts one less.
        let mut fixture = Setup::ordinary(1)?
            .config(|c| c.pasid_domains = false)
            .endpoint(0, |e| e.max_pasids = max_pasids)
            .build()?;
        fixture.fail(Rule::once(Op::Alloc, ENOSPC))?;
        check_eq!(fixture.plug(0), Err(ENOSPC));
        check_eq!(fixture.faults().hits(), 1);
        check_eq!(fixture.plug(0), Ok(()));

        // Without PASIDs there is nothing to leave out, and no second attempt.
        let mut fixture = Setup::ordinary(1)?
            .endpoint(0, |e| e.max_pasids = max_pasids)
            .build()?;
        fixture.fail(Rule::once(Op::Alloc, errno::eopnotsupp()).times(8))?;
        check_eq!(fixture.plug(0), Err(errno::eopnotsupp()));
        check_eq!(fixture.faults().hits(), attempts);

        // Nor after any other error.
        let mut fixture = Setup::ordinary(1)?
            .endpoint(0, |e| e.max_pasids = max_pasids)
            .build()?;
        fixture.fail(Rule::once(Op::Alloc, ENOMEM).times(8))?;
        check_eq!(fixture.plug(0), Err(ENOMEM));
        check_eq!(fixture.faults().hits(), 1);
    }
    Ok(())
}

/// A group of devices with these opinions, formed on the system's default `system`.
fn opinionated(system: DefaultType, opinions: &[Option<DefaultType>]) -> Result<Fixture> {
    let mut setup = Setup::ordinary(opinions.len() as u32)?.system(system);
    for (at, opinion) in opinions.iter().enumerate() {
        setup = setup.endpoint(at, |e| e.default_type = *opinion);
    }
    setup.probe()
}

fn opinions_of_all_members_count() -> Outcome {
    let watch = Watch::start()?;
    let rows = [
        (Dma, [None, None, None], Dma),
        (Dma, [None, None, Some(Identity)], Identity),
        (Identity, [None, Some(Dma), None], Dma),
        (Dma, [Some(Dma), None, Some(Identity)], Identity),
        (Dma, [Some(Identity), Some(Dma), Some(Dma)], Identity),
        (Identity, [Some(Dma), Some(DmaLazy), None], Dma),
        (Identity, [None, Some(DmaLazy), Some(Dma)], DmaLazy),
        (
            Identity,
            [Some(DmaLazy), Some(Dma), Some(Identity)],
            Identity,
        ),
    ];
    for (at, (system, opinions, expected)) in rows.iter().enumerate() {
        let fixture = opinionated(*system, opinions)?;
        let group = fixture.group()?;
        check_eq!(group.set_default_type(None), Ok(()));
        let what = group.lock().default_type();
        check!(
            what == Some(*expected),
            "row {}: {:?}, expected {:?}",
            at,
            what,
            expected
        );
        fixture.check_all_reach(&default_of(&fixture)?)?;
    }

    // One untrusted member is enough, and bears nothing but translation.
    let setup = Setup::ordinary(3)?.system(Identity);
    let fixture = setup.endpoint(2, |e| e.untrusted = true).probe()?;
    check_eq!(fixture.group()?.set_default_type(None), Ok(()));
    check_eq!(fixture.group()?.lock().default_type(), Some(Dma));
    fixture.check_all_reach(&default_of(&fixture)?)?;
    check_eq!(watch.count(), 0);
    Ok(())
}

fn wish_against_an_opinion_is_refused() -> Outcome {
    let watch = Watch::start()?;
    let rows = [
        (Identity, [None, Some(Identity)], Dma),
        (Identity, [None, Some(Identity)], DmaLazy),
        (Identity, [None, Some(Dma)], DmaLazy),
        (Identity, [None, Some(Dma)], Identity),
        (Dma, [None, Some(DmaLazy)], Dma),
    ];
    for (system, opinions, wish) in rows {
        let fixture = opinionated(system, &opinions)?;
        let group = fixture.group()?;
        watch.refuses(&fixture, group, EINVAL, || {
            group.set_default_type(Some(wish))
        })?;
    }
    let setup = Setup::ordinary(2)?.endpoint(1, |e| e.untrusted = true);
    let fixture = setup.system(Identity).probe()?;
    let group = fixture.group()?;
    for wish in [Identity, DmaLazy] {
        watch.refuses(&fixture, group, EINVAL, || {
            group.set_default_type(Some(wish))
        })?;
    }
    check_eq!(group.set_default_type(Some(Dma)), Ok(()));
    fixture.check_all_reach(&default_of(&fixture)?)
}
