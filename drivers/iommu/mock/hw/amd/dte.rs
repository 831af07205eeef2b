// SPDX-License-Identifier: GPL-2.0

//! Entries of the device table and of GCR3 tables.

use super::field::Field;

/// Valid. Without it, DMA passes untranslated.
pub(crate) const V: Field = Field::bit(0, 0);
/// Translation information valid. Without it, DMA is aborted.
pub(crate) const TV: Field = Field::bit(0, 1);
/// Host Access Dirty: hardware sets accessed and dirty bits.
pub(crate) const HAD: Field = Field::bits(0, 8, 7);
/// HAD: both of them.
pub(crate) const HAD_DIRTY: u64 = 3;
/// Levels of the host page table; 0 for none.
pub(crate) const MODE: Field = Field::bits(0, 11, 9);
/// Host page table root pointer, without its low 12 bits.
pub(crate) const HOST_ROOT: Field = Field::bits(0, 51, 12);
/// Guest I/O protection valid: requests without PASID use GCR3\[0\].
pub(crate) const GIOV: Field = Field::bit(0, 54);
/// Guest translation valid: there is a GCR3 table.
pub(crate) const GV: Field = Field::bit(0, 55);
/// Levels of the GCR3 table, less one.
pub(crate) const GLX: Field = Field::bits(0, 57, 56);
/// GCR3 table root pointer, bits 14:12.
pub(crate) const GCR3_14_12: Field = Field::bits(0, 60, 58);
/// I/O read permission.
pub(crate) const IR: Field = Field::bit(0, 61);
/// I/O write permission.
pub(crate) const IW: Field = Field::bit(0, 62);
/// Keys the IOTLB.
pub(crate) const DOMAIN_ID: Field = Field::bits(1, 15, 0);
/// GCR3 table root pointer, bits 30:15.
pub(crate) const GCR3_30_15: Field = Field::bits(1, 31, 16);
/// IOTLB enable: the device may use ATS.
pub(crate) const I: Field = Field::bit(1, 32);
/// System management messages; firmware's tables (IVRS) say what is in it.
pub(crate) const SYS_MGT: Field = Field::bits(1, 41, 40);
/// GCR3 table root pointer, bits 51:31.
pub(crate) const GCR3_51_31: Field = Field::bits(1, 63, 43);
/// Interrupt map valid.
pub(crate) const IV: Field = Field::bit(2, 0);
/// Interrupt table length.
pub(crate) const INT_TAB_LEN: Field = Field::bits(2, 4, 1);
/// Interrupt table root pointer, without its low 6 bits.
pub(crate) const INT_ROOT: Field = Field::bits(2, 51, 6);
/// Guest paging mode: levels of the guest page tables, less 4.
pub(crate) const GUEST_PAGING_MODE: Field = Field::bits(2, 55, 54);
/// How fixed and arbitrated interrupts are handled.
pub(crate) const INT_CTL: Field = Field::bits(2, 61, 60);

/// Bits of word 2 that are about interrupts, or may be: all but the guest paging mode and two
/// reserved ones. Linux: `DTE_DATA2_INTR_MASK`.
pub(crate) const INTERRUPTS: u64 = !Field::bits(2, 55, 52).mask();

/// Words of a device table entry.
pub(crate) const WORDS: u32 = 4;

/// Bytes of a device table entry.
pub(crate) const SIZE: u64 = 32;

/// An entry of the device table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dte(pub(crate) [u64; WORDS as usize]);

impl Dte {
    /// The one that Linux calls clear: DMA is aborted.
    pub(crate) fn clear() -> Self {
        Self::default().with(V, 1)
    }

    /// The one that a guest writes whose DMA without PASID goes by page tables of 4 or 5 levels.
    /// There is no GCR3 table yet.
    pub(crate) fn of_guest(levels: u32, domain: u16) -> Self {
        Self::clear()
            .with(TV, 1)
            .with(GV, 1)
            .with(GIOV, 1)
            .with(GUEST_PAGING_MODE, levels.wrapping_sub(4).into())
            .with(DOMAIN_ID, domain.into())
    }

    /// Value of a field.
    pub(crate) fn get(&self, field: Field) -> u64 {
        field.get(&self.0)
    }

    /// Whether a flag is set.
    pub(crate) fn is(&self, flag: Field) -> bool {
        self.get(flag) != 0
    }

    /// The same with another value of a field.
    pub(crate) fn with(mut self, field: Field, value: u64) -> Self {
        field.put(&mut self.0, value);
        self
    }

    /// Address of the GCR3 table.
    pub(crate) fn gcr3(&self) -> u64 {
        (self.get(GCR3_14_12) << 12) | (self.get(GCR3_30_15) << 15) | (self.get(GCR3_51_31) << 31)
    }

    /// The same with another GCR3 table.
    pub(crate) fn with_gcr3(self, at: u64) -> Self {
        self.with(GCR3_14_12, at >> 12)
            .with(GCR3_30_15, at >> 15)
            .with(GCR3_51_31, at >> 31)
    }

    /// Address of the host page table.
    pub(crate) fn host_root(&self) -> u64 {
        self.get(HOST_ROOT) << 12
    }

    /// Words 0 and 1.
    pub(crate) fn low(&self) -> [u64; 2] {
        let [first, second, _, _] = self.0;
        [first, second]
    }

    /// Words 2 and 3.
    pub(crate) fn high(&self) -> [u64; 2] {
        let [_, _, third, fourth] = self.0;
        [third, fourth]
    }
}

/// Entries of one table of a GCR3 table with several levels, or with one.
pub(crate) const GCR3_ENTRIES: usize = 512;

/// An entry of a GCR3 table is valid.
pub(crate) const GCR3_VALID: u64 = 1 << 0;

/// Address in an entry of a GCR3 table: of the next one, or of a guest page table.
pub(crate) const GCR3_ADDRESS: u64 = Field::bits(0, 51, 12).mask();

/// Index of a PASID into a table of a GCR3 table; the lowest level is 0.
pub(crate) fn gcr3_index(pasid: u32, level: u32) -> u64 {
    let shift = level.saturating_mul(9);
    u64::from(pasid.checked_shr(shift).unwrap_or(0) & 0x1ff)
}
