// SPDX-License-Identifier: GPL-2.0

//! Commands (IHI 0070, 4). CMD_SYNC is [`Machine::wait`](super::super::machine::Machine::wait).

use super::{
    super::model::{
        Command,
        Requester,
        Tag, //
    },
    tag,
    Field, //
};

/// Opcodes.
pub(crate) mod op {
    /// Fetch an STE, as it will be needed.
    pub(crate) const PREFETCH_CONFIG: u64 = 0x01;
    /// Forget an STE.
    pub(crate) const CFGI_STE: u64 = 0x03;
    /// Forget a range of STEs, or with the largest range all configuration.
    pub(crate) const CFGI_STE_RANGE: u64 = 0x04;
    /// Forget a CD.
    pub(crate) const CFGI_CD: u64 = 0x05;
    /// Forget all CDs of a stream.
    pub(crate) const CFGI_CD_ALL: u64 = 0x06;
    /// Forget all of stage 1 under a VMID.
    pub(crate) const TLBI_NH_ALL: u64 = 0x10;
    /// Forget an ASID under a VMID.
    pub(crate) const TLBI_NH_ASID: u64 = 0x11;
    /// Forget a range of an ASID under a VMID.
    pub(crate) const TLBI_NH_VA: u64 = 0x12;
    /// Forget both stages under a VMID.
    pub(crate) const TLBI_S12_VMALL: u64 = 0x28;
    /// Forget a range of stage 2 under a VMID.
    pub(crate) const TLBI_S2_IPA: u64 = 0x2a;
    /// Forget all.
    pub(crate) const TLBI_NSNH_ALL: u64 = 0x30;
    /// Let an endpoint forget what it asked for by ATS.
    pub(crate) const ATC_INV: u64 = 0x40;
}

/// Opcode.
pub(crate) const OP: Field = Field::new(0, 7, 0);
/// A SubstreamID is given.
pub(crate) const SSV: Field = Field::bit(0, 11);
/// SubstreamID.
pub(crate) const SSID: Field = Field::new(0, 31, 12);
/// StreamID.
pub(crate) const SID: Field = Field::new(0, 63, 32);
/// Only the entry itself, no table above it; only the last level of a walk.
pub(crate) const LEAF: Field = Field::bit(1, 0);
/// STEs of a range: 2 to the power of one more.
pub(crate) const RANGE: Field = Field::new(1, 4, 0);

/// Pages of a range: one more, times 2 to the power of [`SCALE`].
pub(crate) const NUM: Field = Field::new(0, 16, 12);
/// See [`NUM`].
pub(crate) const SCALE: Field = Field::new(0, 25, 20);
/// Virtual machine identifier.
pub(crate) const VMID: Field = Field::new(0, 47, 32);
/// Address space identifier.
pub(crate) const ASID: Field = Field::new(0, 63, 48);
/// Level that the leaves are at; 0 for any.
pub(crate) const TTL: Field = Field::new(1, 9, 8);
/// Granule of a range: 1 is 4 KiB. With 0 there is one address, and no range.
pub(crate) const TG: Field = Field::new(1, 11, 10);
/// First address.
pub(crate) const ADDRESS: Field = Field::new(1, 63, 12);

/// Base-2 logarithm of the pages of an ATC range.
pub(crate) const ATC_SIZE: Field = Field::new(1, 5, 0);
/// Value of [`ATC_SIZE`]: everything.
pub(crate) const ATC_ALL: u64 = 52;

/// Value of [`RANGE`]: everything.
pub(crate) const RANGE_ALL: u64 = 31;

fn new(op: u64) -> Command {
    let mut words = [0; 2];
    OP.set(&mut words, op);
    Command(words)
}

impl Command {
    /// The same with a field set.
    pub(crate) fn with(mut self, field: Field, value: u64) -> Self {
        field.set(&mut self.0, value);
        self
    }
}

/// CMD_PREFETCH_CONFIG.
pub(crate) fn prefetch_config(sid: u32) -> Command {
    new(op::PREFETCH_CONFIG).with(SID, sid.into())
}

/// CMD_CFGI_STE.
pub(crate) fn cfgi_ste(sid: u32) -> Command {
    new(op::CFGI_STE).with(SID, sid.into()).with(LEAF, 1)
}

/// CMD_CFGI_STE_RANGE for `1 << lg2` StreamIDs, at least 2, of which `sid` is one.
pub(crate) fn cfgi_ste_range(sid: u32, lg2: u32) -> Command {
    let range = lg2.saturating_sub(1).into();
    new(op::CFGI_STE_RANGE)
        .with(SID, sid.into())
        .with(RANGE, range)
}

/// CMD_CFGI_ALL.
pub(crate) fn cfgi_all() -> Command {
    new(op::CFGI_STE_RANGE).with(RANGE, RANGE_ALL)
}

/// CMD_CFGI_CD.
pub(crate) fn cfgi_cd(sid: u32, ssid: u32) -> Command {
    new(op::CFGI_CD)
        .with(SID, sid.into())
        .with(SSID, ssid.into())
        .with(LEAF, 1)
}

/// CMD_CFGI_CD_ALL.
pub(crate) fn cfgi_cd_all(sid: u32) -> Command {
    new(op::CFGI_CD_ALL).with(SID, sid.into())
}

/// A CMD_TLBI that needs no more than a VMID and an ASID.
pub(crate) fn tlbi(op: u64, vmid: u16, asid: u16) -> Command {
    new(op).with(VMID, vmid.into()).with(ASID, asid.into())
}

/// CMD_ATC_INV of `1 << pages_lg2` pages, for DMA with a SubstreamID or all DMA.
pub(crate) fn atc_inv(sid: u32, ssid: Option<u32>, address: u64, pages_lg2: u64) -> Command {
    let mut command = new(op::ATC_INV).with(SID, sid.into());
    if let Some(ssid) = ssid {
        command = command.with(SSV, 1).with(SSID, ssid.into());
    }
    ADDRESS.set_address(&mut command.0, address);
    command.with(ATC_SIZE, pages_lg2)
}

/// Whether a CMD_TLBI is about lines with a key.
fn is_about(words: &[u64], of: Tag) -> bool {
    let vmid = VMID.get(words) == u64::from(tag::vmid(of));
    let asid = tag::asid(of).map(u64::from);
    match OP.get(words) {
        op::TLBI_NH_ALL => vmid && asid.is_some(),
        op::TLBI_NH_ASID | op::TLBI_NH_VA => vmid && asid == Some(ASID.get(words)),
        // Lines of both stages have virtual addresses, which this command knows nothing of.
        op::TLBI_S2_IPA => vmid && asid.is_none(),
        op::TLBI_S12_VMALL => vmid,
        op::TLBI_NSNH_ALL => true,
        _ => false,
    }
}

/// First and last address that a CMD_TLBI is about; `None` for all.
fn range(words: &[u64]) -> Option<(u64, u64)> {
    if !matches!(OP.get(words), op::TLBI_NH_VA | op::TLBI_S2_IPA) {
        return None;
    }
    let first = ADDRESS.address(words);
    let granule = match TG.get(words) {
        0 => 12,
        granule => 10 + 2 * granule as u32,
    };
    let bytes = match TG.get(words) {
        0 => 1u128 << granule,
        _ => u128::from(NUM.get(words) + 1) << (SCALE.get(words) as u32 + granule).min(64),
    };
    let last = (u128::from(first) + bytes - 1).min(u64::MAX.into());
    Some((first, last as u64))
}

/// Whether a command makes hardware forget a line with a key for an address.
///
/// A line here is of one page, whatever the size of the leaf, so that a leaf of more is only
/// forgotten by a range that covers it. A TTL that is wrong is not found out.
pub(super) fn drops_line(command: Command, of: Tag, address: u64) -> bool {
    let words = &command.0;
    let covers = |(first, last)| first <= address && address <= last;
    is_about(words, of) && range(words).is_none_or(covers)
}

/// Whether a command makes hardware forget which tables it went through to an address.
pub(super) fn drops_tables(command: Command, of: Tag, address: u64) -> bool {
    let leaf_only = range(&command.0).is_some() && LEAF.is_set(&command.0);
    !leaf_only && drops_line(command, of, address)
}

/// Whether a command makes an endpoint forget what it keeps of an address. Without a SubstreamID it
/// is about all that there is of the address, whatever the SubstreamID.
pub(super) fn drops_kept(command: Command, from: Requester, address: u64) -> bool {
    let words = &command.0;
    let lg2 = ATC_SIZE.get(words) as u32 + 12;
    let differs = (ADDRESS.address(words) ^ address).checked_shr(lg2);
    OP.get(words) == op::ATC_INV
        && SID.get(words) == u64::from(from.id)
        && (!SSV.is_set(words) || from.pasid.map(u64::from) == Some(SSID.get(words)))
        && differs.unwrap_or(0) == 0
}
