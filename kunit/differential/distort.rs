// SPDX-License-Identifier: GPL-2.0

//! Calls of a driver that never were, for a test of the comparison: it must look at each part of a
//! call.

use crate::{
    iommu::{
        AttachError,
        Attached,
        Pasid, //
    },
    recorder::{
        Call,
        Event,
        Tag, //
    },
};
use kernel::prelude::*;

/// The part of a call that is got wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Distortion {
    Callback,
    Device,
    Domain,
    FormerDomain,
    Pasid,
    Errno,
    Fence,
    Order,
}

impl Distortion {
    /// Every one.
    pub(crate) const ALL: [Self; 8] = [
        Self::Callback,
        Self::Device,
        Self::Domain,
        Self::FormerDomain,
        Self::Pasid,
        Self::Errno,
        Self::Fence,
        Self::Order,
    ];

    /// Distorts what was recorded, where that has such a part.
    pub(super) fn apply(self, events: &mut [Event]) {
        if self == Self::Order {
            events.reverse();
        }
        for Event { endpoint, call } in events {
            match (self, call) {
                (Self::Device, _) => endpoint.0 ^= 1,
                (Self::Callback, call @ Call::Release) => *call = Call::Probe,
                (Self::Domain, Call::Attach { to, .. }) => *to = Tag::NONE,
                (Self::FormerDomain, Call::Attach { from, .. }) => *from = None,
                (Self::Pasid, Call::Attach { pasid, .. }) => {
                    *pasid = pasid.and_then(|pasid| Pasid::new(pasid.get() + 1).ok());
                }
                (Self::Errno, Call::Attach { answer, .. }) => {
                    if let Err(AttachError::Failed(error)) = answer {
                        *error = ERANGE;
                    }
                }
                (Self::Fence, Call::Attach { answer, .. }) => {
                    *answer = answer.and(Ok(Attached::Fenced));
                }
                _ => (),
            }
        }
    }
}
