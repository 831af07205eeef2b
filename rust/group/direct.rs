// SPDX-License-Identifier: GPL-2.0

//! Ranges that firmware needs mapped 1:1 in a default domain.

use super::state::State;
use crate::iommu::{
    DefaultType,
    Domain,
    Prot,
    RegionKind, //
};
use kernel::prelude::*;

impl State {
    /// Maps what firmware needs for one member into `domain`, a default domain of type `what`, and
    /// notes whether the member must never be blocked. Page runs that are mapped stay as they are.
    ///
    /// As `iommu_create_device_direct_mappings()`.
    ///
    /// # Errors
    ///
    /// EINVAL for a translating domain without page sizes; else those of the driver's
    /// [`regions`](crate::iommu::Driver::regions) and of [`Domain::map`]. What was mapped before
    /// stays.
    pub(super) fn map_direct(
        &mut self,
        index: usize,
        domain: &Domain,
        what: DefaultType,
    ) -> Result {
        let member = self.members.get_mut(index).ok_or(ENODEV)?;
        let page = match (what, domain.paging()) {
            (DefaultType::Identity, _) => None,
            (_, Some(table)) if table.page_sizes() != 0 => {
                Some(1u64 << table.page_sizes().trailing_zeros())
            }
            (_, _) => return Err(EINVAL),
        };
        let regions = member.device.driver().regions(&member.device)?;
        for region in &regions {
            if region.kind == RegionKind::Direct {
                member.require_direct = true;
            }
            let wanted = matches!(
                region.kind,
                RegionKind::Direct | RegionKind::DirectRelaxable
            );
            let Some(page) = page.filter(|_| wanted) else {
                continue;
            };
            map_missing(domain, region.start, region.size, page)?;
        }
        Ok(())
    }

    /// [`Self::map_direct`] for all members.
    ///
    /// # Errors
    ///
    /// The first; all members are visited.
    pub(super) fn map_direct_all(&mut self, domain: &Domain, what: DefaultType) -> Result {
        let mut result = Ok(());
        for index in 0..self.members.len() {
            result = result.and(self.map_direct(index, domain, what));
        }
        result
    }
}

/// Maps every run of pages between `start` and `start + size` that is not mapped.
fn map_missing(domain: &Domain, start: u64, size: u64, page: u64) -> Result {
    let end = start.checked_add(size).ok_or(EOVERFLOW)?;
    let first = start & !(page - 1);
    let last = end.checked_next_multiple_of(page).ok_or(EOVERFLOW)?;
    let mut run = first;
    let mut at = first;
    while at < last {
        let next = at + page;
        if domain.iova_to_phys(at).is_some() {
            if at > run {
                domain.map(run, run, at - run, Prot::RW)?;
            }
            run = next;
        }
        at = next;
    }
    if last > run {
        domain.map(run, run, last - run, Prot::RW)?;
    }
    Ok(())
}
