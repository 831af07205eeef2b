// SPDX-License-Identifier: GPL-2.0

//! The layer between a core and the domains that hand out IOVAs.

use super::domain::{
    Clock,
    DmaDomain,
    Settings, //
};
use crate::iommu::{
    DmaPolicy,
    Domain,
    Strictness, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Makes default domains of one kind of endpoint: whether one ring or several serve it best is the
/// endpoint's property, not the driver's.
pub(crate) struct Layer {
    settings: Settings,
    clock: Arc<dyn Clock>,
}

impl Layer {
    /// Makes the layer.
    pub(crate) fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self { settings, clock }
    }

    /// The part of an adopted domain that hands out IOVAs.
    pub(crate) fn of(domain: &Domain) -> Option<&DmaDomain> {
        domain.cookie()
    }
}

impl DmaPolicy for Layer {
    fn adopt(
        &self,
        domain: &Arc<Domain>,
        want: Strictness,
        deferred_flush: bool,
    ) -> Result<Strictness> {
        let dma = DmaDomain::new(domain, self.settings, self.clock.clone())?;
        let mut granted = Strictness::Strict;
        if want == Strictness::Lazy && deferred_flush {
            match dma.go_lazy() {
                Ok(()) => granted = Strictness::Lazy,
                Err(error) => pr_warn!("no memory for a flush queue ({error:?}): strict\n"),
            }
        }
        domain.set_cookie(dma)?;
        Ok(granted)
    }

    fn go_lazy(&self, domain: &Arc<Domain>) -> Result {
        Self::of(domain).ok_or(EINVAL)?.go_lazy()
    }

    fn go_strict(&self, domain: &Arc<Domain>) {
        if let Some(dma) = Self::of(domain) {
            dma.go_strict(domain);
        }
    }
}
