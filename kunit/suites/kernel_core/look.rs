// SPDX-License-Identifier: GPL-2.0

//! What a look into the hardware tells, as the files in debugfs show it.

use crate::{
    ccore::Believed,
    families::Families,
    iommu::{
        Domain,
        EndpointId, //
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mock::{
        family::{
            Family,
            Shape, //
        },
        fault::{
            FaultPlan,
            Leave,
            Op,
            Rule, //
        },
        shell::Mock, //
    },
    rig::{
        Kernel,
        Rig, //
    },
};
use kernel::{
    fmt,
    prelude::*,
    str::CString,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_kernel_look over Families:
    look_agrees_with_what_the_core_did;
    look_finds_the_device_that_did_not_move;
    families_have_numbers;
    family_builds_what_it_is_told;
}

/// Whether each member is where the core believes, as the look sees it.
fn agreeing(kernel: &Kernel) -> Result<KVec<bool>> {
    let mut agreeing = KVec::new();
    for member in &kernel.group()?.members()? {
        let Believed::On(domain) = &member.believed else {
            return Err(ENODEV);
        };
        let agrees = kernel.mock().is_on(member.endpoint, domain);
        agreeing.push(agrees, GFP_KERNEL)?;
    }
    Ok(agreeing)
}

struct ShownDomain<'a>(&'a dyn Mock, &'a Domain);

impl fmt::Display for ShownDomain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show_domain(self.1, f)
    }
}

struct Shown<'a>(&'a dyn Mock, EndpointId);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show(self.1, f)
    }
}

fn shown(mock: &dyn Mock, endpoint: u32) -> Result<CString> {
    CString::try_from_fmt(fmt!("{}", Shown(mock, EndpointId(endpoint))))
}

fn look_agrees_with_what_the_core_did() -> Outcome {
    let mut kernel = Kernel::new(2)?;
    let (domain, other) = (kernel.domain()?, kernel.domain()?);
    check_eq!(&agreeing(&kernel)?[..], &[true, true]);
    check_eq!(shown(kernel.mock(), 0)?.to_bytes(), b"identity");
    kernel.claim()?;
    check_eq!(&agreeing(&kernel)?[..], &[true, true]);
    check_eq!(shown(kernel.mock(), 1)?.to_bytes(), b"blocked");
    kernel.attach(domain, None)?;
    check_eq!(&agreeing(&kernel)?[..], &[true, true]);
    let (domain, other) = (kernel.get(domain)?.domain(), kernel.get(other)?.domain());
    let of_domain = |domain| CString::try_from_fmt(fmt!("{}", ShownDomain(kernel.mock(), domain)));
    let truth = shown(kernel.mock(), 0)?;
    check_eq!(of_domain(domain)?.to_bytes(), truth.to_bytes());
    check!(of_domain(other)?.to_bytes() != truth.to_bytes());
    check!(!kernel.mock().is_on(EndpointId(0), other));
    check!(!kernel.mock().is_on(EndpointId(2), other));
    check_eq!(shown(kernel.mock(), 2)?.to_bytes(), b"no endpoint");
    Ok(())
}

fn look_finds_the_device_that_did_not_move() -> Outcome {
    let mut kernel = Kernel::new(2)?;
    let domain = kernel.domain()?;
    let lie = Rule::once(Op::Attach, EIO).leaving(Leave::Lie);
    let rig: &mut dyn Rig = &mut kernel;
    rig.fail(lie.at(EndpointId(1)))?;
    rig.attach(domain, None)?;
    check_eq!(&agreeing(&kernel)?[..], &[true, false]);
    check_eq!(kernel.mock().faults().hits(), 1);
    Ok(())
}

fn families_have_numbers() -> Outcome {
    let plain = Family::try_from(0)?;
    check_eq!(CString::try_from_fmt(fmt!("{plain}"))?.to_bytes(), b"plain");
    check_eq!(Family::try_from(u32::MAX).err(), Some(EINVAL));
    Ok(())
}

fn family_builds_what_it_is_told() -> Outcome {
    let shape = |endpoints, group_size| Shape {
        endpoints,
        group_size,
        pasids: 4,
    };
    let plan = Arc::pin_init(FaultPlan::new(), GFP_KERNEL)?;
    let plain = Family::try_from(0)?;
    let nothing = plain.build_shape(shape(1, 0), 0, plan.clone());
    check_eq!(nothing.err(), Some(EINVAL));
    let mock = plain.build_shape(shape(5, 2), 0, plan.clone())?;
    check_eq!(mock.driver.probe(EndpointId(4))?.max_pasids, 4);
    plan.add(Rule::once(Op::Probe, EIO))?;
    check_eq!(mock.driver.probe(EndpointId(4)).err(), Some(EIO));
    check_eq!(mock.driver.name(), "plain");
    for id in 0..5 {
        let device = crate::iommu::Device::probe(&mock.driver, EndpointId(id))?;
        check_eq!(mock.driver.group(&device)?.0, u64::from(id) / 2);
    }
    check!(mock.driver.probe(EndpointId(5)).is_err());
    check_eq!(shown(&*mock.mock, 4)?.to_bytes(), b"identity");
    Ok(())
}
