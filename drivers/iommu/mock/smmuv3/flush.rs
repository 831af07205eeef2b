// SPDX-License-Identifier: GPL-2.0

//! The commands by which hardware forgets what was unmapped (arm_smmu_domain_inv_range() in Linux,
//! with range invalidation).

use super::{
    super::hw::{
        machine::Machine,
        model::Command,
        smmuv3::{
            command::{
                self,
                op, //
            },
            Smmuv3, //
        },
    },
    invs::{
        Counted,
        Inv,
        Kind, //
    },
};

/// Base-2 logarithm of the granule.
const GRANULE: u32 = 12;

/// Most that [`command::NUM`] says.
const NUM_MAX: u64 = 31;

/// What is to be forgotten.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    /// First address.
    pub(super) first: u64,
    /// Bytes; 0 for everything.
    pub(super) size: u64,
    /// Bytes of the pages, 0 if it is not known.
    pub(super) page: u64,
    /// No table was freed.
    pub(super) leaf: bool,
}

/// Makes hardware forget a range as `invs` say, and waits until it has.
pub(super) fn range(machine: &Machine<Smmuv3>, invs: &[Counted], range: Range) {
    // Pairs with the barrier before an entry is written: either this sees the list with whoever is
    // being attached, or hardware sees the tables without what was unmapped.
    machine.barrier();
    for (at, Counted { inv, .. }) in invs.iter().enumerate() {
        submit(machine, *inv, range);
        let next = invs.get(at.saturating_add(1));
        if next.is_none_or(|next| ends_batch(inv.kind, next.inv.kind)) {
            machine.wait();
        }
    }
}

/// Makes hardware forget a range of an ASID of a guest; somebody has to wait for it.
pub(super) fn guest(machine: &Machine<Smmuv3>, vmid: u16, asid: u16, range: Range) {
    match range.size {
        0 => machine.submit(command::tlbi(op::TLBI_NH_ASID, vmid, asid)),
        _ => submit_range(machine, command::tlbi(op::TLBI_NH_VA, vmid, asid), range),
    }
}

/// Makes hardware forget all that it has of a tag that has no user any more.
pub(super) fn tag(machine: &Machine<Smmuv3>, inv: Inv) {
    if let Some(all) = all(inv) {
        machine.submit(all);
        machine.wait();
    }
}

/// Makes an endpoint forget all it asked for with a SubstreamID, or all.
pub(super) fn ats(machine: &Machine<Smmuv3>, sid: u32, ssid: Option<u32>) {
    machine.submit(command::atc_inv(sid, ssid, 0, command::ATC_ALL));
    machine.wait();
}

/// Makes all endpoints of a list that have ATS forget all, and waits until they have.
pub(super) fn kept(machine: &Machine<Smmuv3>, invs: &[Counted]) {
    let mut any = false;
    for Counted { inv, .. } in invs.iter().filter(|counted| counted.inv.kind.is_ats()) {
        machine.submit(command::atc_inv(inv.id, None, 0, command::ATC_ALL));
        any = true;
    }
    if any {
        machine.wait();
    }
}

/// What comes later must find effects of what came before.
fn ends_batch(this: Kind, next: Kind) -> bool {
    let clear = |kind| kind == Kind::S2VmidS1Clear;
    (!clear(this) && clear(next)) || (!this.is_ats() && next.is_ats())
}

/// The command for a whole tag.
fn all(inv: Inv) -> Option<Command> {
    let id = inv.id as u16;
    match inv.kind {
        Kind::S1Asid => Some(command::tlbi(op::TLBI_NH_ASID, 0, id)),
        Kind::S2Vmid => Some(command::tlbi(op::TLBI_S12_VMALL, id, 0)),
        Kind::S2VmidS1Clear | Kind::Ats | Kind::AtsFull => None,
    }
}

fn submit(machine: &Machine<Smmuv3>, inv: Inv, range: Range) {
    let id = inv.id as u16;
    let some = match inv.kind {
        Kind::S1Asid => command::tlbi(op::TLBI_NH_VA, 0, id),
        Kind::S2Vmid => command::tlbi(op::TLBI_S2_IPA, id, 0),
        Kind::S2VmidS1Clear => {
            // Else stage 1 went with stage 2.
            if range.size != 0 {
                machine.submit(command::tlbi(op::TLBI_NH_ALL, id, 0));
            }
            return;
        }
        Kind::Ats => return machine.submit(atc_range(inv, range)),
        Kind::AtsFull => {
            return machine.submit(command::atc_inv(inv.id, None, 0, command::ATC_ALL));
        }
    };
    match (range.size, all(inv)) {
        (0, Some(all)) => machine.submit(all),
        _ => submit_range(machine, some, range),
    }
}

/// Splits a range into commands, each of up to 31 pages times a power of two.
fn submit_range(machine: &Machine<Smmuv3>, some: Command, range: Range) {
    let mut pages = range.size.div_ceil(1 << GRANULE);
    let ttl = match range.leaf && range.page.is_power_of_two() {
        true => 4u32.saturating_sub(range.page.ilog2().saturating_sub(3) / (GRANULE - 3)),
        false => 0,
    };
    // Linux avoids a range of one page without level, for the sake of errata.
    if !range.leaf && pages & NUM_MAX == 1 {
        pages = pages.saturating_add(1);
    }
    let mut first = range.first;
    while pages != 0 {
        let scale = pages.trailing_zeros();
        let num = (pages >> scale) & NUM_MAX;
        let mut command = some
            .with(command::NUM, num.saturating_sub(1))
            .with(command::SCALE, scale.into())
            .with(command::TG, 1)
            .with(command::TTL, ttl.into())
            .with(command::LEAF, range.leaf.into());
        command::ADDRESS.set_address(&mut command.0, first);
        machine.submit(command);
        let done = num << scale;
        pages = pages.saturating_sub(done);
        first = first.wrapping_add(done << GRANULE);
    }
}

/// The smallest aligned power of two of pages that covers a range.
fn atc_range(inv: Inv, range: Range) -> Command {
    let ssid = Some(inv.ssid).filter(|ssid| *ssid != 0);
    let Some(more) = range.size.checked_sub(1) else {
        return command::atc_inv(inv.id, ssid, 0, command::ATC_ALL);
    };
    let page = range.first >> GRANULE;
    let last = range.first.saturating_add(more) >> GRANULE;
    let span = 64 - (page ^ last).leading_zeros();
    let start = page & !((1u64 << span) - 1);
    command::atc_inv(inv.id, ssid, start << GRANULE, span.into())
}
