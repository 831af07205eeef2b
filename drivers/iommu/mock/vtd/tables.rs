// SPDX-License-Identifier: GPL-2.0

//! Page tables of either stage.

use super::{
    super::hw::{
        frozen::Frozen,
        Memory, //
    },
    goal::{
        Root,
        Through, //
    },
    space::VtdSpace,
};
use crate::{
    iommu::{
        Aperture,
        Gather,
        Progress,
        Prot, //
    },
    kapi::errno,
    pgtable::{
        Format,
        PageTable,
        User,
        VtdSecondStage,
        X86FirstStage, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// See the module.
pub(super) enum Tables {
    First(Arc<PageTable<X86FirstStage>>),
    Second(Arc<PageTable<VtdSecondStage>>),
    /// Tables of a guest, on top of a space of the second stage.
    Nested {
        guest: Arc<PageTable<X86FirstStage>>,
        parent: Arc<VtdSpace>,
    },
}

/// Does something with the tables that are this space's own, whatever their format.
macro_rules! with {
    ($tables:expr, $own:ident => $what:expr) => {
        match $tables {
            Tables::First($own) | Tables::Nested { guest: $own, .. } => $what,
            Tables::Second($own) => $what,
        }
    };
}

fn root<F: Format>(table: &PageTable<F>) -> Root {
    let top = table.top();
    Root {
        at: top.root,
        levels: top.level.saturating_add(1),
    }
}

impl Tables {
    /// Makes empty ones of the first stage.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn first(levels: u32) -> Result<Self> {
        let table = Arc::pin_init(PageTable::new(levels), GFP_KERNEL)?;
        Ok(Self::First(table))
    }

    /// Makes empty ones of the second stage.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn second(levels: u32) -> Result<Self> {
        let table = Arc::pin_init(PageTable::new(levels), GFP_KERNEL)?;
        Ok(Self::Second(table))
    }

    /// Where hardware reads them.
    pub(super) fn memory(&self) -> Arc<dyn Memory> {
        with!(self, own => own.clone())
    }

    /// What an entry has to point to.
    pub(super) fn through(&self) -> Through {
        match self {
            Self::First(first) => Through::First(root(first)),
            Self::Second(second) => Through::Second(root(second)),
            Self::Nested { guest, parent } => match parent.through() {
                Through::Second(second) => Through::Nested {
                    first: root(guest),
                    second,
                },
                other => other,
            },
        }
    }

    pub(super) fn page_sizes(&self) -> u64 {
        with!(self, own => own.page_sizes())
    }

    pub(super) fn aperture(&self) -> Aperture {
        with!(self, own => own.aperture())
    }

    pub(super) fn map(
        &self,
        user: &impl User,
        (iova, paddr): (u64, u64),
        (page, count): (u64, u64),
        prot: Prot,
    ) -> Progress {
        let (mapped, result) = with!(self, own => own.map(user, iova, paddr, page, count, prot));
        let result = result.map_err(Error::from);
        Progress { mapped, result }
    }

    pub(super) fn unmap(&self, iova: u64, size: u64, gather: &mut Gather) -> u64 {
        with!(self, own => own.unmap(iova, size, gather))
    }

    pub(super) fn give_back(&self, gather: &Gather) {
        with!(self, own => own.give_back(gather));
    }

    pub(super) fn iova_to_phys(&self, iova: u64) -> Option<u64> {
        let address = with!(self, own => own.iova_to_phys(iova))?;
        match self {
            Self::Nested { parent, .. } => parent.tables().iova_to_phys(address),
            Self::First(_) | Self::Second(_) => Some(address),
        }
    }

    /// # Errors
    ///
    /// EOPNOTSUPP where only the second stage has marks, and this is none.
    pub(super) fn dirty(
        &self,
        (first, last): (u64, u64),
        clean: bool,
        found: &mut dyn FnMut(u64, u64),
    ) -> Result {
        match self {
            Self::Second(second) => second.dirty(first, last, clean, found),
            Self::First(_) | Self::Nested { .. } => return Err(errno::eopnotsupp()),
        }
        Ok(())
    }

    pub(super) fn freeze(&self, into: &mut Frozen) -> Result {
        if let Self::Nested { parent, .. } = self {
            parent.tables().freeze(into)?;
        }
        with!(self, own => own.for_each_table(&mut |at, count, read| into.add(at, count, read)))
    }
}
