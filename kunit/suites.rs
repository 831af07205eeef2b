// SPDX-License-Identifier: GPL-2.0

//! All suites, and what they are run with.

mod amd;
mod attach;
mod bind;
mod choice;
mod contract;
mod default;
mod defect;
mod deferred;
mod detach;
mod differential;
mod direct;
mod dirty;
mod dma_copy;
mod dma_domain;
mod dma_iova;
mod dma_policy;
mod dma_queue;
mod dma_tables;
mod dma_threads;
mod expect;
mod fault;
mod handle;
mod harness;
mod input;
mod inspect;
mod judge;
mod judge_history;
mod judge_literal;
mod judge_matrix;
mod judge_order;
mod kernel_core;
mod map;
mod nth_failure;
mod oracle;
mod owner;
mod pasid;
mod pasid_replace;
mod pgtable_format;
mod pgtable_kernel;
mod pgtable_map;
mod pgtable_memory;
mod pgtable_refuse;
mod pgtable_shadow;
mod pgtable_threads;
mod pgtable_unmap;
mod probe;
mod recovery;
mod refusal;
mod release;
mod replace;
mod reset;
mod revert;
mod s390;
mod schedule;
mod schedule_families;
mod schedule_flush;
mod schedule_named;
mod schedule_pairs;
mod schedule_triples;
mod search;
mod smmuv3;
mod unmap;
mod vtd;
mod walk;

use crate::kapi::kunit;
use kernel::fmt;

/// What a case is run with.
pub(crate) struct Size {
    /// Members of the group under test.
    pub(crate) members: u32,
}

impl kunit::Param for Size {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} members", self.members)
    }
}

/// Group sizes that every group operation is tested with.
pub(crate) const SIZES: [Size; 3] = [
    Size { members: 1 },
    Size { members: 2 },
    Size { members: 5 },
];

/// Group sizes in which one member can fail after others.
pub(crate) const SEVERAL: [Size; 2] = [Size { members: 2 }, Size { members: 5 }];
