// SPDX-License-Identifier: GPL-2.0

//! The control room: makes mock IOMMUs as the user says, and shows them.
//!
//! The user says it in configfs, or for a quick start by module parameters. See
//! `Documentation/control.rst`.
//!
//! # Locks
//!
//! What configfs holds; [`InstanceDir`](instance_dir::InstanceDir)'s state, under which instances
//! come and go; the adaptor's locks; the fault plan's. Nothing that the core calls takes the former
//! two.

mod claim;
mod dma;
mod errno_name;
mod faults;
mod instance;
mod instance_dir;
mod quota;
mod root;
mod rule;
mod show;
mod text;

use self::{
    instance::{
        Failed,
        Instance,
        What, //
    },
    quota::Quota,
    root::Root, //
};
use super::{
    family::{
        Family,
        Shape, //
    },
    fault::FaultPlan,
};
use crate::kapi::{
    global::global,
    refusal::refuse, //
};
use kernel::{
    configfs,
    debugfs,
    prelude::*,
    sync::Arc, //
};

/// What the module parameters say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuickStart {
    /// Which family.
    pub(crate) family: Family,
    /// How many endpoints; none is no instance.
    pub(crate) endpoints: u32,
    /// How many of them share a group.
    pub(crate) group_size: u32,
    /// Instances may claim PCI functions.
    pub(crate) claims: bool,
}

/// The most endpoints an instance can have.
const MAX_ENDPOINTS: u32 = 1024;
/// The most instances that configfs makes.
const MAX_INSTANCES: u32 = 64;
/// The instance of the module parameters.
const QUICK: &CStr = c"0";

/// An instance and its files in debugfs, which go first.
type Running = Pin<KBox<debugfs::Scope<Instance>>>;

/// What all instances have in common.
struct Shared {
    dir: debugfs::Dir,
    /// How many more directories there may be.
    instances: Arc<Quota>,
    /// There is an instance by module parameters.
    quick: bool,
    /// The user knows that claimed functions are not isolated.
    claims: bool,
}

global! {
    /// Callbacks of the root of our part of configfs can have no data of their own in Linux 7.2.
    mod shared: Arc<Shared>
}

/// All instances of the module.
#[pin_data]
pub(crate) struct Control {
    /// Goes first. No directory is left then, as each holds the module.
    #[pin]
    subsystem: configfs::Subsystem<Root>,
    quick: Option<Running>,
    shared: shared::Filled,
}

impl Control {
    /// Makes what the module parameters say, and the directory for more. Works once.
    ///
    /// # Errors
    ///
    /// EINVAL for numbers that make no sense, ENOMEM, and those of configfs and the kernel's core.
    pub(crate) fn new(start: QuickStart) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let dir = debugfs::Dir::new(c"iommu_mock");
            let quick = match start.endpoints {
                0 => None,
                _ => Some(quick_start(&dir, start)?),
            };
            let common = Shared {
                dir,
                instances: Quota::new(MAX_INSTANCES)?,
                quick: quick.is_some(),
                claims: start.claims,
            };
            let shared = shared::fill(Arc::new(common, GFP_KERNEL)?)?;
            Ok(try_pin_init!(Self {
                subsystem <- root::subsystem(),
                quick,
                shared,
            }))
        })
    }
}

fn quick_start(dir: &debugfs::Dir, start: QuickStart) -> Result<Running> {
    let QuickStart {
        family,
        endpoints,
        group_size,
        claims: _,
    } = start;
    if group_size == 0 || endpoints > MAX_ENDPOINTS {
        pr_err!("group_size must not be 0, nor endpoints above {MAX_ENDPOINTS}\n");
        return Err(EINVAL);
    }
    let shape = Shape {
        endpoints,
        group_size,
        pasids: 0,
    };
    let faults = Arc::pin_init(FaultPlan::new(), GFP_KERNEL)?;
    let what = What {
        family,
        protocol: 0,
        shape,
        claim: &[],
    };
    Ok(run(dir, QUICK, what, faults)?)
}

/// Starts an instance and shows it.
fn run(
    dir: &debugfs::Dir,
    name: &CStr,
    what: What<'_>,
    faults: Arc<FaultPlan>,
) -> Result<Running, Failed> {
    let instance = Instance::new(name, what, faults)?;
    let files = dir.scope(instance, name, |instance, dir| {
        dir.read_callback_file(c"belief", instance, &show::belief);
        dir.read_callback_file(c"commands", instance, &show::commands);
        dir.read_callback_file(c"entries", instance, &show::entries);
        dir.read_callback_file(c"iotlb", instance, &show::iotlb);
        dir.read_callback_file(c"stats", instance, &show::stats);
        dir.read_callback_file(c"trace", instance, &show::trace);
    });
    Ok(KBox::pin_init(files, GFP_KERNEL)?)
}
