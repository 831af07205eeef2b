// SPDX-License-Identifier: GPL-2.0

//! One instruction instead of two: REREG_IOAT, which goes from the old space to the new one without
//! blocked between them, with the function on both lists meanwhile.
//!
//! Where firmware refuses, the old space stays in force.

use super::{
    super::{
        super::{
            hw::{
                model::Answer,
                s390::instruction::{
                    op,
                    status, //
                },
            },
            unit::Target, //
        },
        function::{
            Change,
            Outcome, //
        },
        space::S390Space, //
    },
    finish, //
};
use crate::iommu::{
    AttachError,
    Attached, //
};
use kernel::prelude::*;

pub(super) fn attach(
    change: &mut Change<'_>,
    to: &Target<S390Space>,
) -> Result<Attached, AttachError> {
    let same = change.is_on(to);
    change.list(to);
    let outcome = match to {
        Target::Blocked => change.clear(),
        Target::Identity | Target::Paging(_) => replace(change, to).into(),
    };
    if !same {
        match outcome {
            Outcome::Refused => change.unlist(to),
            _ => change.unlist(change.on()),
        }
    }
    if outcome == Outcome::Refused {
        return Err(AttachError::Failed(EIO));
    }
    change.set(to);
    finish(change, to, outcome.attached())
}

fn replace(change: &Change<'_>, to: &Target<S390Space>) -> Answer {
    if !matches!(change.on(), Target::Blocked) {
        let answer = change.register(op::REREG_IOAT, to);
        // Nothing is registered where the last attach found the function fenced.
        if answer != Answer::refused(status::SEQUENCE) {
            return answer;
        }
    }
    let answer = change.register(op::REG_IOAT, to);
    if answer != Answer::refused(status::SEQUENCE) {
        return answer;
    }
    // And something may be where it could not be taken away then.
    change.register(op::REREG_IOAT, to)
}
