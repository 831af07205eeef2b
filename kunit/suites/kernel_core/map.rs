// SPDX-License-Identifier: GPL-2.0

//! Mapping through the adaptor, and what it does not let a driver do to the kernel's core.

use crate::{
    ccore::UserDomain,
    families::Families,
    iommu::{
        EndpointId,
        Paging,
        PagingFlags,
        Prot, //
    },
    kapi::{
        errno,
        kunit::{
            check_eq,
            kunit_suite,
            Outcome,
            WarnCounter, //
        }, //
    },
    mock::{
        fault::{
            Leave,
            Op,
            Rule, //
        },
        hw::Reach, //
    },
    rig::{
        Kernel,
        Rig, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_kernel_map over Families:
    mapped_pages_translate;
    page_sizes_are_mixed;
    unmap_stops_at_a_hole;
    failed_map_leaves_nothing_mapped;
    progress_that_cannot_be_is_not_believed;
    addresses_are_checked;
    mapped_pages_are_not_mapped_again;
    refused_new_mappings_are_undone;
    failed_unmap_leaves_the_mapping;
}

const PAGE: usize = 0x1000;
const BIG: usize = 0x20_0000;
const PADDR: u64 = 1 << 40;

fn empty_domain(kernel: &Kernel) -> Result<Arc<UserDomain>> {
    UserDomain::alloc(kernel.endpoint(0)?, PagingFlags::default())
}

fn table(domain: &UserDomain) -> Result<&dyn Paging> {
    domain.domain().paging().ok_or(EINVAL)
}

/// The first address behind the aperture.
fn end(domain: &UserDomain) -> Result<usize> {
    Ok(usize::try_from(table(domain)?.aperture().last)? + 1)
}

fn mapped_pages_translate() -> Outcome {
    let kernel = Kernel::new(1)?;
    let domain = empty_domain(&kernel)?;
    domain.map(4 * PAGE, PADDR, 3 * PAGE, Prot::RW)?;
    kernel.group()?.attach(&domain, None)?;
    for (iova, paddr) in [
        (0x3fff, 0),
        (0x4000, PADDR),
        (0x6abc, PADDR + 0x2abc),
        (0x7000, 0),
    ] {
        check_eq!(domain.iova_to_phys(iova), paddr);
        let reach = match paddr {
            0 => Reach::Aborted,
            _ => Reach::Memory(paddr),
        };
        check_eq!(kernel.mock().dma(EndpointId(0), None, iova), reach);
    }
    check_eq!(domain.unmap(4 * PAGE, 3 * PAGE), 3 * PAGE);
    check_eq!(domain.iova_to_phys(0x4000), 0);
    kernel.group()?.detach(&domain);
    Ok(())
}

fn page_sizes_are_mixed() -> Outcome {
    let kernel = Kernel::new(1)?;
    let domain = empty_domain(&kernel)?;
    // Small pages up to a big one, and small ones behind it.
    let (iova, size) = (BIG - 2 * PAGE, BIG + 5 * PAGE);
    let paddr = PADDR + iova as u64;
    domain.map(iova, paddr, size, Prot::RW)?;
    for at in [0, PAGE, 2 * PAGE, BIG, BIG + 4 * PAGE] {
        check_eq!(domain.iova_to_phys((iova + at) as u64), paddr + at as u64);
    }
    check_eq!(domain.iova_to_phys((iova + size) as u64), 0);
    check_eq!(domain.unmap(iova, size), size);
    check_eq!(domain.iova_to_phys(BIG as u64), 0);
    Ok(())
}

fn unmap_stops_at_a_hole() -> Outcome {
    let kernel = Kernel::new(1)?;
    let domain = empty_domain(&kernel)?;
    domain.map(0, PADDR, 2 * PAGE, Prot::RW)?;
    domain.map(3 * PAGE, PADDR, PAGE, Prot::RW)?;
    check_eq!(domain.unmap(0, 4 * PAGE), 2 * PAGE);
    check_eq!(domain.unmap(0, 4 * PAGE), 0);
    check_eq!(domain.unmap(3 * PAGE, PAGE), PAGE);
    Ok(())
}

fn failed_map_leaves_nothing_mapped() -> Outcome {
    let kernel = Kernel::new(1)?;
    let domain = empty_domain(&kernel)?;
    let rig: &dyn Rig = &kernel;
    // Two runs of pages go through, the third fails. Without big pages there is but one run.
    let has_big = table(&domain)?.page_sizes() & BIG as u64 != 0;
    let before = if has_big { 2 } else { 0 };
    rig.fail(Rule::once(Op::Map, ENOMEM).after(before))?;
    let (iova, size) = (BIG - PAGE, BIG + 2 * PAGE);
    let paddr = PADDR + iova as u64;
    check_eq!(domain.map(iova, paddr, size, Prot::RW), Err(ENOMEM));
    check_eq!(rig.mock().faults().hits(), 1);
    for at in [0, PAGE, BIG, BIG + PAGE] {
        check_eq!(domain.iova_to_phys((iova + at) as u64), 0);
    }
    domain.map(iova, paddr, size, Prot::RW)?;
    Ok(())
}

fn progress_that_cannot_be_is_not_believed() -> Outcome {
    let kernel = Kernel::new(1)?;
    let domain = empty_domain(&kernel)?;
    let lie = Rule::once(Op::Map, EIO).leaving(Leave::Lie);
    (&kernel as &dyn Rig).fail(lie)?;
    check_eq!(domain.map(0, PADDR, PAGE, Prot::RW), Err(EIO));
    check_eq!(domain.iova_to_phys(0), 0);
    Ok(())
}

fn addresses_are_checked() -> Outcome {
    let warnings = WarnCounter::start()?;
    let kernel = Kernel::new(1)?;
    let domain = empty_domain(&kernel)?;
    check_eq!(domain.map(1, PADDR, PAGE, Prot::RW), Err(EINVAL));
    check_eq!(domain.map(0, PADDR + 1, PAGE, Prot::RW), Err(EINVAL));
    check_eq!(domain.map(0, PADDR, PAGE - 1, Prot::RW), Err(EINVAL));
    // What the core does not look at: the aperture, and whether ranges wrap.
    let end = end(&domain)?;
    check_eq!(domain.map(end, PADDR, PAGE, Prot::RW), Err(ERANGE));
    check_eq!(
        domain.map(end - PAGE, PADDR, 2 * PAGE, Prot::RW),
        Err(ERANGE)
    );
    let last = 0usize.wrapping_sub(PAGE);
    check_eq!(domain.map(last, PADDR, PAGE, Prot::RW), Err(ERANGE));
    check_eq!(
        domain.map(0, 0u64.wrapping_sub(PAGE as u64), 2 * PAGE, Prot::RW),
        Err(EOVERFLOW)
    );
    check_eq!(domain.unmap(last, PAGE), 0);
    check_eq!(domain.unmap(end, PAGE), 0);
    domain.map(end - PAGE, PADDR, PAGE, Prot::RW)?;
    check_eq!(domain.unmap(end - PAGE, PAGE), PAGE);
    check_eq!(warnings.count(), 0);
    Ok(())
}

fn mapped_pages_are_not_mapped_again() -> Outcome {
    let kernel = Kernel::new(1)?;
    let domain = empty_domain(&kernel)?;
    domain.map(2 * PAGE, PADDR, PAGE, Prot::RW)?;
    let used = errno::eaddrinuse();
    check_eq!(domain.map(0, PADDR, 4 * PAGE, Prot::RW), Err(used));
    check_eq!(domain.iova_to_phys(0), 0);
    check_eq!(domain.iova_to_phys(0x2000), PADDR);
    check_eq!(domain.iova_to_phys(0x3000), 0);
    Ok(())
}

fn refused_new_mappings_are_undone() -> Outcome {
    let kernel = Kernel::new(1)?;
    let domain = empty_domain(&kernel)?;
    (&kernel as &dyn Rig).fail(Rule::once(Op::SyncMap, ENOSPC))?;
    check_eq!(domain.map(0, PADDR, 3 * PAGE, Prot::RW), Err(ENOSPC));
    check_eq!(domain.iova_to_phys(0), 0);
    check_eq!(domain.iova_to_phys(0x2000), 0);
    domain.map(0, PADDR, 3 * PAGE, Prot::RW)?;
    Ok(())
}

fn failed_unmap_leaves_the_mapping() -> Outcome {
    let kernel = Kernel::new(1)?;
    let domain = empty_domain(&kernel)?;
    domain.map(0, PADDR, 3 * PAGE, Prot::RW)?;
    (&kernel as &dyn Rig).fail(Rule::once(Op::Unmap, EIO))?;
    check_eq!(domain.unmap(0, 3 * PAGE), 0);
    check_eq!(domain.iova_to_phys(0x2000), PADDR + 0x2000);
    check_eq!(domain.unmap(0, 3 * PAGE), 3 * PAGE);
    check_eq!(domain.iova_to_phys(0x2000), 0);
    Ok(())
}
