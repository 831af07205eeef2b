// SPDX-License-Identifier: GPL-2.0

//! Suites of `drivers/iommu/iommu.c`, with the plain driver under it.
//!
//! What both cores must do alike is run on both; what only the kernel's core does, on that.

mod adaptor;
mod attach;
mod bind;
mod channel;
mod claim;
mod detach;
mod dirty;
mod dma;
mod finding;
mod look;
mod map;
mod owner;
mod pasid;
mod unplug;

use crate::{
    kapi::kunit::Outcome,
    recorder::Tag,
    rig::{
        Core,
        Rig,
        Setting, //
    },
};
use core::ops::Range;
use kernel::prelude::*;

/// The kernel's core with every group size.
const KERNEL: [Setting; 3] = [
    Setting::new(Core::Kernel, 1),
    Setting::new(Core::Kernel, 2),
    Setting::new(Core::Kernel, 5),
];

/// Both cores with groups in which one member can fail after others.
const SEVERAL: [Setting; 4] = [
    Setting::new(Core::Ours, 2),
    Setting::new(Core::Ours, 5),
    Setting::new(Core::Kernel, 2),
    Setting::new(Core::Kernel, 5),
];

/// The calls that a driver must get, in order.
struct Calls(KVec<(u32, Option<Tag>, Option<Tag>)>);

impl Calls {
    fn new() -> Self {
        Self(KVec::new())
    }

    /// Then each of `devices` is asked to go to `to` from `from`; `None` is any domain of the core.
    fn each(mut self, devices: Range<u32>, to: Option<Tag>, from: Option<Tag>) -> Result<Self> {
        for at in devices {
            self.0.push((at, to, from), GFP_KERNEL)?;
        }
        Ok(self)
    }

    /// Checks that the driver got these, and forgets them.
    fn check(self, rig: &dyn Rig) -> Outcome {
        rig.check_calls(&self.0)
    }
}
