// SPDX-License-Identifier: GPL-2.0

//! What the kernel's core has to say to misuse.

use super::{
    super::choose::Model,
    Misuse, //
};
use crate::kapi::errno;
use core::ops::RangeInclusive;
use kernel::prelude::*;

/// What it says, and how often it warns.
pub(super) struct Verdict {
    pub(super) result: Result,
    pub(super) warned: RangeInclusive<u32>,
}

fn error(error: Error) -> Verdict {
    Verdict {
        result: Err(error),
        warned: 0..=0,
    }
}

impl Verdict {
    fn with_warns(self, warned: RangeInclusive<u32>) -> Self {
        Self { warned, ..self }
    }
}

impl Misuse {
    /// What the kernel's core has to say to it.
    pub(super) fn verdict(self, model: &Model, pasids: bool) -> Verdict {
        let reset = model.present.iter().any(|device| device.resets != 0);
        let (attached, handle) = (model.attached.is_some(), model.handle);
        let without_pasids = Some(errno::eopnotsupp()).filter(|_| !pasids);
        match self {
            Self::ClaimGroupByNobody | Self::ClaimByNobody => error(EINVAL).with_warns(1..=1),
            Self::AttachWithoutHandle | Self::ReplaceByNothing | Self::ReplaceWithoutHandle => {
                error(EINVAL)
            }
            Self::AttachUnattachable if attached || reset => error(EBUSY),
            Self::ReplaceByUnattachable if reset => error(EBUSY),
            Self::AttachUnattachable | Self::ReplaceByUnattachable => error(ENODEV),
            Self::AttachOfNobodys if attached => error(EBUSY),
            Self::AttachOfNobodys | Self::AttachWithoutIommu | Self::SetUnknownType => {
                error(EINVAL)
            }
            Self::HandleOfOtherType if handle => error(EBUSY),
            Self::HandleOfOtherType => error(ENOENT),
            Self::DetachElsewhere | Self::DetachOneOfSeveral | Self::UnmapUnmappable => Verdict {
                result: Ok(()),
                warned: 1..=1,
            },
            Self::AttachPasidUnattachable => error(errno::eopnotsupp()),
            Self::AttachPasidInvalid if pasids && reset => error(EBUSY),
            Self::AttachPasidZero
            | Self::AttachPasidInvalid
            | Self::ReplacePasidZero
            | Self::ReplacePasidWithoutHandle => error(without_pasids.unwrap_or(EINVAL)),
            Self::ReplacePasidByItself if reset => error(EBUSY),
            Self::ReplacePasidByItself => error(EINVAL).with_warns(1..=1),
            // It warns once in the life of a kernel.
            Self::MapWithOddFlags => error(EINVAL).with_warns(0..=1),
            Self::MapUnmappable => error(ENODEV).with_warns(2..=2),
            Self::AllocForStranger
            | Self::AttachStranger
            | Self::AttachPasidOfStranger
            | Self::ClaimStranger => error(ENODEV),
        }
    }
}
