// SPDX-License-Identifier: GPL-2.0

//! Finding a domain for a device among those an address space has.

use super::{
    defect::{
        Defect,
        Seeded, //
    },
    state::{
        Group,
        State, //
    },
};
use crate::iommu::{
    AttachError,
    Domain,
    PagingFlags, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The domains that together translate for all devices of one user, as few as will do.
///
/// A domain that fits one device may not fit another. The one error that says so is
/// [`Incompatible`](AttachError::Incompatible); every other one ends the search, as taking it for
/// a misfit would hide a failure behind one more domain.
pub(crate) struct AddressSpace {
    domains: KVec<Arc<Domain>>,
    seeded: Seeded,
}

impl AddressSpace {
    /// Makes an address space without domains.
    pub(crate) fn new() -> Self {
        Self {
            domains: KVec::new(),
            seeded: Seeded::for_new(),
        }
    }

    /// Its domains, in the order in which they are tried.
    pub(crate) fn domains(&self) -> &[Arc<Domain>] {
        &self.domains
    }

    /// Attaches the group to the first domain that fits, else to one allocated for it. Returns that
    /// domain. Takes the group's mutex.
    ///
    /// # Errors
    ///
    /// The first that is not Incompatible, and then no domain has been made; with the new domain
    /// every error, also Incompatible, which is then the driver's defect (R2.3). The group is
    /// where it was, and the address space as it was.
    pub(crate) fn attach(&mut self, group: &Group) -> Result<Arc<Domain>, AttachError> {
        self.search(group, |state, domain| state.attach(domain, None))
    }

    /// Like [`Self::attach`], from whatever the group is on, without blocking in between.
    ///
    /// # Errors
    ///
    /// See [`Self::attach`].
    pub(crate) fn replace(&mut self, group: &Group) -> Result<Arc<Domain>, AttachError> {
        self.search(group, |state, domain| {
            state.replace(domain, None).map(|_| ())
        })
    }

    fn search(
        &mut self,
        group: &Group,
        attempt: impl Fn(&mut State, &Arc<Domain>) -> Result<(), AttachError>,
    ) -> Result<Arc<Domain>, AttachError> {
        let mut state = group.lock();
        for domain in &self.domains {
            match attempt(&mut state, domain) {
                Ok(()) => return Ok(domain.clone()),
                Err(AttachError::Incompatible) if !self.seeded.has(Defect::SoftErrorStops) => (),
                Err(AttachError::Failed(_)) if self.seeded.has(Defect::HardErrorContinues) => (),
                Err(error) => return Err(error),
            }
        }
        self.domains.reserve(1, GFP_KERNEL)?;
        let first = state.members().first().ok_or(ENODEV)?.device();
        let domain = first.driver().alloc_paging(first, PagingFlags::default())?;
        attempt(&mut state, &domain)?;
        // Room was reserved.
        let _ = self.domains.push_within_capacity(domain.clone());
        Ok(domain)
    }
}
