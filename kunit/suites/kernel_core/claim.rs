// SPDX-License-Identifier: GPL-2.0

//! Claiming PCI functions, as far as that needs none.

use crate::{
    ccore::{
        PciAddress,
        Refusal, //
    },
    iommu::{
        DefaultType,
        Device,
        EndpointId,
        RegionKind, //
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mock::{
        endpoint::InstanceConfig,
        family::{
            Family,
            Shape, //
        },
        fault::FaultPlan,
    },
    rig::Kernel,
};
use kernel::{
    prelude::*,
    str::CString,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_kernel_claim:
    function_that_is_not_there_is_refused;
    refusals_have_numbers_and_texts;
    functions_are_named_as_by_the_bus;
    claimed_endpoint_stays_untranslated;
}

fn function_that_is_not_there_is_refused() -> Outcome {
    let mut kernel = Kernel::with(InstanceConfig::default(), 1, |_, _| ())?;
    let nowhere = PciAddress {
        domain: u16::MAX,
        bus: u8::MAX,
        devfn: u8::MAX,
    };
    let refused = kernel.plug_pci(0, nowhere).err();
    check!(matches!(refused, Some(Refusal::Missing)));
    kernel.plug(0)?;
    check!(!kernel.endpoint(0)?.in_use());
    check_eq!(kernel.group()?.members()?.len(), 1);
    Ok(())
}

fn refusals_have_numbers_and_texts() -> Outcome {
    for (refusal, error) in [
        (Refusal::Missing, ENODEV),
        (Refusal::OtherIommu, EBUSY),
        (Refusal::InUse, EBUSY),
        (Refusal::Grouped, EBUSY),
        (Refusal::Failed(ENOMEM), ENOMEM),
    ] {
        check!(CString::try_from_fmt(fmt!("{refusal}"))?.to_bytes().len() > 10);
        check_eq!(Error::from(refusal), error);
    }
    Ok(())
}

fn functions_are_named_as_by_the_bus() -> Outcome {
    let function = PciAddress {
        domain: 0x1_0,
        bus: 0xab,
        devfn: 0x1f << 3 | 2,
    };
    let shown = CString::try_from_fmt(fmt!("{function}"))?;
    check_eq!(shown.to_bytes(), b"0010:ab:1f.2");
    Ok(())
}

fn claimed_endpoint_stays_untranslated() -> Outcome {
    let shape = Shape {
        endpoints: 3,
        group_size: 2,
        pasids: 0,
    };
    let plan = Arc::pin_init(FaultPlan::new(), GFP_KERNEL)?;
    let mock = Family::try_from(0)?.build_claimed(shape, 0, plan)?;
    for id in 0..3 {
        let device = Device::probe(&mock.driver, EndpointId(id))?;
        let wanted = mock.driver.default_type(&device);
        check!(matches!(wanted, Some(DefaultType::Identity)));
        let regions = mock.driver.regions(&device)?;
        check!(regions.iter().any(|region| region.kind == RegionKind::Msi));
        check_eq!(mock.driver.group(&device)?.0, u64::from(id) / 2);
    }
    Ok(())
}
