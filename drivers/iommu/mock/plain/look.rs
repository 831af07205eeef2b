// SPDX-License-Identifier: GPL-2.0

//! What can be seen of the plain hardware.

use super::{
    Plain,
    Root, //
};
use crate::{
    iommu::{
        Domain,
        EndpointId, //
    },
    mock::family::Look,
};
use kernel::{
    fmt,
    sync::Arc, //
};

impl Look for Plain {
    fn is_on(&self, endpoint: EndpointId, domain: &Domain) -> bool {
        match (self.hw.root(endpoint.0), Self::translation(domain)) {
            (Some(Root::Blocked), Some(Root::Blocked)) => true,
            (Some(Root::Identity), Some(Root::Identity)) => true,
            (Some(Root::Table(is)), Some(Root::Table(expected))) => Arc::ptr_eq(&is, &expected),
            (_, _) => false,
        }
    }

    fn show(&self, endpoint: EndpointId, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hw.root(endpoint.0) {
            None => f.write_str("no endpoint"),
            Some(root) => show_root(&root, f),
        }
    }

    fn show_domain(&self, domain: &Domain, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::translation(domain) {
            None => f.write_str("foreign"),
            Some(root) => show_root(&root, f),
        }
    }

    fn faults(&self) -> u32 {
        self.faults.hits()
    }
}

fn show_root(root: &Root, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match root {
        Root::Blocked => f.write_str("blocked"),
        Root::Identity => f.write_str("identity"),
        Root::Table(table) => write!(f, "table {}", table.number()),
    }
}
