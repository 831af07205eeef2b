// SPDX-License-Identifier: GPL-2.0

//! The families that are judged: one line for each protocol in [`MATRIX`].

mod amd;
mod s390;
mod smmuv3;
mod vtd;

pub(crate) use self::{
    amd::Amd,
    s390::S390,
    smmuv3::Smmuv3,
    vtd::{
        Legacy,
        Scalable, //
    }, //
};
use super::matrix::{
    row,
    Row, //
};
use crate::{
    iommu::PagingFlags,
    mock::unit::Unit, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Every family with every protocol.
pub(crate) const MATRIX: [Row; 14] = [
    row::<Scalable, 0>(),
    row::<Scalable, 1>(),
    row::<Scalable, 2>(),
    row::<Scalable, 3>(),
    row::<Legacy, 4>(),
    row::<Legacy, 5>(),
    row::<Amd, 0>(),
    row::<Amd, 1>(),
    row::<Smmuv3, 0>(),
    row::<Smmuv3, 1>(),
    row::<S390, 0>(),
    row::<S390, 1>(),
    row::<S390, 2>(),
    row::<S390, 3>(),
];

/// A page table for DMA without PASID, or for that of a PASID, as the family prefers.
fn space<U: Unit>(unit: &Arc<U>, pasid: bool) -> Result<Arc<U::Space>> {
    let flags = PagingFlags::pasid(pasid);
    unit.new_space(0, flags)
}
