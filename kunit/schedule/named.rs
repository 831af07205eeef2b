// SPDX-License-Identifier: GPL-2.0

//! Threads of several operations: what users, drivers and the bus really do.
//!
//! A thread gives up after an operation that failed, so a user that could not claim attaches
//! nothing.

use super::subject::{
    Start,
    Subject::{
        self,
        *, //
    }, //
};

/// See the module.
pub(crate) struct Named {
    /// What is shown.
    pub(crate) name: &'static str,
    /// The operations of each thread.
    pub(crate) scripts: &'static [&'static [Subject]],
    /// Where the group starts.
    pub(crate) start: Start,
}

const USER: &[Subject] = &[Claim, Attach, Detach, ReleaseOwnership];
const HANDLE_USER: &[Subject] = &[Claim, AttachHandle, Detach, ReleaseOwnership];
const PASID_USER: &[Subject] = &[Claim, AttachPasid, DetachPasid, ReleaseOwnership];
const DRIVER: &[Subject] = &[Bind, Unbind];
const RESET: &[Subject] = &[ResetPrepare, ResetDone];

const fn named(name: &'static str, start: Start, scripts: &'static [&'static [Subject]]) -> Named {
    Named {
        name,
        scripts,
        start,
    }
}

/// All of them; a scene names them by place.
pub(crate) const NAMED_SCENES: [Named; 17] = [
    named("user, unplug (R1.7)", Start::Free, &[USER, &[Unplug]]),
    named("user, driver", Start::Free, &[USER, DRIVER]),
    named("two users", Start::Free, &[USER, USER]),
    named("user, reset", Start::Free, &[USER, RESET]),
    named("driver, reset", Start::Free, &[DRIVER, RESET]),
    named(
        "driver leaves with its device, user",
        Start::Bound,
        &[&[Unbind, Unplug], USER],
    ),
    named(
        "device goes and another comes, user",
        Start::Free,
        &[&[Unplug, HotAdd], USER],
    ),
    named(
        "user leaves, unplug (R1.6)",
        Start::Attached,
        &[&[Detach, FreeDomain, ReleaseOwnership], &[Unplug]],
    ),
    named(
        "free before detach, unplug (R1.6)",
        Start::Attached,
        &[&[FreeDomain, Detach], &[Unplug]],
    ),
    named(
        "replace, reset, unplug",
        Start::Attached,
        &[&[Replace, Detach], RESET, &[Unplug]],
    ),
    named(
        "type, driver, claim",
        Start::Free,
        &[&[SetType], DRIVER, &[Claim, ReleaseOwnership]],
    ),
    named(
        "detach, unplug, hot-add",
        Start::Attached,
        &[&[Detach, ReleaseOwnership], &[Unplug], &[HotAdd]],
    ),
    named(
        "user with a handle, unplug (R1.7)",
        Start::Free,
        &[HANDLE_USER, &[Unplug]],
    ),
    named(
        "user of a PASID, unplug",
        Start::Free,
        &[PASID_USER, &[Unplug]],
    ),
    named("user of a PASID, reset", Start::Free, &[PASID_USER, RESET]),
    named(
        "user of a PASID leaves, hot-add",
        Start::Shared,
        &[&[DetachPasid, Detach, ReleaseOwnership], &[HotAdd]],
    ),
    named(
        "handle and PASID are left, free, unplug (R1.6)",
        Start::Shared,
        &[&[DetachPasid], &[FreeDomain, Detach], &[Unplug]],
    ),
];
