// SPDX-License-Identifier: GPL-2.0

//! Deferred attach: a device that a former kernel left running is attached when its driver first
//! maps something, having reset it before.

use super::{
    member::Belief,
    probe::Endpoint,
    transition::Policy,
    warning::Warning, //
};
use crate::iommu::AttachError;
use kernel::prelude::*;

impl Endpoint {
    /// Attaches the device to its group's default domain now, if that was deferred. Takes the
    /// group's mutex.
    ///
    /// As `iommu_deferred_attach()`, but the device stays deferred if its driver refuses.
    ///
    /// # Errors
    ///
    /// ENODEV and a WARN where the device was released; EBUSY while it is being reset; else the
    /// driver's.
    pub(crate) fn attach_deferred(&self) -> Result<(), AttachError> {
        let mut state = self.group().lock();
        let Ok(index) = state.find(self.device()) else {
            state.warn(Warning::NotMember);
            return Err(AttachError::Failed(ENODEV));
        };
        let member = state.members.get(index).ok_or(ENODEV)?;
        match member.belief {
            Belief::Deferred => (),
            Belief::Parked(super::Park::Reset) => return Err(AttachError::Failed(EBUSY)),
            Belief::OnDomain(_) | Belief::Parked(_) | Belief::Lost(_) => return Ok(()),
        }
        let Some(default) = state.default.clone() else {
            return Err(AttachError::Failed(ENODEV));
        };
        state.attach_member(index, &default, None, Policy::MayFail)
    }
}
