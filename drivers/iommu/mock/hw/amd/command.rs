// SPDX-License-Identifier: GPL-2.0

//! Commands, how they are written, and what they make hardware forget.
//!
//! COMPLETION_WAIT (1) is [`Machine::wait`](super::super::machine::Machine::wait). Commands about
//! interrupt tables (5) and page requests (7) are left out.

use super::{
    super::model::{
        Command,
        Fetch,
        Requester,
        Tag, //
    },
    field::Field,
    lookup::{
        gcr3_kind,
        DEVICE_TABLE,
        GCR3, //
    },
    tag, //
};

/// Which command it is.
pub(super) const OPCODE: Field = Field::bits(0, 63, 60);
/// INVALIDATE_DEVTAB_ENTRY, INVALIDATE_IOTLB_PAGES: whose.
pub(super) const DEVICE_ID: Field = Field::bits(0, 15, 0);
/// INVALIDATE_IOMMU_PAGES: the PASID, if GN is set.
pub(super) const PASID: Field = Field::bits(0, 19, 0);
/// INVALIDATE_IOTLB_PAGES: low bits of the PASID, if GN is set.
pub(super) const IOTLB_PASID_7_0: Field = Field::bits(0, 55, 48);
/// INVALIDATE_IOTLB_PAGES: high bits of the PASID. Linux knows no more of them.
pub(super) const IOTLB_PASID_15_8: Field = Field::bits(0, 23, 16);
/// INVALIDATE_IOTLB_PAGES: which of the device's queues; Linux writes the DeviceID.
const QUEUE_ID: Field = Field::bits(0, 47, 32);
/// INVALIDATE_IOMMU_PAGES: the domain.
pub(super) const DOMAIN_ID: Field = Field::bits(0, 47, 32);
/// INVALIDATE_IOMMU_PAGES, INVALIDATE_IOTLB_PAGES: more than one page; the lowest 0 of the address
/// is the highest bit but one of the size.
pub(super) const S: Field = Field::bit(1, 0);
/// INVALIDATE_IOMMU_PAGES: also page directories.
pub(super) const PDE: Field = Field::bit(1, 1);
/// INVALIDATE_IOMMU_PAGES, INVALIDATE_IOTLB_PAGES: a guest's address.
pub(super) const GN: Field = Field::bit(1, 2);
/// INVALIDATE_IOMMU_PAGES, INVALIDATE_IOTLB_PAGES: the address, without its low 12 bits.
pub(super) const ADDRESS: Field = Field::bits(1, 63, 12);

pub(super) const INVALIDATE_DEVTAB_ENTRY: u64 = 2;
pub(super) const INVALIDATE_IOMMU_PAGES: u64 = 3;
pub(super) const INVALIDATE_IOTLB_PAGES: u64 = 4;
pub(super) const INVALIDATE_IOMMU_ALL: u64 = 8;

/// The address that, with S set, stands for all there is.
const ALL_PAGES: u64 = 0x7fff_ffff_ffff_f000;

/// The largest size that addresses are known to code, as a power of two.
const LARGEST_LG2: u32 = 52;

fn new(fields: &[(Field, u64)]) -> Command {
    let mut words = [0; 2];
    for (field, value) in fields {
        field.put(&mut words, *value);
    }
    Command(words)
}

/// Forget the device table entry of a requester.
pub(crate) fn invalidate_devtab_entry(device: u32) -> Command {
    new(&[
        (OPCODE, INVALIDATE_DEVTAB_ENTRY),
        (DEVICE_ID, device.into()),
    ])
}

/// Forget host translations of a domain (`pasid` is `None`), or guest ones, from the first to the
/// last address of `range`, and maybe more around it; with `pde`, also the tables on the way.
pub(crate) fn invalidate_iommu_pages(
    domain: u16,
    pasid: Option<u32>,
    range: (u64, u64),
    pde: bool,
) -> Command {
    let (s, address) = span(range);
    new(&[
        (OPCODE, INVALIDATE_IOMMU_PAGES),
        (DOMAIN_ID, domain.into()),
        (PASID, pasid.unwrap_or(0).into()),
        (GN, pasid.is_some().into()),
        (S, s.into()),
        (PDE, pde.into()),
        (ADDRESS, address >> 12),
    ])
}

/// Forget what the IOTLB of a device has without PASID, or of a PASID, from the first to the last
/// address of `range`, and maybe more around it. Without PASID and for all addresses it is about
/// all that there is.
pub(crate) fn invalidate_iotlb_pages(
    device: u32,
    pasid: Option<u32>,
    range: (u64, u64),
) -> Command {
    let (s, address) = span(range);
    let number = u64::from(pasid.unwrap_or(0));
    new(&[
        (OPCODE, INVALIDATE_IOTLB_PAGES),
        (DEVICE_ID, device.into()),
        (QUEUE_ID, device.into()),
        (IOTLB_PASID_7_0, number),
        (IOTLB_PASID_15_8, number >> 8),
        (GN, pasid.is_some().into()),
        (S, s.into()),
        (ADDRESS, address >> 12),
    ])
}

/// The PASID of INVALIDATE_IOTLB_PAGES.
pub(super) fn iotlb_pasid(words: &[u64]) -> Option<u64> {
    match GN.get(words) {
        0 => None,
        _ => Some(IOTLB_PASID_15_8.get(words) << 8 | IOTLB_PASID_7_0.get(words)),
    }
}

/// See [`Model::drops_kept`](super::super::model::Model::drops_kept). That all of a device goes
/// without GN is what Linux says; that PASID 0 stands for requests without PASID, which are
/// translated by GCR3\[0\], is what it relies on.
pub(super) fn drops_kept(command: Command, from: Requester, iova: u64) -> bool {
    let Command(words) = command;
    OPCODE.get(&words) == INVALIDATE_IOTLB_PAGES
        && DEVICE_ID.get(&words) == u64::from(from.id)
        && covers(command, Some(iova))
        && match iotlb_pasid(&words) {
            None => from.pasid.is_none() || covers(command, None),
            Some(pasid) => pasid == u64::from(from.pasid.unwrap_or(0)),
        }
}

/// The naturally aligned power of two of pages around a range: S and the address.
fn span((first, last): (u64, u64)) -> (bool, u64) {
    match 64 - (first ^ last).leading_zeros() {
        0..=12 => (false, first),
        lg2 if lg2 > LARGEST_LG2 => (true, ALL_PAGES),
        // The bit below the highest of the size is 0 in `first` as the two differ there.
        lg2 => (true, first | ((1u64 << (lg2 - 1)) - 1)),
    }
}

/// Whether a command is about all addresses, or those around `iova`.
pub(super) fn covers(command: Command, iova: Option<u64>) -> bool {
    let Command(words) = command;
    let address = ADDRESS.get(&words) << 12;
    // Bits of an address that do not matter.
    let any = match S.get(&words) {
        0 => 0xfff,
        _ => match 2u64.checked_shl((address | 0xfff).trailing_ones()) {
            Some(0) | None => u64::MAX,
            Some(size) => size - 1,
        },
    };
    any == u64::MAX || iova.is_some_and(|iova| (iova ^ address) & !any == 0)
}

/// Whether a command includes page directories.
pub(super) fn has_pde(Command(words): Command) -> bool {
    match OPCODE.get(&words) {
        INVALIDATE_IOMMU_PAGES => PDE.get(&words) != 0,
        INVALIDATE_IOMMU_ALL => true,
        _ => false,
    }
}

/// See [`Model::drops_entry`](super::super::model::Model::drops_entry). Entries of GCR3 tables go
/// with the page directories of all addresses of their PASID.
pub(super) fn drops_entry(command: Command, from: Requester, of: &Fetch) -> bool {
    let Command(words) = command;
    match OPCODE.get(&words) {
        INVALIDATE_DEVTAB_ENTRY => {
            of.kind == DEVICE_TABLE && DEVICE_ID.get(&words) == u64::from(from.id)
        }
        INVALIDATE_IOMMU_PAGES => {
            let pasid = u64::from(from.pasid.unwrap_or(0));
            of.kind & GCR3 != 0
                && of.kind == gcr3_kind(DOMAIN_ID.get(&words) as u16)
                && (GN.get(&words) == 0 || PASID.get(&words) == pasid)
                && has_pde(command)
                && covers(command, None)
        }
        INVALIDATE_IOMMU_ALL => true,
        _ => false,
    }
}

/// See [`Model::drops_translation`](super::super::model::Model::drops_translation).
pub(super) fn drops_translation(
    command: Command,
    of: Tag,
    iova: u64,
    host_range_drops_guest: bool,
) -> bool {
    let Command(words) = command;
    match OPCODE.get(&words) {
        INVALIDATE_IOMMU_PAGES => {
            let guest = GN.get(&words) != 0;
            u64::from(tag::domain(of)) == DOMAIN_ID.get(&words)
                && match tag::pasid(of) {
                    None => !guest && covers(command, Some(iova)),
                    Some(pasid) if guest => {
                        PASID.get(&words) == u64::from(pasid) && covers(command, Some(iova))
                    }
                    Some(_) => host_range_drops_guest || covers(command, None),
                }
        }
        INVALIDATE_IOMMU_ALL => true,
        _ => false,
    }
}
