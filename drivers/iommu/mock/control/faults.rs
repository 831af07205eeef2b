// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/config/iommu_mock/<instance>/faults`: one directory for each rule.

use super::{
    quota::Quota,
    refuse,
    rule::RuleDir, //
};
use crate::{
    kapi::compat::configfs_attrs,
    mock::fault::FaultPlan, //
};
use kernel::{
    configfs,
    prelude::*,
    sync::Arc, //
};

/// The most rules of an instance.
const MAX_RULES: u32 = 64;

/// The rules of an instance.
pub(super) struct Faults {
    plan: Arc<FaultPlan>,
    rules: Arc<Quota>,
}

/// Makes the directory of the rules in `plan`.
///
/// # Errors
///
/// ENOMEM.
pub(super) fn directory(
    plan: Arc<FaultPlan>,
) -> Result<impl PinInit<configfs::Group<Faults>, Error>> {
    let item_type = configfs_attrs! {
        container: configfs::Group<Faults>,
        data: Faults,
        child: RuleDir,
        attributes: [],
    };
    let rules = Quota::new(MAX_RULES)?;
    let data = Ok::<_, Error>(Faults { plan, rules });
    Ok(configfs::Group::new(c"faults".try_into()?, item_type, data))
}

#[vtable]
impl configfs::GroupOperations for Faults {
    type Child = RuleDir;

    fn make_group(&self, name: &CStr) -> Result<impl PinInit<configfs::Group<RuleDir>, Error>> {
        let Some(share) = self.rules.take() else {
            let why = fmt!("an instance has up to {MAX_RULES} fault rules");
            return Err(refuse(ENOSPC, why));
        };
        RuleDir::create(name, self.plan.clone(), share)
    }
}
