// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/config/iommu_mock`: one directory for each instance.

use super::{
    instance_dir::InstanceDir,
    refuse,
    shared,
    MAX_INSTANCES,
    QUICK, //
};
use crate::kapi::compat::configfs_attrs;
use kernel::{
    configfs,
    prelude::*, //
};

/// The longest name of an instance.
const MAX_NAME: usize = 32;

/// Has no data: see [`shared`].
pub(super) struct Root;

/// Makes the directory. It appears when the initialiser ran.
pub(super) fn subsystem() -> impl PinInit<configfs::Subsystem<Root>, Error> {
    let item_type = configfs_attrs! {
        container: configfs::Subsystem<Root>,
        data: Root,
        child: InstanceDir,
        attributes: [],
    };
    configfs::Subsystem::new(c"iommu_mock", item_type, Ok::<_, Error>(Root))
}

#[vtable]
impl configfs::GroupOperations for Root {
    type Child = InstanceDir;

    fn make_group(&self, name: &CStr) -> Result<impl PinInit<configfs::Group<InstanceDir>, Error>> {
        let is_plain = |c: &u8| c.is_ascii_alphanumeric() || b"-_".contains(c);
        let bytes = name.to_bytes();
        // A dot would make names of platform devices ambiguous.
        if bytes.len() > MAX_NAME || !bytes.iter().all(is_plain) {
            let why = fmt!("the name of an instance is up to {MAX_NAME} of A-Z a-z 0-9 - _");
            return Err(refuse(EINVAL, why));
        }
        let shared = shared::get().ok_or(ENODEV)?;
        if shared.quick && name.to_bytes() == QUICK.to_bytes() {
            let why = fmt!("instance 0 was made by module parameters");
            return Err(refuse(EEXIST, why));
        }
        let Some(share) = shared.instances.take() else {
            let why = fmt!("there are {MAX_INSTANCES} instances already");
            return Err(refuse(ENOSPC, why));
        };
        InstanceDir::create(name, shared.clone(), share)
    }
}
