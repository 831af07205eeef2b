// SPDX-License-Identifier: GPL-2.0

//! Which default domain a group has, and its change while nobody uses the devices.

use super::{
    defect::Defect,
    state::{
        Group,
        State, //
    },
    transition::Policy,
    warning::Warning,
    Ownership, //
};
use crate::{
    iommu::{
        DefaultType,
        Domain,
        PagingFlags,
        Strictness, //
    },
    kapi::errno,
};
use core::mem;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A default domain that is ready to be installed.
struct Candidate {
    domain: Arc<Domain>,
    what: DefaultType,
}

impl Group {
    /// Changes the type of the default domain, `None` for what suits the devices. Takes the group's
    /// mutex. This is what a write to `/sys/kernel/iommu_groups/ID/type` does.
    ///
    /// Strict to lazy is possible at any time. It takes the same test as at set-up: without
    /// deferred flush the domain stays strict, silently (R4.2, R4.12).
    ///
    /// # Errors
    ///
    /// EINVAL without a default domain, or where a device needs another type; EPERM without
    /// members or while the devices are used; EBUSY while a member is being reset; ENOMEM and the
    /// drivers'. The old default domain is in place then.
    pub(crate) fn set_default_type(&self, target: Option<DefaultType>) -> Result {
        let mut state = self.lock();
        let Some(default) = state.default.clone() else {
            return Err(EINVAL);
        };
        if (state.default_type, target) == (DefaultType::Dma, Some(DefaultType::DmaLazy)) {
            return state.go_lazy(&default);
        }
        if state.members.is_empty() || state.owner != Ownership::Free {
            return Err(EPERM);
        }
        state.set_up_default(target)
    }
}

impl State {
    /// Chooses, makes and installs a default domain. `target` is a user's wish.
    ///
    /// Follows `iommu_setup_default_domain()`: what may fail comes first, and a failure leaves the
    /// old default domain in place, or none if there was none.
    ///
    /// # Errors
    ///
    /// See [`Group::set_default_type`].
    pub(super) fn set_up_default(&mut self, target: Option<DefaultType>) -> Result {
        let wanted = self.choose_type(target)?;
        let Candidate { domain, what } = self.make_default(wanted)?;
        if super::state::is(self.default.as_ref(), &domain) {
            return Ok(());
        }
        let what = self.adopt(&domain, what)?;

        // Before the switch, so that firmware never finds a gap. Some tables only take mappings
        // once a device is attached: those get a second chance below.
        let mapped = self.map_direct_all(&domain, what);

        let old = self.default.replace(domain.clone());
        let old_type = mem::replace(&mut self.default_type, what);
        let policy = match self.current {
            None => Policy::MustSucceed,
            Some(_) => Policy::MayFail,
        };
        if let Err(error) = self.transition(&domain, policy) {
            if policy == Policy::MustSucceed {
                self.warn(Warning::FailedDefault);
            } else if !self.seeded.has(Defect::DefaultForgotten) {
                self.default = old;
                self.default_type = old_type;
            }
            return Err(error.into());
        }

        // A user's domain that the group was on went, and its handle with it.
        self.handle = None;
        if let Err(error) = mapped.or_else(|_| self.map_direct_all(&domain, what)) {
            if let Some(old) = old {
                self.default = Some(old.clone());
                self.default_type = old_type;
                self.transition_or_warn(&old, Warning::FailedReturn);
            }
            return Err(error);
        }
        Ok(())
    }

    /// The type that suits all members, or `None` where any does.
    fn choose_type(&mut self, target: Option<DefaultType>) -> Result<Option<DefaultType>> {
        let mut opinion = None;
        for member in &self.members {
            let device = &member.device;
            opinion = match (opinion, device.driver().default_type(device)) {
                (present, None) => present,
                (None, new) => new,
                // One device cannot bear translation: the others have to do without.
                (Some(_), Some(DefaultType::Identity)) => Some(DefaultType::Identity),
                (present, Some(_)) => present,
            };
        }
        if self.policy.is_none() {
            opinion = match opinion {
                None | Some(DefaultType::Identity) => Some(DefaultType::Identity),
                Some(DefaultType::Dma | DefaultType::DmaLazy) => {
                    self.warn(Warning::NoDmaLayer);
                    return Err(EINVAL);
                }
            };
        }
        if self.members.iter().any(|m| m.device.untrusted()) {
            opinion = match opinion {
                None | Some(DefaultType::Dma) => Some(DefaultType::Dma),
                Some(DefaultType::Identity | DefaultType::DmaLazy) => return Err(EINVAL),
            };
        }
        match (opinion, target) {
            (Some(opinion), Some(target)) if opinion != target => Err(EINVAL),
            (opinion, None) => Ok(opinion),
            (_, target) => Ok(target),
        }
    }

    fn make_default(&self, wanted: Option<DefaultType>) -> Result<Candidate> {
        match wanted {
            Some(what) => self.make_type(what),
            None => self
                .make_type(self.system)
                .or_else(|error| match self.system {
                    DefaultType::Dma => Err(error),
                    DefaultType::Identity | DefaultType::DmaLazy => {
                        self.make_type(DefaultType::Dma)
                    }
                }),
        }
    }

    fn make_type(&self, what: DefaultType) -> Result<Candidate> {
        if let Some(default) = self.default.clone().filter(|_| self.default_type == what) {
            let domain = default;
            return Ok(Candidate { domain, what });
        }
        let first = self.members.first().ok_or(ENODEV)?.device();
        let domain = match what {
            DefaultType::Identity => first
                .driver()
                .identity()
                .cloned()
                .ok_or_else(errno::eopnotsupp)?,
            DefaultType::Dma | DefaultType::DmaLazy => {
                let pasid = first.max_pasids() != 0;
                first
                    .driver()
                    .alloc_paging(first, PagingFlags::pasid(pasid))
                    .or_else(|error| match pasid && error == errno::eopnotsupp() {
                        true => first.driver().alloc_paging(first, PagingFlags::default()),
                        false => Err(error),
                    })?
            }
        };
        Ok(Candidate { domain, what })
    }

    /// Lets the IOVA layer prepare a domain, and says what type it has become.
    fn adopt(&self, domain: &Arc<Domain>, what: DefaultType) -> Result<DefaultType> {
        let want = match what {
            DefaultType::Identity => return Ok(what),
            DefaultType::Dma => Strictness::Strict,
            DefaultType::DmaLazy => Strictness::Lazy,
        };
        let policy = self.policy.as_ref().ok_or(EINVAL)?;
        Ok(match policy.adopt(domain, want, self.can_defer_flush())? {
            Strictness::Strict => DefaultType::Dma,
            Strictness::Lazy => DefaultType::DmaLazy,
        })
    }

    fn go_lazy(&mut self, default: &Arc<Domain>) -> Result {
        if self.can_defer_flush() {
            self.policy.as_ref().ok_or(EINVAL)?.go_lazy(default)?;
            self.default_type = DefaultType::DmaLazy;
        }
        Ok(())
    }

    fn can_defer_flush(&self) -> bool {
        self.members.iter().all(|m| m.device.deferred_flush())
    }

    /// Turns a lazy default domain strict for the sake of a member that has joined and must not be
    /// lazy (R4.10). Others are unmapped more slowly then, and notice nothing else.
    pub(super) fn stay_strict(&mut self) {
        if self.default_type != DefaultType::DmaLazy || self.can_defer_flush() {
            return;
        }
        if let (Some(policy), Some(default)) = (&self.policy, &self.default) {
            policy.go_strict(default);
            self.default_type = DefaultType::Dma;
        }
    }
}
