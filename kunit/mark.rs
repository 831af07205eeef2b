// SPDX-License-Identifier: GPL-2.0

//! Telling by a DMA access which domain a device is on.
//!
//! Every domain of a test maps [`IOVA`] to a page of its own, so that one access, done by the
//! hardware model, tells them all apart, whatever the family.

use crate::{
    iommu::{
        DmaPolicy,
        Domain,
        Prot,
        Strictness, //
    },
    kapi::{
        new_mutex,
        Mutex, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// Where every domain of a test has its mark. Reachable with 32 address bits.
pub(crate) const IOVA: u64 = 0x1000_0000;

/// Bytes of a mark.
pub(crate) const SIZE: u64 = 0x1000;

/// The next page nobody uses as mark.
pub(crate) fn next_page() -> u64 {
    static NEXT: Atomic<u64> = Atomic::new(0);
    (1 << 44) + NEXT.fetch_add(SIZE, Relaxed)
}

/// Gives a domain its mark.
///
/// # Errors
///
/// Those of [`Domain::map`].
pub(crate) fn mark(domain: &Domain) -> Result {
    domain.map(IOVA, next_page(), SIZE, Prot::RW)
}

/// The same for one that may have it, or have no page table.
///
/// # Errors
///
/// Those of [`Domain::map`].
pub(crate) fn mark_once(domain: &Arc<Domain>) -> Result {
    match domain.paging().is_none() || domain.iova_to_phys(IOVA).is_some() {
        true => Ok(()),
        false => mark(domain),
    }
}

/// An IOVA layer that marks the default domains it adopts, and fails when told to.
#[pin_data]
pub(crate) struct MarkingPolicy {
    #[pin]
    fails: Mutex<Option<Error>>,
    unmarked: Atomic<bool>,
}

impl MarkingPolicy {
    /// Makes one that does not fail.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            fails <- new_mutex!(None, "MarkingPolicy::fails"),
            unmarked: Atomic::new(false),
        })
    }

    /// Marks no more domains.
    pub(crate) fn leave_unmarked(&self) {
        self.unmarked.store(true, Relaxed);
    }

    /// Fails from now on with that error, or no longer.
    pub(crate) fn fail(&self, error: Option<Error>) {
        *self.fails.lock() = error;
    }

    fn check(&self) -> Result {
        self.fails.lock().map_or(Ok(()), Err)
    }
}

impl DmaPolicy for MarkingPolicy {
    fn adopt(
        &self,
        domain: &Arc<Domain>,
        want: Strictness,
        deferred_flush: bool,
    ) -> Result<Strictness> {
        self.check()?;
        if !self.unmarked.load(Relaxed) {
            mark(domain)?;
        }
        Ok(match deferred_flush {
            true => want,
            false => Strictness::Strict,
        })
    }

    fn go_lazy(&self, _domain: &Arc<Domain>) -> Result {
        self.check()
    }

    fn go_strict(&self, _domain: &Arc<Domain>) {}
}
