// SPDX-License-Identifier: GPL-2.0

//! A deterministic explorer of how threads that use a group at once can interleave.

pub(crate) mod explore;
pub(crate) mod flush;
pub(crate) mod history;
pub(crate) mod named;
pub(crate) mod objects;
pub(crate) mod scene;
pub(crate) mod search;
pub(crate) mod subject;
pub(crate) mod timeline;
pub(crate) mod watched;
pub(crate) mod world;
