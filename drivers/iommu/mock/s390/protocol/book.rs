// SPDX-License-Identifier: GPL-2.0

//! What the 2022 thread would have firmware do: block DMA while it recovers a function, but keep
//! the book of what the function is on after that.
//!
//! Nothing fails then, and nothing has to be registered anew. The driver only asks whether the
//! function is fenced.

use super::{
    super::{
        super::unit::Target,
        function::Change,
        space::S390Space, //
    },
    reregister, //
};
use crate::iommu::{
    AttachError,
    Attached, //
};

pub(super) fn attach(
    change: &mut Change<'_>,
    to: &Target<S390Space>,
) -> Result<Attached, AttachError> {
    match reregister::attach(change, to)? {
        Attached::Translating if change.is_fenced() => Ok(Attached::Fenced),
        attached => Ok(attached),
    }
}
