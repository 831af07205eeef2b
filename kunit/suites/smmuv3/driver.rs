// SPDX-License-Identifier: GPL-2.0

//! The driver on live hardware, without a core.

mod attach;
mod cost;
mod flush;
mod nested;
mod pasid;

use super::text;
use crate::{
    iommu::{
        PagingFlags,
        Prot, //
    },
    mock::{
        endpoint::{
            EndpointConfig,
            InstanceConfig, //
        },
        hw::{
            machine::Inspect as _,
            Reach, //
        },
        smmuv3::{
            Smmuv3Space,
            Smmuv3Unit, //
        },
        unit::{
            Modelled as _,
            Space as _,
            Target,
            Unit as _, //
        },
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Where every space of a test has a page of its own.
const MARK: u64 = 0x4000_1000;

/// A unit with endpoints that have 4 PASIDs and ATS or not.
fn unit(protocol: u32, endpoints: usize, ats: bool) -> Result<Arc<Smmuv3Unit>> {
    unit_with(protocol, endpoints, |endpoint| endpoint.resettable = ats)
}

fn unit_with(
    protocol: u32,
    endpoints: usize,
    change: impl Fn(&mut EndpointConfig),
) -> Result<Arc<Smmuv3Unit>> {
    let mut all = KVec::new();
    for _ in 0..endpoints {
        let mut endpoint = EndpointConfig::ordinary(0);
        endpoint.max_pasids = 4;
        change(&mut endpoint);
        all.push(endpoint, GFP_KERNEL)?;
    }
    let config = InstanceConfig {
        protocol,
        ..InstanceConfig::default()
    };
    Smmuv3Unit::new(&config, &all)
}

/// What a space is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Stage1,
    /// With that many bits.
    Stage2(u32),
}

/// A space whose mark is at `page`.
fn marked(unit: &Arc<Smmuv3Unit>, of: Of, page: u64) -> Result<Arc<Smmuv3Space>> {
    let space = match of {
        Of::Stage1 => unit.new_space(0, PagingFlags::default())?,
        Of::Stage2(bits) => unit.new_stage2_space(bits)?,
    };
    space.map(MARK, page, 0x1000, 1, Prot::RW).result?;
    Ok(space)
}

/// A stage 1 as a target.
fn stage1(unit: &Arc<Smmuv3Unit>, page: u64) -> Result<Target<Smmuv3Space>> {
    Ok(Target::Paging(marked(unit, Of::Stage1, page)?))
}

/// Where an endpoint gets to at the mark.
fn reach(unit: &Smmuv3Unit, endpoint: u32, pasid: Option<u32>) -> Reach {
    unit.dma(endpoint, pasid, MARK)
}

/// How many lines the TLB has whose key is shown like this.
fn lines(unit: &Smmuv3Unit, key: &[u8]) -> Result<usize> {
    let text = text(|f| unit.machine().show_iotlb(f))?;
    let lines = text.to_bytes().split(|byte| *byte == b'\n');
    Ok(lines
        .filter(|line| !line.is_empty() && line.starts_with(key))
        .count())
}
