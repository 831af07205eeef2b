// SPDX-License-Identifier: GPL-2.0

//! What a thread does that obeys the rules: it ends what it has begun, and nothing else. If all do,
//! nothing may warn, and afterwards nobody uses the group.

use super::arena::{
    Arena,
    Counts, //
};
use crate::{
    group::{
        Endpoint,
        Owner, //
    },
    iommu::{
        AttachError,
        Domain,
        Pasid, //
    },
    kapi::kunit::{
        check,
        Outcome, //
    },
    random::Random,
    walk::{
        handle,
        pasid,
        DEFAULT_TYPES, //
    },
};
use core::num::NonZeroU64;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// See the module.
pub(super) struct Session<'a> {
    arena: &'a Arena,
    /// The thread: what it has for itself has this number, or is of it modulo [`THREADS`].
    number: u32,
    present: &'a [Arc<Endpoint>],
    random: &'a mut Random,
    counts: &'a mut Counts,
}

/// Threads.
pub(super) const THREADS: u32 = 2;

/// Owners that the threads are by turns, apart from one that each has for itself.
const SHARED_OWNERS: u32 = 2;

impl<'a> Session<'a> {
    pub(super) fn new(
        arena: &'a Arena,
        number: u32,
        present: &'a [Arc<Endpoint>],
        random: &'a mut Random,
        counts: &'a mut Counts,
    ) -> Self {
        Self {
            arena,
            number,
            present,
            random,
            counts,
        }
    }

    /// Does one thing, from its beginning to its end.
    pub(super) fn run(mut self) -> Outcome {
        let at = self.random.below(self.present.len() as u32) as usize;
        let endpoint = self.present.get(at).ok_or(ENODEV)?;
        // A device is not reset while it is unplugged: both are the same thread's.
        let own = endpoint.device().id().0 % THREADS == self.number;
        match self.random.below(6) {
            0 if own => self.reset(endpoint),
            1 if own => self.unplug_and_plug(endpoint),
            2 => self.bind(endpoint),
            3 => self.change_type(endpoint),
            _ => self.use_as_user(endpoint),
        }
    }

    /// Counts an answer and says whether it was granted.
    fn granted<T, E>(&mut self, result: Result<T, E>) -> bool {
        self.counts.operations += 1;
        match result.is_ok() {
            true => self.counts.done += 1,
            false => self.counts.refused += 1,
        }
        result.is_ok()
    }

    fn reset(&mut self, endpoint: &Endpoint) -> Outcome {
        if self.granted(endpoint.reset_prepare()) {
            endpoint.reset_done();
        }
        Ok(())
    }

    fn unplug_and_plug(&mut self, endpoint: &Arc<Endpoint>) -> Outcome {
        let unplugged = self.arena.unplug(endpoint);
        check!(unplugged.is_ok(), "a device cannot leave: {unplugged:?}");
        self.counts.unplugged += 1;
        let plugged = self.arena.plug(endpoint.device().id().0);
        check!(self.granted(plugged), "a device cannot come: {plugged:?}");
        Ok(())
    }

    fn bind(&mut self, endpoint: &Endpoint) -> Outcome {
        if self.granted(endpoint.use_default()) {
            endpoint.unuse_default();
        }
        Ok(())
    }

    fn change_type(&mut self, endpoint: &Endpoint) -> Outcome {
        let wanted = self.random.pick(DEFAULT_TYPES);
        self.granted(endpoint.group().set_default_type(wanted));
        Ok(())
    }

    /// Claims the group alone, or a device of it along with others of the same owner.
    fn use_as_user(&mut self, endpoint: &Endpoint) -> Outcome {
        let alone = self.random.chance(50);
        let owner = match alone {
            true => SHARED_OWNERS + self.number,
            false => self.random.below(SHARED_OWNERS),
        };
        let owner = Owner(NonZeroU64::new(1 + u64::from(owner)).ok_or(EINVAL)?);
        let claimed = match alone {
            true => endpoint.group().claim(owner),
            false => endpoint.claim(owner),
        };
        if !self.granted(claimed) {
            return Ok(());
        }
        self.attach_and_detach(endpoint)?;
        match alone {
            true => endpoint.group().release_claims(),
            false => endpoint.release_claim(),
        }
        Ok(())
    }

    fn attach_and_detach(&mut self, endpoint: &Endpoint) -> Outcome {
        let group = endpoint.group();
        let pasid = pasid(1 + self.number)?;
        let mut attached: Option<Arc<Domain>> = None;
        let mut of_pasid: Option<Arc<Domain>> = None;
        for _ in 0..self.random.below(4) {
            let domain = self.domain()?;
            let handle = handle(self.number)?;
            match (&attached, self.random.below(3)) {
                (None, 0) => {
                    if self.granted(group.attach(&domain)) {
                        attached = Some(domain);
                    }
                }
                (None, 1) => {
                    if self.granted(group.attach_with(&domain, handle)) {
                        attached = Some(domain);
                    }
                }
                (Some(_), 0) => {
                    if self.granted(group.replace(&domain, Some(handle))) {
                        attached = Some(domain);
                    }
                }
                (Some(old), 1) => {
                    group.detach(old);
                    attached = None;
                }
                (_, _) => of_pasid = self.use_pasid(endpoint, pasid, of_pasid, domain)?,
            }
        }
        if let Some(domain) = of_pasid {
            endpoint.detach_pasid(&domain, pasid);
        }
        if let Some(domain) = attached {
            group.detach(&domain);
        }
        Ok(())
    }

    /// Attaches the thread's PASID, or replaces its domain. Returns which one it has then.
    fn use_pasid(
        &mut self,
        endpoint: &Endpoint,
        pasid: Pasid,
        old: Option<Arc<Domain>>,
        new: Arc<Domain>,
    ) -> Outcome<Option<Arc<Domain>>> {
        let handle = handle(self.number)?;
        let result: Result<(), AttachError> = match old {
            Some(_) => endpoint.replace_pasid(&new, pasid, handle).map(|_| ()),
            None => endpoint.attach_pasid(&new, pasid, Some(handle)),
        };
        Ok(match self.granted(result) {
            true => Some(new),
            false => old,
        })
    }

    fn domain(&mut self) -> Outcome<Arc<Domain>> {
        let at = self.random.below(self.arena.domains.len() as u32) as usize;
        Ok(self.arena.domains.get(at).ok_or(EINVAL)?.clone())
    }
}
