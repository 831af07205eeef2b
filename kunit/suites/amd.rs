// SPDX-License-Identifier: GPL-2.0

//! AMD-Vi: the layouts, what commands drop, and the driver on live hardware.

mod layout;
mod live;
mod nested;
mod script;
mod walk;

use self::{
    layout::{
        all_reads_as_in_the_manual,
        commands_are_laid_out_as_in_the_manual,
        commands_drop_what_they_must,
        device_iotlbs_are_dropped_by_their_own_commands,
        entries_are_dropped_by_their_own_commands,
        fields_are_where_the_manual_has_them,
        gcr3_pointer_is_split_over_three_fields, //
    },
    live::{
        alias_is_an_entry_of_its_own,
        any_target_follows_any_other,
        depth_is_the_same_for_all_guest_tables,
        device_keeps_pages_until_its_own_iotlb_is_flushed,
        entry_is_used_until_it_is_flushed,
        guest_tables_serve_both_kinds_of_dma,
        host_table_grows_while_devices_run,
        host_table_is_none_for_pasids,
        interrupts_are_left_alone,
        lowest_domain_id_is_taken_first,
        pasids_outlive_the_moves_of_other_dma,
        unmapped_page_is_used_until_it_is_flushed,
        writes_of_an_alias_are_marked, //
    },
    script::{
        device_iotlbs_are_flushed_last,
        dirty_tracking_is_these_steps,
        moves_are_these_steps,
        nested_moves_are_these_steps,
        new_top_is_these_steps,
        pasid_moves_are_these_steps, //
    },
    walk::{
        guest_addresses_have_a_sign_with_pasid,
        levels_can_be_left_out,
        pages_of_all_sizes_are_found, //
    },
};
use crate::{
    iommu::{
        Gather,
        PagingFlags,
        Prot, //
    },
    kapi::kunit::{
        kunit_suite,
        Param, //
    },
    mock::{
        amd::{
            AmdSpace,
            AmdUnit, //
        },
        endpoint::{
            EndpointConfig,
            InstanceConfig, //
        },
        hw::{
            model::Requester,
            Reach, //
        },
        unit::{
            Modelled,
            Space as _,
            Target,
            Unit, //
        },
    },
};
use kernel::{
    fmt,
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_amd:
    fields_are_where_the_manual_has_them;
    gcr3_pointer_is_split_over_three_fields;
    commands_are_laid_out_as_in_the_manual;
    commands_drop_what_they_must;
    entries_are_dropped_by_their_own_commands;
    all_reads_as_in_the_manual;
    levels_can_be_left_out;
    guest_addresses_have_a_sign_with_pasid;
    any_target_follows_any_other: each How in HOWS;
    pasids_outlive_the_moves_of_other_dma: each How in HOWS;
    guest_tables_serve_both_kinds_of_dma: each How in HOWS;
    host_table_is_none_for_pasids: each How in HOWS;
    depth_is_the_same_for_all_guest_tables: each How in HOWS;
    host_table_grows_while_devices_run: each How in HOWS;
    interrupts_are_left_alone: each How in HOWS;
    alias_is_an_entry_of_its_own;
    entry_is_used_until_it_is_flushed;
    unmapped_page_is_used_until_it_is_flushed;
    writes_of_an_alias_are_marked: each How in HOWS;
    pages_of_all_sizes_are_found;
    lowest_domain_id_is_taken_first;
    moves_are_these_steps;
    pasid_moves_are_these_steps;
    nested_moves_are_these_steps;
    new_top_is_these_steps;
    dirty_tracking_is_these_steps;
    device_iotlbs_are_dropped_by_their_own_commands;
    device_keeps_pages_until_its_own_iotlb_is_flushed;
    device_iotlbs_are_flushed_last;
}

/// A protocol, by number, and whether devices have IOTLBs of their own.
pub(super) struct How(u32, bool);

impl How {
    fn bench(&self) -> Result<Bench> {
        Bench::with(self.0, |endpoint| endpoint.resettable = self.1)
    }
}

impl Param for How {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(AmdUnit::PROTOCOLS.get(self.0 as usize).unwrap_or(&"?"))?;
        f.write_str(if self.1 { ", ATS" } else { "" })
    }
}

const HOWS: [How; 4] = [How(0, false), How(1, false), How(0, true), How(1, true)];

/// Where all spaces map [`page`](Bench::space)s.
const IOVA: u64 = 0x1000_0000;

/// Endpoints of a [`Bench`]. The first two reach 48 bits, and one of them has PASIDs; the last
/// reaches 47, so that its guest page tables have 4 levels.
const WIDE: u32 = 0;
const SIMPLE: u32 = 1;
const NARROW: u32 = 2;

/// An instance with [`WIDE`], [`SIMPLE`] and [`NARROW`].
struct Bench {
    unit: Arc<AmdUnit>,
}

impl Bench {
    fn new(protocol: u32) -> Result<Self> {
        Self::with(protocol, |_| ())
    }

    /// The same with something else about all endpoints.
    fn with(protocol: u32, change: impl Fn(&mut EndpointConfig)) -> Result<Self> {
        let config = InstanceConfig {
            protocol,
            ..InstanceConfig::default()
        };
        let mut endpoints = [(48, 8), (48, 0), (47, 8)].map(|(bits, max_pasids)| EndpointConfig {
            bits,
            max_pasids,
            ..EndpointConfig::ordinary(0)
        });
        endpoints.iter_mut().for_each(change);
        let unit = AmdUnit::new(&config, &endpoints)?;
        Ok(Self { unit })
    }

    /// A space in which [`IOVA`] is a page at `to`: of host page tables, or guest ones.
    fn space(&self, endpoint: u32, pasid: bool, to: u64) -> Result<Arc<AmdSpace>> {
        let space = self.unit.new_space(endpoint, PagingFlags::pasid(pasid))?;
        space.map(IOVA, to, 0x1000, 1, Prot::RW).result?;
        Ok(space)
    }

    /// Where DMA gets to, with the endpoint's own name or its alias, which must be the same.
    fn reach(&self, endpoint: u32, pasid: Option<u32>, iova: u64) -> Result<Reach> {
        let mut reach = None;
        for from in self.unit.requesters(endpoint, pasid)? {
            let here = self.unit.machine().dma(from, iova);
            if reach.is_some_and(|there| there != here) {
                return Err(EDOM);
            }
            reach = Some(here);
        }
        reach.ok_or(ENODEV)
    }

    fn attach(
        &self,
        endpoint: u32,
        pasid: Option<u32>,
        to: &Target<AmdSpace>,
    ) -> Result<(), crate::iommu::AttachError> {
        self.unit.attach(endpoint, pasid, to).map(|_| ())
    }
}

/// Unmaps the page at [`IOVA`] and makes hardware forget it.
fn unmap(space: &AmdSpace) -> u64 {
    let mut gather = Gather::default();
    let done = space.unmap(IOVA, 0x1000, 1, &mut gather);
    space.sync(&gather);
    done
}

/// The name of an endpoint without its alias.
fn own_name(bench: &Bench, endpoint: u32) -> Result<Requester> {
    let all = bench.unit.requesters(endpoint, None)?;
    all.first().copied().ok_or(ENODEV)
}
