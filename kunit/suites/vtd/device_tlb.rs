// SPDX-License-Identifier: GPL-2.0

//! What endpoints keep in device-TLBs of their own.

use super::{
    live::{
        go,
        reach,
        space,
        unit,
        By, //
    },
    Setting,
    LEGACY, //
};
use crate::{
    iommu::Gather,
    kapi::kunit::{
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mark::{
        IOVA,
        SIZE, //
    },
    mock::{
        hw::{
            vtd::{
                Descriptor,
                Pages, //
            },
            Reach, //
        },
        unit::{
            Modelled as _,
            Space as _,
            Target,
            Unit as _, //
        },
        vtd::VtdUnit, //
    },
};

kunit_suite! {
    iommu_mock_vtd_device_tlb:
    endpoint_keeps_pages_until_its_own_tlb_is_flushed;
    flush_of_everything_includes_what_endpoints_keep;
}

/// Carries a descriptor out.
fn execute(unit: &VtdUnit, descriptor: Descriptor) {
    unit.machine().submit(descriptor.encode());
    unit.machine().wait();
}

fn endpoint_keeps_pages_until_its_own_tlb_is_flushed() -> Outcome {
    for ats in [false, true] {
        for (protocol, pasid, by) in [
            (0, None, By::Second),
            (0, None, By::First),
            (0, Some(1), By::First),
            (LEGACY, None, By::Second),
        ] {
            let setting = Setting {
                ats,
                ..Setting::new(protocol, 2, false)
            };
            let unit = unit(&setting, 2, |_| ())?;
            let space = space(&unit, by)?;
            let target = Target::Paging(space.clone());
            go(&unit, 0, pasid, &target)?;
            let page = reach(&target);
            // As a driver does that forgets the endpoint.
            check_eq!(space.unmap(IOVA, SIZE, 1, &mut Gather::default()), SIZE);
            execute(&unit, Descriptor::IotlbGlobal);
            let left = if ats { page } else { Reach::Aborted };
            check_eq!(unit.dma(0, pasid, IOVA), left);
            // Somebody else's, another page, and DMA with another PASID or without.
            let (sid, pages) = (
                0,
                Pages {
                    am: 0,
                    ..Pages::ALL
                },
            );
            let all = Pages::ALL;
            let other = match pasid {
                None => Descriptor::PasidDeviceTlb {
                    sid,
                    pasid: 1,
                    pages: all,
                },
                Some(_) => Descriptor::DeviceTlb { sid, pages: all },
            };
            execute(&unit, Descriptor::DeviceTlb { sid: 1, pages: all });
            execute(&unit, other);
            execute(&unit, device_tlb(pasid, pages));
            check_eq!(unit.dma(0, pasid, IOVA), left);
            execute(
                &unit,
                device_tlb(
                    pasid,
                    Pages {
                        address: IOVA,
                        ..pages
                    },
                ),
            );
            check_eq!(unit.dma(0, pasid, IOVA), Reach::Aborted);
        }
    }
    Ok(())
}

/// How endpoint 0 is told of pages.
fn device_tlb(pasid: Option<u32>, pages: Pages) -> Descriptor {
    match pasid {
        None => Descriptor::DeviceTlb { sid: 0, pages },
        Some(pasid) => Descriptor::PasidDeviceTlb {
            sid: 0,
            pasid,
            pages,
        },
    }
}

fn flush_of_everything_includes_what_endpoints_keep() -> Outcome {
    let unit = unit(&Setting::ats(0), 1, |_| ())?;
    let space = space(&unit, By::Second)?;
    let target = Target::Paging(space.clone());
    go(&unit, 0, None, &target)?;
    let page = reach(&target);
    check_eq!(space.unmap(IOVA, SIZE, 1, &mut Gather::default()), SIZE);
    check_eq!(unit.dma(0, None, IOVA), page);
    space.forget_all();
    check_eq!(unit.dma(0, None, IOVA), Reach::Aborted);
    Ok(())
}
