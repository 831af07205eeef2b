// SPDX-License-Identifier: GPL-2.0

//! Which pages were written to, by the operations that iommufd calls.

use super::KERNEL;
use crate::{
    ccore::UserDomain,
    families::{
        self,
        Families, //
    },
    iommu::{
        EndpointId,
        PagingFlags,
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
    rig::{
        Kernel,
        Rig,
        Setting, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_kernel_dirty over Families:
    pages_that_were_written_are_told: each Setting in KERNEL;
    write_after_clearing_is_told;
    leaf_is_told_as_far_as_it_was_asked_for;
    domain_without_the_flag_cannot;
    device_without_it_has_no_such_domain;
}

const PAGE: usize = 0x1000;
const BIG: usize = 0x20_0000;
const PADDR: u64 = 1 << 40;

const FLAGS: PagingFlags = PagingFlags {
    pasid: false,
    dirty_tracking: true,
};

/// Attaches a domain that maps 8 pages and a large one, and has writes marked.
fn tracked(kernel: &Kernel) -> Outcome<Arc<UserDomain>> {
    if !kernel.endpoint(0)?.tracks_writes() {
        return Err(skip(c"no dirty tracking here"));
    }
    let domain = UserDomain::alloc(kernel.endpoint(0)?, FLAGS)?;
    for page in 0..8 {
        domain.map(page * PAGE, PADDR + (page * PAGE) as u64, PAGE, Prot::RW)?;
    }
    domain.map(BIG, PADDR + BIG as u64, BIG, Prot::RW)?;
    kernel.group()?.attach(&domain, None)?;
    // As iommufd, which begins with nothing.
    domain.written(0, 8 * PAGE, false)?;
    domain.written(BIG, BIG, false)?;
    check_eq!(domain.set_dirty_tracking(true), Ok(()));
    Ok(domain)
}

fn access(kernel: &Kernel, id: u32, at: usize, access: Access) -> Outcome {
    let at = at as u64;
    let reach = kernel.mock().access(EndpointId(id), None, at, access);
    check_eq!(reach, Reach::Memory(PADDR + at));
    Ok(())
}

fn pages_that_were_written_are_told(setting: &Setting) -> Outcome {
    let kernel = Kernel::new(setting.members)?;
    let domain = tracked(&kernel)?;
    let members = 0..setting.members;
    for id in members.clone() {
        access(&kernel, id, 7 * PAGE, Access::Read)?;
        access(&kernel, id, id as usize * PAGE, Access::Write)?;
    }
    for page in 0..8 {
        let at = page * PAGE;
        let told = members
            .contains(&(page as u32))
            .then_some((at, at + PAGE - 1));
        for keep in [true, true, false] {
            check_eq!(domain.written(at, PAGE, keep), Ok(told));
        }
        check_eq!(domain.written(at, PAGE, true), Ok(None));
    }
    kernel.group()?.detach(&domain);
    Ok(())
}

fn write_after_clearing_is_told() -> Outcome {
    let kernel = Kernel::new(1)?;
    let domain = tracked(&kernel)?;
    for _ in 0..3 {
        access(&kernel, 0, 3 * PAGE, Access::Write)?;
        let told = Some((3 * PAGE, 4 * PAGE - 1));
        check_eq!(domain.written(0, 8 * PAGE, false), Ok(told));
        check_eq!(domain.written(0, 8 * PAGE, false), Ok(None));
    }
    kernel.group()?.detach(&domain);
    Ok(())
}

fn leaf_is_told_as_far_as_it_was_asked_for() -> Outcome {
    let kernel = Kernel::new(1)?;
    let domain = tracked(&kernel)?;
    access(&kernel, 0, BIG + 5 * PAGE, Access::Write)?;
    let middle = BIG + BIG / 2;
    let part = Some((middle, middle + PAGE - 1));
    // It is not clean before it was told as a whole.
    check_eq!(domain.written(middle, PAGE, false), Ok(part));
    check_eq!(domain.written(middle, PAGE, false), Ok(part));
    let whole = Some((BIG, 2 * BIG - 1));
    check_eq!(domain.written(0, 2 * BIG, false), Ok(whole));
    check_eq!(domain.written(0, 2 * BIG, false), Ok(None));
    kernel.group()?.detach(&domain);
    Ok(())
}

fn domain_without_the_flag_cannot() -> Outcome {
    let kernel = Kernel::new(1)?;
    let domain = UserDomain::alloc(kernel.endpoint(0)?, PagingFlags::default())?;
    let refused = errno::eopnotsupp();
    check_eq!(domain.set_dirty_tracking(true), Err(refused));
    check_eq!(domain.written(0, PAGE, true), Err(refused));
    Ok(())
}

fn device_without_it_has_no_such_domain() -> Outcome {
    let mut config = families::config();
    let native = Kernel::new(1)?;
    config.dirty_tracking = false;
    let mut without = Kernel::with(config, 1, |_, _| ())?;
    without.plug(0)?;
    check!(!without.endpoint(0)?.tracks_writes());
    let refused = UserDomain::alloc(without.endpoint(0)?, FLAGS);
    check_eq!(refused.err(), Some(errno::eopnotsupp()));

    // Nor does one of a device that has it fit.
    match UserDomain::alloc(native.endpoint(0)?, FLAGS) {
        Ok(domain) => {
            check!(native.endpoint(0)?.tracks_writes());
            check_eq!(without.group()?.attach(&domain, None), Err(EINVAL));
        }
        Err(error) => {
            check!(!native.endpoint(0)?.tracks_writes());
            check_eq!(error, errno::eopnotsupp());
        }
    }
    Ok(())
}
