// SPDX-License-Identifier: GPL-2.0

//! The hardware of Arm SMMUv3: a linear stream table, a linear table of context descriptors for
//! each stream, and VMSAv8-64 page tables with a 4 KiB granule.
//!
//! Names and layouts are those of the Arm System Memory Management Unit Architecture Specification,
//! SMMU architecture version 3 (IHI 0070). Left out are two-level tables, other granules, Secure
//! and EL2 streams, ATCs, memory attributes, and the second table base of a CD.

pub(crate) mod cd;
pub(crate) mod command;
mod field;
pub(crate) mod geometry;
mod model;
mod show;
pub(crate) mod ste;
pub(crate) mod tag;
mod walk;

pub(crate) use self::{
    field::Field,
    model::Smmuv3, //
};
