// SPDX-License-Identifier: GPL-2.0

//! What the adaptor tells the kernel's core of a driver.

use super::KERNEL;
use crate::{
    ccore::UserDomain,
    families::Families,
    iommu::{
        EndpointId,
        PagingFlags,
        Pasid,
        Prot,
        Region,
        RegionKind, //
    },
    kapi::{
        errno,
        kunit::{
            check,
            check_eq,
            kunit_suite,
            Outcome,
            WarnCounter, //
        },
        new_mutex,
        thread::{
            Run,
            Thread, //
        },
        Mutex, //
    },
    mark,
    mock::{
        endpoint::InstanceConfig,
        fault::{
            Op,
            Rule, //
        },
        hw::Reach,
        unit::FORMER_KERNEL, //
    },
    rig::{
        Kernel,
        Rig,
        Setting, //
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
    time::{
        delay::fsleep,
        Delta, //
    },
};

kunit_suite! {
    iommu_mock_kernel_adaptor over Families:
    instances_have_groups_of_their_own: each Setting in KERNEL;
    instance_goes_with_its_last_domain;
    instance_waits_for_the_domains_of_others;
    device_without_a_default_domain_is_not_taken;
    without_a_blocked_domain_a_page_table_blocks: each Setting in KERNEL;
    without_pasid_domains_there_are_none_to_be_had;
    allocation_fails_as_the_driver_says;
    domain_must_fit_every_member: each Setting in KERNEL;
    deferred_device_is_left_alone_until_it_is_used;
    device_with_a_direct_range_is_never_blocked: each Setting in KERNEL;
}

fn instances_have_groups_of_their_own(setting: &Setting) -> Outcome {
    let (one, other) = (Kernel::new(setting.members)?, Kernel::new(setting.members)?);
    let (first, second) = (one.endpoint(0)?.group(), other.endpoint(0)?.group());
    check!(!Arc::ptr_eq(first, second));
    check!(first.number() != second.number());
    check_eq!(first.members()?.len(), setting.members as usize);
    one.group()?.claim(crate::ccore::Owner(1))?;
    check_eq!(one.differing()?, 0);
    check_eq!(other.differing()?, 0);
    check!(!second.is_claimed());
    Ok(())
}

fn instance_goes_with_its_last_domain() -> Outcome {
    let warnings = WarnCounter::start()?;
    let mut kernel = Kernel::new(1)?;
    let number = kernel.domain()?;
    let domain = kernel.get(number)?.clone();
    kernel.attach(number, None)?;
    drop(kernel);
    check!(domain.iova_to_phys(mark::IOVA) != 0);
    check_eq!(warnings.count(), 0);
    Ok(())
}

/// Takes an instance away in a thread of its own.
#[pin_data]
struct Removal {
    #[pin]
    kernel: Mutex<Option<Kernel>>,
    done: Atomic<bool>,
}

impl Run for Removal {
    fn run(&self) {
        let kernel = self.kernel.lock().take();
        drop(kernel);
        self.done.store(true, Relaxed);
    }
}

fn instance_waits_for_the_domains_of_others() -> Outcome {
    let kernel = Kernel::new(1)?;
    let domain = UserDomain::alloc_as_others(kernel.endpoint(0)?, PagingFlags::default())?;
    let init = pin_init!(Removal {
        kernel <- new_mutex!(Some(kernel), "Removal::kernel"),
        done: Atomic::new(false),
    });
    let removal = Arc::pin_init(init, GFP_KERNEL)?;
    let thread = Thread::spawn(removal.clone())?;
    fsleep(Delta::from_millis(20));
    let waits = !removal.done.load(Relaxed);
    // Its driver still works.
    let mapped = domain.map(0, mark::next_page(), 0x1000, Prot::RW);
    drop(domain);
    drop(thread);
    check!(waits, "the instance went before the domain");
    check_eq!(mapped, Ok(()));
    check!(removal.done.load(Relaxed));
    Ok(())
}

fn device_without_a_default_domain_is_not_taken() -> Outcome {
    let config = InstanceConfig {
        has_identity: false,
        ..InstanceConfig::default()
    };
    let mut kernel = Kernel::with(config, 1, |_, _| ())?;
    check_eq!(kernel.plug(0), Err(ENODEV));
    check_eq!(kernel.plug(0), Err(ENODEV));
    Ok(())
}

fn without_a_blocked_domain_a_page_table_blocks(setting: &Setting) -> Outcome {
    let config = InstanceConfig {
        has_blocked: false,
        release_to_blocked: false,
        ..InstanceConfig::default()
    };
    let mut kernel = Kernel::with(config, setting.members, |_, _| ())?;
    for id in 0..setting.members {
        kernel.plug(id)?;
    }
    (&kernel as &dyn Rig).fail(Rule::once(Op::Alloc, ENOMEM))?;
    check_eq!(kernel.claim(), Err(ENOMEM));
    kernel.claim()?;
    (&kernel as &dyn Rig).check_all(setting.members, Reach::Aborted)?;
    check_eq!(kernel.differing()?, 0);

    // Nor can a PASID be blocked, so none can be attached.
    let (domain, pasid) = (kernel.domain()?, Pasid::new(1)?);
    let unsupported = errno::eopnotsupp();
    check_eq!(kernel.attach_pasid(0, domain, pasid), Err(unsupported));
    kernel.detach_pasid(0, domain, pasid);
    kernel.release();
    check_eq!(kernel.differing()?, 0);
    Ok(())
}

fn without_pasid_domains_there_are_none_to_be_had() -> Outcome {
    let config = InstanceConfig {
        pasid_domains: false,
        ..InstanceConfig::default()
    };
    let mut kernel = Kernel::with(config, 1, |_, _| ())?;
    kernel.plug(0)?;
    let alloc = |pasid| UserDomain::alloc(kernel.endpoint(0)?, PagingFlags::pasid(pasid));
    check_eq!(alloc(true).err(), Some(errno::eopnotsupp()));
    alloc(false)?;
    Ok(())
}

fn allocation_fails_as_the_driver_says() -> Outcome {
    let mut kernel = Kernel::new(1)?;
    for (fault, seen) in [(ENOMEM, ENOMEM), (ENOSPC, ENOSPC), (EINVAL, ENODEV)] {
        (&kernel as &dyn Rig).fail(Rule::once(Op::Alloc, fault))?;
        check_eq!(kernel.domain().err(), Some(seen));
    }
    kernel.domain()?;
    Ok(())
}

fn domain_must_fit_every_member(setting: &Setting) -> Outcome {
    let narrow = setting.members - 1;
    let mut kernel = Kernel::with(
        InstanceConfig::default(),
        setting.members,
        |id, endpoint| {
            endpoint.bits = match id == narrow {
                true => 32,
                false => 48,
            };
        },
    )?;
    for id in 0..setting.members {
        kernel.plug(id)?;
    }
    let domain = |at| UserDomain::alloc(kernel.endpoint(at)?, PagingFlags::default());
    let (wide, fitting) = (domain(0)?, domain(narrow)?);
    let expected = match setting.members {
        1 => Ok(()),
        _ => Err(EINVAL),
    };
    check_eq!(kernel.group()?.attach(&wide, None), expected);
    check_eq!(kernel.differing()?, 0);
    if expected.is_ok() {
        kernel.group()?.detach(&wide);
    }
    kernel.group()?.attach(&fitting, None)?;
    check_eq!(kernel.differing()?, 0);
    Ok(())
}

fn deferred_device_is_left_alone_until_it_is_used() -> Outcome {
    let mut kernel = Kernel::with(InstanceConfig::default(), 1, |_, e| e.deferred = true)?;
    kernel.plug(0)?;
    let rig: &mut dyn Rig = &mut kernel;
    let former = Reach::Memory(FORMER_KERNEL + mark::IOVA);
    check_eq!(rig.truth(0), former);
    let domain = rig.domain()?;
    rig.attach(domain, None)?;
    check_eq!(rig.truth(0), rig.reach(domain));
    rig.detach(domain);
    check_eq!(rig.truth(0), rig.home());
    Ok(())
}

fn device_with_a_direct_range_is_never_blocked(setting: &Setting) -> Outcome {
    let last = setting.members - 1;
    let direct = Region {
        start: 0x8000_0000,
        size: 0x1000,
        kind: RegionKind::Direct,
    };
    let mut kernel = Kernel::with(
        InstanceConfig::default(),
        setting.members,
        |id, endpoint| {
            if id == last {
                endpoint.region = Some(direct);
            }
        },
    )?;
    for id in 0..setting.members {
        kernel.plug(id)?;
    }
    check_eq!(kernel.claim(), Err(EINVAL));
    check_eq!(kernel.differing()?, 0);
    let rig: &mut dyn Rig = &mut kernel;
    rig.check_all(setting.members, rig.home())?;
    // It is left where firmware can go on.
    rig.unplug(last)?;
    let truth = rig.mock().dma(EndpointId(last), None, direct.start);
    check_eq!(truth, Reach::Memory(direct.start));
    Ok(())
}
