// SPDX-License-Identifier: GPL-2.0

//! The window of a device reset, in which its translations must not be used: the device is parked
//! on the blocking domain while its group stays where it is.
//!
//! Follows `pci_dev_reset_iommu_prepare()` and `pci_dev_reset_iommu_done()`.

use super::{
    member::{
        Belief,
        Park, //
    },
    probe::Endpoint,
    state::{
        is,
        State, //
    },
    transition::Policy,
    warning::Warning, //
};
use crate::iommu::{
    AttachError,
    Attached,
    Domain,
    Pasid, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

impl Endpoint {
    /// Parks the device. Nests; only the outermost call does anything. Takes the group's mutex.
    ///
    /// Until [`Self::reset_done`], transitions of the group that may fail are refused, and those
    /// that must succeed leave this device alone. Devices that are not
    /// [`resettable`](crate::iommu::Device::resettable) take no part.
    ///
    /// # Errors
    ///
    /// ENODEV and a WARN where the device was released; those of the blocking domain and of the
    /// driver. The device stays attached then.
    pub(crate) fn reset_prepare(&self) -> Result<(), AttachError> {
        if !self.device().resettable() {
            return Ok(());
        }
        let mut state = self.group().lock();
        let Ok(index) = state.find(self.device()) else {
            state.warn(Warning::NotMember);
            return Err(AttachError::Failed(ENODEV));
        };
        state.park(index)
    }

    /// Ends what [`Self::reset_prepare`] began: the device goes where its group is now. Takes the
    /// group's mutex.
    ///
    /// Cannot fail. If its driver does, a WARN is raised and the device stays blocked. Without a
    /// matching call before, a WARN is all that happens.
    pub(crate) fn reset_done(&self) {
        if !self.device().resettable() {
            return;
        }
        let mut state = self.group().lock();
        match state.find(self.device()) {
            Ok(index) => state.unpark(index),
            Err(_) => state.warn(Warning::NotMember),
        }
    }
}

impl State {
    fn park(&mut self, index: usize) -> Result<(), AttachError> {
        let member = self.members.get_mut(index).ok_or(ENODEV)?;
        if member.reset_depth != 0 {
            member.reset_depth = member.reset_depth.checked_add(1).ok_or(EBUSY)?;
            return Ok(());
        }
        let astray = member.is_astray();
        let blocking = self.blocking_domain()?;
        if astray || !is(self.current.as_ref(), &blocking) {
            let from = self.current.clone();
            self.attach_member(index, &blocking, from.as_ref(), Policy::MayFail)?;
        }
        let member = self.members.get_mut(index).ok_or(ENODEV)?;
        member.belief = Belief::Parked(Park::Reset);
        member.reset_depth = 1;
        let device = member.device.clone();
        for at in 0..self.pasids.entries().len() {
            if let Some((pasid, domain)) = self.pasid_at(at) {
                self.block_pasid(pasid, &domain, |m| Arc::ptr_eq(&m.device, &device));
            }
        }
        Ok(())
    }

    fn unpark(&mut self, index: usize) {
        let Some(member) = self.members.get_mut(index) else {
            return;
        };
        if member.reset_depth == 0 {
            self.warn(Warning::UnbalancedReset);
            return;
        }
        member.reset_depth -= 1;
        if member.reset_depth != 0 {
            return;
        }
        member.belief = Belief::OnDomain(Attached::Translating);
        let device = member.device.clone();
        let from = self.blocking.clone();
        let to = self.current.clone();
        if let Some(current) = to.filter(|current| !is(from.as_ref(), current)) {
            let restored = self.attach_member(index, &current, from.as_ref(), Policy::MustSucceed);
            if restored.is_err() {
                self.warn(Warning::FailedRestore);
            }
        }
        for at in 0..self.pasids.entries().len() {
            let Some((pasid, domain)) = self.pasid_at(at) else {
                break;
            };
            if pasid.get() >= device.max_pasids() {
                continue;
            }
            let set = device
                .driver()
                .set_pasid(&device, pasid, &domain, from.as_ref());
            if set.is_err() {
                self.warn(Warning::FailedPasidRestore);
            }
        }
    }

    fn pasid_at(&self, at: usize) -> Option<(Pasid, Arc<Domain>)> {
        let entry = self.pasids.entries().get(at)?;
        Some((entry.pasid(), entry.domain().clone()))
    }
}
