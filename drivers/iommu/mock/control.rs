// SPDX-License-Identifier: GPL-2.0

//! The control room: makes mock IOMMUs as the user says, and shows them.
//!
//! For now the user says it by module parameters only.

mod instance;
mod show;

use self::instance::Instance;
use super::family::Family;
use kernel::{
    debugfs,
    prelude::*, //
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
}

/// The most endpoints an instance can have.
const MAX_ENDPOINTS: u32 = 1024;

/// All instances of the module.
pub(crate) struct Control {
    /// Its files go first, as they show the instance.
    _shown: Option<Pin<KBox<debugfs::Scope<Instance>>>>,
    _dir: debugfs::Dir,
}

impl Control {
    /// Makes what the module parameters say.
    ///
    /// # Errors
    ///
    /// EINVAL for numbers that make no sense, ENOMEM, and those of the kernel's core.
    pub(crate) fn new(quick: QuickStart) -> Result<Self> {
        let dir = debugfs::Dir::new(c"iommu_mock");
        let shown = match quick.endpoints {
            0 => None,
            _ => Some(start(&dir, quick)?),
        };
        Ok(Self {
            _shown: shown,
            _dir: dir,
        })
    }
}

fn start(dir: &debugfs::Dir, quick: QuickStart) -> Result<Pin<KBox<debugfs::Scope<Instance>>>> {
    if quick.group_size == 0 || quick.endpoints > MAX_ENDPOINTS {
        pr_err!("group_size must not be 0, nor endpoints above {MAX_ENDPOINTS}\n");
        return Err(EINVAL);
    }
    let instance = Instance::new(quick.family, 0, quick.endpoints, quick.group_size)?;
    let files = dir.scope(instance, c"0", |instance, dir| {
        dir.read_callback_file(c"belief", instance, &show::belief);
        dir.read_callback_file(c"stats", instance, &show::stats);
    });
    KBox::pin_init(files, GFP_KERNEL)
}
