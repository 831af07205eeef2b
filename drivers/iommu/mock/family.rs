// SPDX-License-Identifier: GPL-2.0

//! The families of mock hardware, and what can be seen of each.

use super::{
    fault::FaultPlan,
    plain::{
        EndpointConfig,
        Plain,
        PlainConfig, //
    }, //
};
use crate::iommu::{
    Domain,
    Driver,
    EndpointId, //
};
use kernel::{
    fmt,
    prelude::*,
    sync::Arc, //
};

/// A family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// One register per endpoint.
    Plain = 0,
}

impl TryFrom<u32> for Family {
    type Error = Error;

    fn try_from(number: u32) -> Result<Self> {
        match number {
            0 => Ok(Self::Plain),
            _ => Err(EINVAL),
        }
    }
}

/// Hardware that can be looked into, whatever its driver and the core believe.
pub(crate) trait Look: Send + Sync {
    /// Whether the hardware sends the DMA of an endpoint where `domain` says.
    fn is_on(&self, endpoint: EndpointId, domain: &Domain) -> bool;

    /// Writes in a word or two where the hardware sends the DMA of an endpoint.
    fn show(&self, endpoint: EndpointId, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// Writes in the same words where `domain` says.
    fn show_domain(&self, domain: &Domain, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// Calls that failed because they were told to.
    fn faults(&self) -> u32;
}

/// What is behind an instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// How many endpoints, numbered from 0.
    pub(crate) endpoints: u32,
    /// How many of them share a group.
    pub(crate) group_size: u32,
    /// One more than the largest PASID of each; 0 for none.
    pub(crate) pasids: u32,
}

/// An instance of a family.
pub(crate) struct Mock {
    /// Its driver.
    pub(crate) driver: Arc<dyn Driver>,
    /// Its hardware.
    pub(crate) look: Arc<dyn Look>,
}

impl Family {
    /// Makes an instance that fails by `faults`.
    ///
    /// # Errors
    ///
    /// EINVAL for groups of no endpoint, ENOMEM.
    pub(crate) fn build(self, shape: Shape, faults: Arc<FaultPlan>) -> Result<Mock> {
        match self {
            Self::Plain => {
                let mut configs = KVec::new();
                for id in 0..shape.endpoints {
                    let group = id.checked_div(shape.group_size).ok_or(EINVAL)?;
                    let config = EndpointConfig {
                        max_pasids: shape.pasids,
                        ..EndpointConfig::ordinary(group.into())
                    };
                    configs.push(config, GFP_KERNEL)?;
                }
                let plain = Plain::with_faults(PlainConfig::default(), configs, faults)?;
                Ok(Mock {
                    driver: plain.clone(),
                    look: plain,
                })
            }
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
        })
    }
}
