// SPDX-License-Identifier: GPL-2.0

//! Which pages devices have written to.

use super::{
    Size,
    SEVERAL,
    SIZES, //
};
use crate::{
    families::{
        self,
        Protocols, //
    },
    fixture::{
        Fixture,
        Setup, //
    },
    iommu::{
        AttachError,
        Domain,
        EndpointId,
        Gather,
        PagingFlags,
        Pasid,
        Prot, //
    },
    kapi::{
        errno,
        kunit::{
            check,
            check_eq,
            kunit_suite,
            skip,
            Outcome, //
        },
    },
    mock::hw::{
        Access,
        Reach, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_dirty over Protocols:
    writes_are_reported_and_reads_are_not;
    first_write_by_a_remembered_translation_is_reported;
    what_is_kept_is_reported_again;
    write_after_clearing_is_reported;
    mark_that_was_not_flushed_is_lost;
    leaves_are_reported_whole;
    tracking_starts_with_nothing;
    nothing_is_marked_while_tracking_is_off;
    every_member_marks: each Size in SIZES;
    member_that_comes_later_marks: each Size in SEVERAL;
    pasid_marks;
    replacing_keeps_marks;
    toggling_interrupts_nobody: each Size in SIZES;
    domain_without_the_flag_refuses;
    hardware_without_it_has_no_such_domains;
    ranges_are_checked;
}

const PAGE: u64 = 0x1000;
const PADDR: u64 = 1 << 40;

/// Pages that every domain here maps, from 0 on. The last one is read-only.
const PAGES: u64 = 16;

const FLAGS: PagingFlags = PagingFlags {
    pasid: false,
    dirty_tracking: true,
};

/// A group on a domain that tells what was written.
struct Scene {
    fixture: Fixture,
    domain: Arc<Domain>,
}

/// The family's hardware marks from the beginning, as in Linux.
fn marks_always() -> Result<bool> {
    Ok(families::under_test()?.name == "smmuv3")
}

/// A domain for the first device, or a skipped case.
fn new_domain(fixture: &Fixture, flags: PagingFlags) -> Outcome<Arc<Domain>> {
    if !fixture.mock().features().dirty_tracking {
        return Err(skip(c"no dirty tracking here"));
    }
    let device = fixture.endpoint(0)?.device();
    let domain = fixture.mock().alloc_paging(device, flags)?;
    // Page by page, so that no leaf is larger.
    for page in 0..PAGES - 1 {
        domain.map(page * PAGE, PADDR + page * PAGE, PAGE, Prot::RW)?;
    }
    let last = (PAGES - 1) * PAGE;
    domain.map(last, PADDR + last, PAGE, Prot::READ)?;
    Ok(domain)
}

impl Scene {
    /// All are on the domain, and what they write is marked.
    fn new(members: u32) -> Outcome<Self> {
        let fixture = Fixture::new(members)?;
        let domain = new_domain(&fixture, FLAGS)?;
        let scene = Self { fixture, domain };
        check_eq!(scene.fixture.group()?.attach(&scene.domain), Ok(()));
        check_eq!(scene.domain.set_dirty_tracking(true), Ok(()));
        Ok(scene)
    }

    /// Does an access of a member to a page.
    fn access(&self, id: u32, access: Access, page: u64) -> Outcome {
        let reach = self
            .fixture
            .mock()
            .access(EndpointId(id), None, page * PAGE, access);
        check_eq!(reach, Reach::Memory(PADDR + page * PAGE));
        Ok(())
    }

    fn write(&self, page: u64) -> Outcome {
        self.access(0, Access::Write, page)
    }

    /// Checks that a domain reports just these pages, and cleans them.
    fn check_takes(&self, pages: &[u64]) -> Outcome {
        check_reports(&self.domain, false, pages)
    }
}

/// Checks that a domain reports just these pages.
fn check_reports(domain: &Domain, keep: bool, pages: &[u64]) -> Outcome {
    let mut found = 0u64;
    let size = PAGES * PAGE;
    let result = domain.read_and_clear_dirty(0, size, keep, &mut |start, size| {
        let known = size == PAGE && start < PAGES * PAGE;
        found |= 1 << if known { start / PAGE } else { 63 };
    });
    check_eq!(result, Ok(()));
    check_eq!(found, pages.iter().fold(0, |all, page| all | 1 << page));
    Ok(())
}

fn writes_are_reported_and_reads_are_not() -> Outcome {
    let scene = Scene::new(1)?;
    for page in 0..PAGES {
        scene.access(0, Access::Read, page)?;
    }
    scene.check_takes(&[])?;
    for page in [1, 4, 5, 14] {
        scene.write(page)?;
    }
    // What may not be written is not.
    let read_only = (PAGES - 1) * PAGE;
    let mock = scene.fixture.mock();
    let reach = mock.access(EndpointId(0), None, read_only, Access::Write);
    check_eq!(reach, Reach::Aborted);
    let behind = mock.access(EndpointId(0), None, PAGES * PAGE, Access::Write);
    check_eq!(behind, Reach::Aborted);
    scene.check_takes(&[1, 4, 5, 14])?;
    scene.check_takes(&[])
}

fn first_write_by_a_remembered_translation_is_reported() -> Outcome {
    let scene = Scene::new(1)?;
    for access in [Access::Read, Access::Write, Access::Write, Access::Read] {
        scene.access(0, access, 3)?;
    }
    scene.check_takes(&[3])
}

fn what_is_kept_is_reported_again() -> Outcome {
    let scene = Scene::new(1)?;
    scene.write(2)?;
    check_reports(&scene.domain, true, &[2])?;
    scene.write(7)?;
    check_reports(&scene.domain, true, &[2, 7])?;
    scene.check_takes(&[2, 7])?;
    check_reports(&scene.domain, true, &[])
}

fn write_after_clearing_is_reported() -> Outcome {
    let scene = Scene::new(1)?;
    for _ in 0..3 {
        scene.write(6)?;
        scene.write(9)?;
        scene.check_takes(&[6, 9])?;
        scene.write(9)?;
        scene.check_takes(&[9])?;
    }
    Ok(())
}

/// What a core that forgets the flush would see, so that the case before this one can fail.
fn mark_that_was_not_flushed_is_lost() -> Outcome {
    let scene = Scene::new(1)?;
    let table = scene.domain.paging().ok_or(EINVAL)?;
    scene.write(6)?;
    let mut found = 0;
    table.read_and_clear_dirty(0, PAGES * PAGE, false, &mut |_, size| found += size)?;
    check_eq!(found, PAGE);
    scene.write(6)?;
    scene.check_takes(&[])?;
    table.sync(&Gather::everything());
    scene.write(6)?;
    scene.check_takes(&[6])
}

fn leaves_are_reported_whole() -> Outcome {
    let scene = Scene::new(1)?;
    let domain = &scene.domain;
    let sizes = domain.paging().ok_or(EINVAL)?.page_sizes() & 0x7fff_f000;
    let one = |from, size, keep| {
        let (mut count, mut last) = (0u32, (0, 0));
        let result = domain.read_and_clear_dirty(from, size, keep, &mut |start, size| {
            count += 1;
            last = (start, size);
        });
        result.map(|()| (count, last))
    };
    for size in (12..31)
        .map(|lg2| 1u64 << lg2)
        .filter(|size| sizes & size != 0)
    {
        // Away from the pages.
        let start = (1 << 32) + size;
        let middle = start + size / 2 / PAGE * PAGE;
        check_eq!(domain.map(start, PADDR, size, Prot::RW), Ok(()));
        check_eq!(one(start, size, true), Ok((0, (0, 0))));
        let mock = scene.fixture.mock();
        let reach = mock.access(EndpointId(0), None, middle, Access::Write);
        check_eq!(reach, Reach::Memory(PADDR + middle - start));
        let whole = Ok((1, (start, size)));
        if size > PAGE {
            // Asked for a part, it is told whole, and stays.
            check_eq!(one(middle, PAGE, false), whole);
            check_eq!(one(start, size - PAGE, false), whole);
            check_eq!(one(start + PAGE, size, false), whole);
        }
        check_eq!(one(start, size, false), whole);
        check_eq!(one(start, size, false), Ok((0, (0, 0))));
        check_eq!(domain.unmap(start, size), size);
    }
    Ok(())
}

fn tracking_starts_with_nothing() -> Outcome {
    let scene = Scene::new(1)?;
    scene.write(1)?;
    check_eq!(scene.domain.set_dirty_tracking(false), Ok(()));
    // What was marked can still be read, ...
    check_reports(&scene.domain, true, &[1])?;
    scene.write(2)?;
    // ... until it is all to be anew.
    check_eq!(scene.domain.set_dirty_tracking(true), Ok(()));
    scene.check_takes(&[])?;
    scene.write(1)?;
    scene.write(2)?;
    scene.check_takes(&[1, 2])
}

fn nothing_is_marked_while_tracking_is_off() -> Outcome {
    let fixture = Fixture::new(1)?;
    let domain = new_domain(&fixture, FLAGS)?;
    if marks_always()? {
        return Err(skip(c"hardware marks from the beginning here"));
    }
    check_eq!(fixture.group()?.attach(&domain), Ok(()));
    let scene = Scene { fixture, domain };
    scene.write(1)?;
    scene.check_takes(&[])?;
    check_eq!(scene.domain.set_dirty_tracking(true), Ok(()));
    scene.write(1)?;
    scene.check_takes(&[1])?;
    check_eq!(scene.domain.set_dirty_tracking(false), Ok(()));
    scene.write(1)?;
    scene.write(2)?;
    scene.check_takes(&[])
}

fn every_member_marks(size: &Size) -> Outcome {
    let scene = Scene::new(size.members)?;
    let members = 0..u64::from(size.members);
    for page in members.clone() {
        scene.access(page as u32, Access::Write, page)?;
    }
    let pages: KVec<u64> = collect(members)?;
    scene.check_takes(&pages)?;
    // Who has not written since reports nothing; who writes where others did, does.
    scene.access(size.members - 1, Access::Write, 0)?;
    scene.check_takes(&[0])
}

fn collect(all: impl Iterator<Item = u64>) -> Result<KVec<u64>> {
    let mut vec = KVec::new();
    for one in all {
        vec.push(one, GFP_KERNEL)?;
    }
    Ok(vec)
}

fn member_that_comes_later_marks(size: &Size) -> Outcome {
    let fixture = Fixture::new(size.members)?;
    let domain = new_domain(&fixture, FLAGS)?;
    check_eq!(domain.set_dirty_tracking(true), Ok(()));
    check_eq!(fixture.group()?.attach(&domain), Ok(()));
    let scene = Scene { fixture, domain };
    for id in 0..size.members {
        scene.access(id, Access::Write, u64::from(id) + 1)?;
    }
    scene.check_takes(&collect((0..size.members).map(|id| u64::from(id) + 1))?)
}

fn pasid_marks() -> Outcome {
    families::needs_pasids()?;
    let fixture = Fixture::new(1)?;
    let flags = PagingFlags {
        pasid: true,
        ..FLAGS
    };
    if families::under_test()?.name == "amd" {
        let device = fixture.endpoint(0)?.device();
        let both = fixture.mock().alloc_paging(device, flags);
        check_eq!(both.err(), Some(errno::eopnotsupp()));
        return Ok(());
    }
    let domain = new_domain(&fixture, flags)?;
    let pasid = Pasid::new(2)?;
    check_eq!(domain.set_dirty_tracking(true), Ok(()));
    check_eq!(
        fixture.endpoint(0)?.attach_pasid(&domain, pasid, None),
        Ok(())
    );
    let scene = Scene { fixture, domain };
    let write = |page: u64| {
        let mock = scene.fixture.mock();
        let reach = mock.access(EndpointId(0), Some(pasid), page * PAGE, Access::Write);
        check_eq!(reach, Reach::Memory(PADDR + page * PAGE));
        Outcome::Ok(())
    };
    write(3)?;
    scene.check_takes(&[3])?;
    write(3)?;
    scene.check_takes(&[3])?;
    if !marks_always()? {
        check_eq!(scene.domain.set_dirty_tracking(false), Ok(()));
        write(3)?;
        scene.check_takes(&[])?;
        check_eq!(scene.domain.set_dirty_tracking(true), Ok(()));
        write(4)?;
        scene.check_takes(&[4])?;
    }
    scene
        .fixture
        .endpoint(0)?
        .detach_pasid(&scene.domain, pasid);
    Ok(())
}

fn replacing_keeps_marks() -> Outcome {
    let scene = Scene::new(2)?;
    let group = scene.fixture.group()?;
    let other = new_domain(&scene.fixture, FLAGS)?;
    let plain = new_domain(&scene.fixture, PagingFlags::default())?;
    check_eq!(other.set_dirty_tracking(true), Ok(()));
    scene.write(1)?;
    check_eq!(group.replace(&other, None).err(), None);
    scene.access(1, Access::Write, 2)?;
    check_eq!(group.replace(&plain, None).err(), None);
    scene.write(3)?;
    check_reports(&scene.domain, true, &[1])?;
    check_reports(&other, false, &[2])?;
    check_eq!(group.replace(&scene.domain, None).err(), None);
    scene.write(4)?;
    scene.check_takes(&[1, 4])?;
    check_reports(&other, false, &[])
}

fn toggling_interrupts_nobody(size: &Size) -> Outcome {
    let scene = Scene::new(size.members)?;
    for round in 0..4 {
        for id in 0..size.members {
            scene.access(id, Access::Read, 8)?;
            scene.access(id, Access::Write, 9)?;
        }
        check_eq!(scene.domain.set_dirty_tracking(round % 2 != 0), Ok(()));
        // Twice is as once.
        check_eq!(scene.domain.set_dirty_tracking(round % 2 != 0), Ok(()));
    }
    for id in 0..size.members {
        scene.access(id, Access::Write, 9)?;
    }
    scene.check_takes(&[9])
}

fn domain_without_the_flag_refuses() -> Outcome {
    let fixture = Fixture::new(1)?;
    let refused = Err(errno::eopnotsupp());
    let domain = fixture.domain()?;
    for enable in [true, false] {
        check_eq!(domain.set_dirty_tracking(enable), refused);
    }
    for keep in [true, false] {
        check_eq!(
            domain.read_and_clear_dirty(0, PAGE, keep, &mut |_, _| ()),
            refused
        );
    }
    // What has no page table has nothing to tell.
    let blocked = fixture.blocked()?;
    check_eq!(blocked.set_dirty_tracking(true), Err(EINVAL));
    check_eq!(
        blocked.read_and_clear_dirty(0, PAGE, true, &mut |_, _| ()),
        Err(EINVAL)
    );
    Ok(())
}

fn hardware_without_it_has_no_such_domains() -> Outcome {
    let without = Setup::ordinary(1)?.config(|config| config.dirty_tracking = false);
    let without = without.probe()?;
    check!(!without.mock().features().dirty_tracking);
    let device = without.endpoint(0)?.device();
    let refused = without.mock().alloc_paging(device, FLAGS);
    check_eq!(refused.err(), Some(errno::eopnotsupp()));

    // One for a device that has it is none for this.
    let with = Fixture::new(1)?;
    let domain = new_domain(&with, FLAGS)?;
    check_eq!(
        without.group()?.attach(&domain),
        Err(AttachError::Incompatible)
    );
    check_eq!(with.group()?.attach(&domain), Ok(()));
    with.group()?.detach(&domain);
    Ok(())
}

fn ranges_are_checked() -> Outcome {
    let scene = Scene::new(1)?;
    let read = |iova, size| {
        let domain = &scene.domain;
        domain.read_and_clear_dirty(iova, size, false, &mut |_, _| ())
    };
    let end = scene.domain.paging().ok_or(EINVAL)?.aperture().last + 1;
    check_eq!(read(0, 0), Err(EINVAL));
    check_eq!(read(1, PAGE), Err(EINVAL));
    check_eq!(read(0, PAGE - 1), Err(EINVAL));
    check_eq!(read(PAGE.wrapping_neg(), 2 * PAGE), Err(EOVERFLOW));
    check_eq!(read(end - PAGE, 2 * PAGE), Err(ERANGE));
    check_eq!(read(end - PAGE, PAGE), Ok(()));
    check_eq!(read(0, end), Ok(()));
    Ok(())
}
