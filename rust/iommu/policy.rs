// SPDX-License-Identifier: GPL-2.0

//! What a core asks of the layer that hands out IOVAs to kernel drivers.

use super::Domain;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// When an unmapped IOVA is flushed from the hardware's caches. A policy of the core; a driver
/// cannot see it, it only reports for which devices deferring is safe
/// ([`Device::deferred_flush`](super::Device::deferred_flush)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Before unmap returns.
    Strict,
    /// In batches, before the IOVA is used again.
    Lazy,
}

/// The layer that hands out IOVAs of a default domain. There is none in the product yet; tests have
/// a simple one.
pub(crate) trait DmaPolicy: Send + Sync {
    /// Prepares `domain` for use by kernel drivers and says which strictness is in force: lazy is
    /// granted only where `deferred_flush` is true and a queue could be had, else strict. May
    /// sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    fn adopt(
        &self,
        domain: &Arc<Domain>,
        want: Strictness,
        deferred_flush: bool,
    ) -> Result<Strictness>;

    /// Turns an adopted strict domain lazy while it is in use. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM where no queue can be had; the domain stays strict.
    fn go_lazy(&self, domain: &Arc<Domain>) -> Result;

    /// Turns an adopted domain strict while it is in use: what is unmapped from now on is out of
    /// reach when the unmap returns. May sleep.
    fn go_strict(&self, domain: &Arc<Domain>);
}
