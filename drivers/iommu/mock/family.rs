// SPDX-License-Identifier: GPL-2.0

//! The list of families.

use super::{
    amd::AmdUnit,
    endpoint::{
        EndpointConfig,
        InstanceConfig, //
    },
    fault::FaultPlan,
    plain::PlainUnit,
    s390::S390Unit,
    shell::{
        Mock,
        Shell, //
    },
    smmuv3::Smmuv3Unit,
    unit::Unit,
    vtd::VtdUnit, //
};
use crate::iommu::{
    Bus,
    Driver, //
};
use kernel::{
    fmt,
    prelude::*,
    sync::Arc, //
};

/// A family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family {
    /// Its name.
    pub(crate) name: &'static str,
    /// Names of the ways in which it can update entries; the first is what Linux does.
    pub(crate) protocols: &'static [&'static str],
    build: fn(InstanceConfig, KVec<EndpointConfig>, Arc<FaultPlan>) -> Result<Instance>,
}

impl Family {
    const fn of<U: Unit>() -> Self {
        Self {
            name: U::NAME,
            protocols: U::PROTOCOLS,
            build: build::<U>,
        }
    }
}

/// All families, by number.
pub(crate) const FAMILIES: &[Family] = &[
    Family::of::<PlainUnit>(),
    Family::of::<VtdUnit>(),
    Family::of::<AmdUnit>(),
    Family::of::<Smmuv3Unit>(),
    Family::of::<S390Unit>(), //
];

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
pub(crate) struct Instance {
    /// Its driver.
    pub(crate) driver: Arc<dyn Driver>,
    /// The same with what can be seen of it.
    pub(crate) mock: Arc<dyn Mock>,
    /// Its hardware as endpoints find it.
    pub(crate) bus: Arc<dyn Bus>,
}

fn build<U: Unit>(
    config: InstanceConfig,
    endpoints: KVec<EndpointConfig>,
    faults: Arc<FaultPlan>,
) -> Result<Instance> {
    let shell = Shell::<U>::new(config, endpoints, faults)?;
    Ok(Instance {
        driver: shell.clone(),
        bus: shell.clone(),
        mock: shell,
    })
}

impl Family {
    /// Makes an instance that fails by `faults`.
    ///
    /// # Errors
    ///
    /// EINVAL for a protocol that there is not, ENOMEM.
    pub(crate) fn build(
        self,
        config: InstanceConfig,
        endpoints: KVec<EndpointConfig>,
        faults: Arc<FaultPlan>,
    ) -> Result<Instance> {
        if config.protocol as usize >= self.protocols.len() {
            return Err(EINVAL);
        }
        (self.build)(config, endpoints, faults)
    }

    /// Makes an instance of ordinary endpoints.
    ///
    /// # Errors
    ///
    /// EINVAL for groups of no endpoint, or a protocol that there is not; ENOMEM.
    pub(crate) fn build_shape(
        self,
        shape: Shape,
        protocol: u32,
        faults: Arc<FaultPlan>,
    ) -> Result<Instance> {
        self.build_of(EndpointConfig::ordinary, shape, protocol, faults)
    }

    /// The same of [claimed](EndpointConfig::claimed) endpoints.
    ///
    /// # Errors
    ///
    /// As [`Self::build_shape`].
    pub(crate) fn build_claimed(
        self,
        shape: Shape,
        protocol: u32,
        faults: Arc<FaultPlan>,
    ) -> Result<Instance> {
        self.build_of(EndpointConfig::claimed, shape, protocol, faults)
    }

    fn build_of(
        self,
        endpoint: fn(u64) -> EndpointConfig,
        shape: Shape,
        protocol: u32,
        faults: Arc<FaultPlan>,
    ) -> Result<Instance> {
        let mut endpoints = KVec::new();
        for id in 0..shape.endpoints {
            let group = id.checked_div(shape.group_size).ok_or(EINVAL)?;
            let endpoint = EndpointConfig {
                max_pasids: shape.pasids,
                ..endpoint(group.into())
            };
            endpoints.push(endpoint, GFP_KERNEL)?;
        }
        let config = InstanceConfig {
            protocol,
            ..InstanceConfig::default()
        };
        self.build(config, endpoints, faults)
    }
}

impl TryFrom<u32> for Family {
    type Error = Error;

    fn try_from(number: u32) -> Result<Self> {
        let number = usize::try_from(number)?;
        FAMILIES.get(number).copied().ok_or(EINVAL)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
