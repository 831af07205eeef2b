// SPDX-License-Identifier: GPL-2.0

//! Attach, detach and replace.
//!
//! Attach takes a group from a domain that the core chose to one of the user's, replace from any to
//! any without blocking in between, detach back. Nobody checks who owns the group: as in the kernel
//! that is the callers' business.

use super::{
    defect::Defect,
    handle::Handle,
    owner::Ownership,
    probe::Endpoint,
    state::{
        is,
        Group,
        State, //
    },
    transition::Policy,
    warning::Warning,
};
use crate::iommu::{
    AttachError,
    Domain, //
};
use core::mem;
use kernel::{
    prelude::*,
    sync::Arc, //
};

impl Group {
    /// Attaches `domain` to all members. Takes the group's mutex.
    ///
    /// # Errors
    ///
    /// EBUSY where the current domain is a user's, even this one, or came with a handle, or a
    /// member is being reset; ENODEV without members; EINVAL towards blocking where firmware
    /// forbids it; [`Incompatible`](AttachError::Incompatible) where the domain does not fit; the
    /// driver's.
    pub(crate) fn attach(&self, domain: &Arc<Domain>) -> Result<(), AttachError> {
        self.lock().attach(domain, None)
    }

    /// Like [`Self::attach`], with a handle, that can be looked up from now on.
    ///
    /// # Errors
    ///
    /// Those of [`Self::attach`].
    pub(crate) fn attach_with(
        &self,
        domain: &Arc<Domain>,
        handle: Arc<Handle>,
    ) -> Result<(), AttachError> {
        self.lock().attach(domain, Some(handle))
    }

    /// Moves all members from whatever they are on to `domain`. Each DMA meanwhile sees the old or
    /// the new domain, as far as the hardware can. Takes the group's mutex.
    ///
    /// The new handle, or none, takes the place of the old one, which is returned. With the domain
    /// that is current this is all that happens, also during a reset.
    ///
    /// # Errors
    ///
    /// Those of [`Self::attach`] but EBUSY for a user's domain. Domain and handle are the old ones
    /// then, and no reference to the new ones is left.
    pub(crate) fn replace(
        &self,
        domain: &Arc<Domain>,
        handle: Option<Arc<Handle>>,
    ) -> Result<Option<Arc<Handle>>, AttachError> {
        self.lock().replace(domain, handle)
    }

    /// Takes all members off `domain`, to the blocking domain if the group has an owner, else to
    /// the default domain. Returns the handle it came with. Takes the group's mutex.
    ///
    /// Cannot fail. If a driver does all the same, one WARN is raised and its device is blocked.
    /// Where `domain` is not current, a WARN is all that happens; and nothing at all where the
    /// devices have gone.
    pub(crate) fn detach(&self, domain: &Arc<Domain>) -> Option<Arc<Handle>> {
        self.lock().detach(domain)
    }
}

impl Endpoint {
    /// Attaches `domain` to a device that is alone in its group. Takes the group's mutex.
    ///
    /// # Errors
    ///
    /// ENODEV where the device was released; EINVAL where it is not alone; else those of
    /// [`Group::attach`].
    pub(crate) fn attach(&self, domain: &Arc<Domain>) -> Result<(), AttachError> {
        let mut state = self.group().lock();
        state.find(self.device())?;
        if state.members.len() != 1 {
            return Err(AttachError::Failed(EINVAL));
        }
        state.attach(domain, None)
    }

    /// Takes a device that is alone in its group off `domain`. As [`Group::detach`], with a WARN
    /// instead where it is not alone. Takes the group's mutex.
    pub(crate) fn detach(&self, domain: &Arc<Domain>) {
        let mut state = self.group().lock();
        if state.find(self.device()).is_err() {
            return;
        }
        if !is(state.current.as_ref(), domain) {
            state.warn(Warning::NotCurrent);
        } else if state.members.len() != 1 {
            state.warn(Warning::NotSingleton);
        } else {
            state.detach(domain);
        }
    }
}

impl State {
    pub(super) fn attach(
        &mut self,
        domain: &Arc<Domain>,
        handle: Option<Arc<Handle>>,
    ) -> Result<(), AttachError> {
        if self.handle.is_some() || !self.on_core_domain() {
            return Err(AttachError::Failed(EBUSY));
        }
        self.check_fits(domain)?;
        self.transition(domain, Policy::MayFail)?;
        if handle.is_some() {
            self.handle = handle;
        }
        Ok(())
    }

    pub(super) fn replace(
        &mut self,
        domain: &Arc<Domain>,
        handle: Option<Arc<Handle>>,
    ) -> Result<Option<Arc<Handle>>, AttachError> {
        if !self.seeded.has(Defect::ForeignAccepted) {
            self.check_fits(domain)?;
        }
        if self.seeded.has(Defect::HandlePublishedEarly) {
            self.handle = handle.clone();
        }
        if self.seeded.has(Defect::BlockedGap) {
            if let Ok(blocking) = self.blocking_domain() {
                self.transition(&blocking, Policy::MayFail)?;
            }
        }
        self.transition(domain, Policy::MayFail)?;
        Ok(mem::replace(&mut self.handle, handle))
    }

    fn detach(&mut self, domain: &Arc<Domain>) -> Option<Arc<Handle>> {
        if self.members.is_empty() {
            return self.handle.take();
        }
        if !is(self.current.as_ref(), domain) {
            self.warn(Warning::NotCurrent);
            return None;
        }
        let target = match self.owner {
            Ownership::User { .. } => self.blocking.clone(),
            Ownership::Free | Ownership::Kernel { .. } => self.default.clone(),
        };
        match target {
            Some(target) => self.transition_or_warn(&target, Warning::FailedReturn),
            None => self.warn(Warning::NoDefault),
        }
        self.handle.take()
    }

    /// Whether `domain` is of the members' driver. What else may not fit, that driver knows.
    ///
    /// # Errors
    ///
    /// ENODEV without members, Incompatible for another driver's.
    pub(super) fn check_fits(&self, domain: &Domain) -> Result<(), AttachError> {
        let first = self.members.first().ok_or(ENODEV)?;
        if domain.key() != first.device.key() {
            return Err(AttachError::Incompatible);
        }
        Ok(())
    }
}
