// SPDX-License-Identifier: GPL-2.0

//! The plain family: one table register per endpoint and PASID, so that an attach is one store.

mod space;

pub(crate) use self::space::PlainSpace;

use super::{
    endpoint::{
        EndpointConfig,
        InstanceConfig, //
    },
    hw::{
        plain::{
            Hardware,
            Root, //
        },
        Access,
        Reach, //
    },
    unit::{
        Seen,
        Target,
        Unit,
        FORMER_KERNEL, //
    },
};
use crate::iommu::{
    AttachError,
    Attached,
    PagingFlags, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// See the module.
pub(crate) struct PlainUnit {
    hw: Arc<Hardware>,
}

/// What the table register has to hold.
fn root(to: &Target<PlainSpace>) -> Root {
    match to {
        Target::Blocked => Root::Blocked,
        Target::Identity => Root::Identity,
        Target::Paging(space) => Root::Table(space.table().clone()),
    }
}

impl Unit for PlainUnit {
    const NAME: &'static str = "plain";
    const PROTOCOLS: &'static [&'static str] = &["store"];
    const PASID: bool = true;
    type Space = PlainSpace;

    fn new(_config: &InstanceConfig, endpoints: &[EndpointConfig]) -> Result<Arc<Self>> {
        let mut firmware = KVec::with_capacity(endpoints.len(), GFP_KERNEL)?;
        for endpoint in endpoints {
            let root = match endpoint.deferred {
                true => Root::Table(space::former_kernel(FORMER_KERNEL)?),
                false => Root::Identity,
            };
            firmware.push(root, GFP_KERNEL)?;
        }
        let hw = Arc::pin_init(Hardware::new(firmware), GFP_KERNEL)?;
        Ok(Arc::new(Self { hw }, GFP_KERNEL)?)
    }

    fn new_space(self: &Arc<Self>, _endpoint: u32, _flags: PagingFlags) -> Result<Arc<PlainSpace>> {
        Ok(Arc::new(PlainSpace::new()?, GFP_KERNEL)?)
    }

    fn check(
        &self,
        _endpoint: u32,
        _pasid: Option<u32>,
        _to: &Target<PlainSpace>,
    ) -> Result<(), AttachError> {
        Ok(())
    }

    fn attach(
        &self,
        endpoint: u32,
        pasid: Option<u32>,
        to: &Target<PlainSpace>,
    ) -> Result<Attached, AttachError> {
        match pasid {
            None => self.hw.set_root(endpoint, root(to))?,
            Some(pasid) => self.hw.set_pasid_root(endpoint, pasid, root(to))?,
        }
        Ok(Attached::Translating)
    }

    fn release(&self, endpoint: u32, keep: bool) {
        self.hw.clear_pasids(endpoint);
        if !keep {
            let _ = self.hw.set_root(endpoint, Root::Blocked);
        }
    }

    /// This hardware does not tell reads from writes.
    fn access(&self, endpoint: u32, pasid: Option<u32>, iova: u64, _access: Access) -> Reach {
        self.hw.dma(endpoint, pasid, iova)
    }

    fn seen(&self, endpoint: u32) -> Option<Seen> {
        Some(match self.hw.root(endpoint)? {
            Root::Blocked => Seen::Blocked,
            Root::Identity => Seen::Identity,
            Root::Table(table) => Seen::Paging(table.number()),
        })
    }
}
