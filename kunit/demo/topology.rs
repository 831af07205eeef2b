// SPDX-License-Identifier: GPL-2.0

//! What there is.

use super::script::Script;
use crate::{fixture::Setup, iommu::DefaultType};
use kernel::prelude::*;

/// Shows a mock IOMMU with three groups.
pub(super) fn act(script: &mut Script) -> Result {
    script.say(fmt!(
        "iommu-mock: a guided run. The core decides which domain a device is on; a model of the"
    ));
    script.say(fmt!(
        "hardware tells where the device's DMA really goes. Both are compared at every [ok]."
    ));
    script.act("A mock IOMMU: endpoints that cannot be told apart form one group");
    let fixture = Setup::ordinary(6)?
        .endpoint(0, |e| e.group = 1)
        .endpoint(5, |e| {
            e.group = 2;
            e.max_pasids = 0;
            e.default_type = Some(DefaultType::Identity);
        })
        .probe()?;
    script.say(fmt!("   IOMMU   group   device   PASIDs   default domain"));
    let mut groups = 0;
    let mut last = None;
    for endpoint in fixture.endpoints() {
        let (device, group) = (endpoint.device(), endpoint.group());
        if last != Some(group.key()) {
            groups += 1;
            last = Some(group.key());
        }
        let what = match group.lock().default_type() {
            Some(DefaultType::Identity) => "identity (its driver insists)",
            Some(DefaultType::Dma) => "translated, strict unmapping",
            Some(DefaultType::DmaLazy) => "translated, lazy unmapping",
            None => "none",
        };
        script.say(fmt!(
            "   {:<7} {:<7} {:<8} {:<8} {what}",
            fixture.mock().name(),
            group.key().0,
            device.id().0,
            device.max_pasids().saturating_sub(1)
        ));
    }
    script.check(fmt!("6 devices in {groups} groups"), groups == 3);
    Ok(())
}
