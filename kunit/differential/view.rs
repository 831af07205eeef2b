// SPDX-License-Identifier: GPL-2.0

//! All that can be seen of a group of the kernel's core.

use super::{
    choose::Model,
    domains, //
};
use crate::{
    ccore::{
        Believed,
        Member, //
    },
    iommu::{
        DefaultType,
        EndpointId,
        Pasid, //
    },
    mark,
    mock::hw::Reach,
    recorder::Tag,
    rig::{
        HandleNo,
        Kernel,
        Rig,
        PASIDS, //
    },
};
use kernel::prelude::*;

/// Where a domain has nothing mapped, unless somebody has done what nobody should.
pub(super) const BESIDE: u64 = mark::IOVA + mark::SIZE;

/// Where the core believes a member to be.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Belief {
    Nowhere,
    On(Tag),
    Abroad,
}

/// What there is of a device.
#[derive(Debug, PartialEq)]
struct Device {
    /// Where its DMA goes, without a PASID and with each.
    reaches: [Option<Reach>; PASIDS as usize],
    /// Who refers to it.
    references: u32,
}

/// See the module.
#[derive(Debug, PartialEq)]
pub(super) struct View {
    devices: KVec<Device>,
    beliefs: KVec<(EndpointId, Belief)>,
    /// Who refers to the group.
    references: u32,
    handle: Result<HandleNo>,
    claimed: bool,
    default: Result<DefaultType>,
    /// Where each user domain leads to beside its mark.
    beside: KVec<u64>,
}

impl View {
    /// That of a group which has members.
    pub(super) fn of(kernel: &Kernel, model: &Model) -> Result<Self> {
        let group = kernel.group()?;
        let mut devices = KVec::new();
        for (at, present) in (0..).zip(&model.present) {
            let device = Device {
                reaches: core::array::from_fn(|pasid| reach(kernel, present.id, pasid)),
                references: kernel.endpoint(at)?.references(),
            };
            devices.push(device, GFP_KERNEL)?;
        }
        let mut beliefs = KVec::new();
        for Member { endpoint, believed } in group.members()? {
            let belief = match believed {
                Believed::Nothing => Belief::Nowhere,
                Believed::On(domain) => Belief::On(Tag::of(&domain)),
                Believed::Foreign => Belief::Abroad,
            };
            beliefs.push((endpoint, belief), GFP_KERNEL)?;
        }
        let mut beside = KVec::new();
        for domain in domains() {
            beside.push(kernel.get(domain)?.iova_to_phys(BESIDE), GFP_KERNEL)?;
        }
        Ok(Self {
            devices,
            beliefs,
            references: group.references()?,
            handle: kernel.handle(),
            claimed: group.is_claimed(),
            default: kernel.default_type(),
            beside,
        })
    }
}

/// Where the DMA of a device with a PASID goes; that without one for 0.
fn reach(kernel: &Kernel, id: u32, pasid: usize) -> Option<Reach> {
    // CAST: PASIDs are few.
    let pasid = match pasid {
        0 => None,
        _ => Some(Pasid::new(pasid as u32).ok()?),
    };
    Some(kernel.mock().dma(EndpointId(id), pasid, mark::IOVA))
}
