// SPDX-License-Identifier: GPL-2.0

//! DMA ownership: either kernel drivers use the devices through the default domain, or one user
//! (VFIO, iommufd) decides what they reach.

use super::{
    defect::Defect,
    probe::Endpoint,
    state::{
        Group,
        State, //
    },
    transition::Policy,
    warning::Warning,
};
use crate::iommu::{
    AttachError,
    Domain,
    PagingFlags, //
};
use core::num::NonZeroU64;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Identity of a user. Not zero, which is what the kernel's NULL owner would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(pub(crate) NonZeroU64);

/// Who may use the devices' DMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// Nobody does.
    Free,
    /// That many kernel drivers do; at least one.
    Kernel {
        /// Bound drivers.
        drivers: u32,
    },
    /// A user does, and has claimed that often; at least once.
    User {
        /// Who.
        owner: Owner,
        /// Claims.
        claims: u32,
    },
}

impl Group {
    /// Gives the devices' DMA to `owner` alone and blocks it. Takes the group's mutex.
    ///
    /// # Errors
    ///
    /// EPERM where the group is in use, be it by the same owner; EBUSY where the current domain is
    /// not the default, a handle or PASID is attached, or a member is being reset; EINVAL where
    /// firmware forbids blocking; ENOMEM and the driver's for the blocking domain.
    pub(crate) fn claim(&self, owner: Owner) -> Result<(), AttachError> {
        let mut state = self.lock();
        if state.owner != Ownership::Free {
            return Err(AttachError::Failed(EPERM));
        }
        if state.seeded.has(Defect::ClaimChecksFirst) {
            drop(state);
            state = self.lock();
        }
        state.take(owner)
    }

    /// Ends all claims and returns the devices to their default domain, forcing them off a domain
    /// that is still attached. Takes the group's mutex.
    ///
    /// Cannot fail; see [`Self::detach`]. A WARN is all that happens where nobody has claimed, or a
    /// handle or PASID is still attached.
    pub(crate) fn release_claims(&self) {
        self.lock().give_back();
    }

    /// Whether anybody uses the devices' DMA, kernel drivers included. Takes the group's mutex.
    pub(crate) fn is_claimed(&self) -> bool {
        self.lock().owner != Ownership::Free
    }
}

impl Endpoint {
    /// Starts a kernel driver's use of the device. Takes the group's mutex.
    ///
    /// # Errors
    ///
    /// ENODEV where the device was released; EPROBE_DEFER without a default domain; EBUSY where a
    /// user has the group, it is not on its default domain, a PASID or handle is attached, or a
    /// member could not be brought back to the default domain (R0.6).
    pub(crate) fn use_default(&self) -> Result {
        let mut state = self.group().lock();
        state.find(self.device())?;
        state.use_default()
    }

    /// Ends a kernel driver's use of the device. Takes the group's mutex. A WARN is all that
    /// happens where no such use began, or a PASID or handle is left.
    pub(crate) fn unuse_default(&self) {
        self.group().lock().unuse_default();
    }

    /// Gives the DMA of the device's group to `owner`, who may claim once for each device. Takes
    /// the group's mutex.
    ///
    /// # Errors
    ///
    /// ENODEV where the device was released; EPERM where somebody else uses the group; else those
    /// of [`Group::claim`].
    pub(crate) fn claim(&self, owner: Owner) -> Result<(), AttachError> {
        let mut state = self.group().lock();
        state.find(self.device())?;
        let off_by_one = state.seeded.has(Defect::OwnerCountOffByOne);
        match &mut state.owner {
            Ownership::Free => state.take(owner),
            Ownership::User {
                owner: present,
                claims,
            } if *present == owner => {
                if !off_by_one {
                    *claims = claims.checked_add(1).ok_or(EBUSY)?;
                }
                Ok(())
            }
            Ownership::Kernel { .. } | Ownership::User { .. } => Err(AttachError::Failed(EPERM)),
        }
    }

    /// Ends one claim; the last one as [`Group::release_claims`]. Takes the group's mutex.
    pub(crate) fn release_claim(&self) {
        let mut state = self.group().lock();
        match &mut state.owner {
            Ownership::User { claims, .. } if *claims > 1 => *claims -= 1,
            Ownership::Free | Ownership::Kernel { .. } | Ownership::User { .. } => {
                state.give_back();
            }
        }
    }
}

impl State {
    fn take(&mut self, owner: Owner) -> Result<(), AttachError> {
        let home = match (&self.current, &self.default) {
            (None, _) => true,
            (Some(current), Some(default)) => Arc::ptr_eq(current, default),
            (Some(_), None) => false,
        };
        if !home || self.in_use() {
            return Err(AttachError::Failed(EBUSY));
        }
        let blocking = self.blocking_domain()?;
        self.transition(&blocking, Policy::MayFail)?;
        self.owner = Ownership::User { owner, claims: 1 };
        Ok(())
    }

    fn give_back(&mut self) {
        if !matches!(self.owner, Ownership::User { .. }) || self.in_use() {
            self.warn(Warning::BadRelease);
            return;
        }
        self.owner = Ownership::Free;
        match self.default.clone() {
            Some(default) => self.transition_or_warn(&default, Warning::FailedReturn),
            None if self.members.is_empty() => (),
            None => self.warn(Warning::NoDefault),
        }
    }

    fn use_default(&mut self) -> Result {
        if self.default.is_none() {
            return Err(EPROBE_DEFER);
        }
        let home = self.is_home() || self.seeded.has(Defect::BindAfterFailedReturn);
        if !home || self.in_use() {
            return Err(EBUSY);
        }
        let drivers = match self.owner {
            Ownership::Free => 0,
            Ownership::Kernel { drivers } => drivers,
            Ownership::User { .. } => return Err(EBUSY),
        };
        let drivers = drivers.checked_add(1).ok_or(EBUSY)?;
        self.owner = Ownership::Kernel { drivers };
        Ok(())
    }

    fn unuse_default(&mut self) {
        match self.owner {
            Ownership::Kernel { drivers } if !self.in_use() => {
                self.owner = match drivers - 1 {
                    0 => Ownership::Free,
                    drivers => Ownership::Kernel { drivers },
                };
            }
            Ownership::Free | Ownership::Kernel { .. } | Ownership::User { .. } => {
                self.warn(Warning::BadUnuse);
            }
        }
    }

    /// The domain that aborts all DMA of the members, made when it is first needed: the driver's
    /// own, else an empty page table.
    ///
    /// # Errors
    ///
    /// ENODEV without members, and those of
    /// [`Driver::alloc_paging`](crate::iommu::Driver::alloc_paging).
    pub(super) fn blocking_domain(&mut self) -> Result<Arc<Domain>> {
        if let Some(blocking) = &self.blocking {
            return Ok(blocking.clone());
        }
        let first = self.members.first().ok_or(ENODEV)?.device();
        let blocking = match first.driver().blocked() {
            Some(blocked) => blocked.clone(),
            None => first.driver().alloc_paging(first, PagingFlags::default())?,
        };
        self.blocking = Some(blocking.clone());
        Ok(blocking)
    }
}
