// SPDX-License-Identifier: GPL-2.0

//! What every format of page tables must get right by itself: words and back.

use crate::{
    iommu::Prot,
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    pgtable::{
        Format,
        Slot, //
    },
    pgtable_tests::{
        most_levels,
        on_format,
        ones,
        table,
        test_oa,
        Form,
        FORMS, //
    },
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_pgtable_format:
    there_are_page_sizes: each Form in FORMS;
    depths_that_are_none_are_refused: each Form in FORMS;
    a_word_for_a_table_is_read_back: each Form in FORMS;
    an_entry_for_a_table_can_be_made_and_cleared: each Form in FORMS;
    levels_split_the_address_without_gaps: each Form in FORMS;
    page_sizes_lie_within_their_level: each Form in FORMS;
    a_leaf_is_read_back_from_every_slot: each Form in FORMS;
    protection_is_read_back: each Form in FORMS;
    a_dirty_slot_is_seen_and_cleaned: each Form in FORMS;
    software_bits_disturb_nothing: each Form in FORMS;
}

const PROTS: [Prot; 3] = [Prot::READ, Prot::WRITE, Prot::RW];

/// Calls `body` with level, size and output address of leaves of all sizes, at the ends of the
/// output addresses and in between.
fn for_leaves<F: Format>(
    levels: u32,
    mut body: impl FnMut(u32, u32, u64) -> Outcome,
) -> Outcome<u32> {
    let mut leaves = 0;
    for level in 0..most_levels::<F>(levels) {
        for size in ones(F::leaf_sizes(level)) {
            let last = (u64::MAX >> (64 - F::OA_BITS)) & !(size - 1);
            for oa in [0, test_oa::<F>(size), last] {
                body(level, size.trailing_zeros(), oa)?;
                leaves += 1;
            }
        }
    }
    check!(leaves >= 3, "only {leaves} leaves");
    Ok(leaves)
}

fn slots<F: Format>(size_lg2: u32, level: u32) -> u32 {
    1 << (size_lg2 - F::shift(level))
}

fn there_are_page_sizes(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        check!(table.page_sizes() & (1 << 12) != 0);
        let reach = table.aperture().last;
        for size in ones(table.page_sizes()) {
            check!(size <= reach, "a page of {size:#x} bytes in {reach:#x}");
        }
        Ok(())
    }
    on_format!(form, body)
}

fn depths_that_are_none_are_refused(form: &Form) -> Outcome {
    fn body<F: Format>(_levels: u32) -> Outcome {
        for levels in [0, F::LEVELS.0 - 1, F::LEVELS.1 + 1, u32::MAX] {
            check_eq!(table::<F>(levels).err(), Some(EINVAL));
        }
        Ok(())
    }
    on_format!(form, body)
}

fn a_word_for_a_table_is_read_back(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        for level in 1..most_levels::<F>(levels) {
            let last = (u64::MAX >> (64 - F::OA_BITS)) & !0x3fff;
            for address in [0, 0x3000_0000_4000, last] {
                let word = F::table(address, level);
                check_eq!(F::slot(word, level), Slot::Table(address));
            }
            check!(F::table(0x4000, level) != F::table(0x8000, level));
        }
        for level in 0..most_levels::<F>(levels) {
            check_eq!(F::slot(F::empty(level), level), Slot::Empty);
        }
        Ok(())
    }
    on_format!(form, body)
}

fn an_entry_for_a_table_can_be_made_and_cleared(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        for level in 1..levels {
            let memory = table.store();
            let words = memory.at(memory.alloc(F::class(level))?).ok_or(EINVAL)?;
            for index in [0, (1 << F::index_bits(level)) - 1] {
                let (empty, word) = (F::empty(level), F::table(0x8000, level));
                check_eq!(words.load(index), empty);
                check_eq!(words.replace(index, empty, word), Ok(()));
                check_eq!(words.replace(index, word, word), Ok(()));
                check_eq!(words.replace(index, empty, word), Err(word));
                check_eq!(F::slot(words.load(index), level), Slot::Table(0x8000));
                words.store(index, empty);
                check_eq!(F::slot(words.load(index), level), Slot::Empty);
            }
        }
        Ok(())
    }
    on_format!(form, body)
}

fn levels_split_the_address_without_gaps(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let aperture = table::<F>(levels)?.aperture();
        let mut next = 12;
        for level in 0..most_levels::<F>(levels) {
            check_eq!(F::shift(level), next);
            check!(F::index_bits(level) != 0);
            next += F::index_bits(level);
        }
        // Half of what is sign-extended is left out.
        let bits = 64 - aperture.last.leading_zeros();
        check_eq!(aperture.last.trailing_ones(), bits);
        check_eq!(bits, next.min(F::VA_BITS) - u32::from(F::SIGN_EXTENDED));
        Ok(())
    }
    on_format!(form, body)
}

fn page_sizes_lie_within_their_level(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let mut all = 0;
        for level in 0..most_levels::<F>(levels) {
            let (item, sizes) = (1u64 << F::shift(level), F::leaf_sizes(level));
            check!(sizes & (item - 1) == 0, "level {level} has {sizes:#x}");
            if let Some(whole) = item.checked_shl(F::index_bits(level)).filter(|s| *s != 0) {
                check!(sizes < whole, "level {level} has {sizes:#x}");
            }
            // Of AMD v1, hardware takes a leaf of 512 GiB for a table.
            let native = sizes == 0 || sizes & item != 0 || item == 1 << 39;
            check!(native, "level {level} has {sizes:#x}");
            check!(all & sizes == 0, "{:#x} is of two levels", all & sizes);
            all |= sizes;
        }
        Ok(())
    }
    on_format!(form, body)
}

fn a_leaf_is_read_back_from_every_slot(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        for_leaves::<F>(levels, |level, size_lg2, oa| {
            for at in 0..slots::<F>(size_lg2, level) {
                let word = F::leaf(oa, size_lg2, at, level, Prot::RW);
                check_eq!(F::slot(word, level), Slot::Leaf { size_lg2 });
                check_eq!(F::oa(word, size_lg2, at, level), oa);
            }
            Ok(())
        })?;
        Ok(())
    }
    on_format!(form, body)
}

fn protection_is_read_back(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        for_leaves::<F>(levels, |level, size_lg2, oa| {
            for prot in PROTS {
                let word = F::leaf(oa, size_lg2, 0, level, prot);
                let read = F::prot(word);
                check_eq!(F::leaf(oa, size_lg2, 0, level, read), word);
                check!(read.0 & prot.0 == prot.0, "{prot:?} became {read:?}");
                // Only reading can be allowed unasked.
                check!(
                    read.0 & !(prot.0 | Prot::READ.0) == 0,
                    "{prot:?} became {read:?}"
                );
            }
            check_eq!(F::prot(F::leaf(oa, size_lg2, 0, level, Prot::RW)), Prot::RW);
            Ok(())
        })?;
        Ok(())
    }
    on_format!(form, body)
}

fn a_dirty_slot_is_seen_and_cleaned(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        for_leaves::<F>(levels, |level, size_lg2, oa| {
            for prot in PROTS {
                let clean = F::clean(F::leaf(oa, size_lg2, 0, level, prot));
                let dirty = F::dirtied(clean);
                check!(!F::is_dirty(clean));
                check_eq!(F::is_dirty(dirty), F::DIRTY && prot.0 & Prot::WRITE.0 != 0);
                check_eq!(F::clean(dirty), clean);
                for word in [clean, dirty] {
                    check_eq!(F::slot(word, level), Slot::Leaf { size_lg2 });
                    check_eq!(F::oa(word, size_lg2, 0, level), oa);
                    check_eq!(F::prot(word), F::prot(clean));
                }
            }
            Ok(())
        })?;
        Ok(())
    }
    on_format!(form, body)
}

fn software_bits_disturb_nothing(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        check!(F::software(0) != 0);
        for_leaves::<F>(levels, |level, size_lg2, oa| {
            for (bit, prot) in ones(F::software(level)).flat_map(|bit| PROTS.map(|p| (bit, p))) {
                let at = slots::<F>(size_lg2, level) - 1;
                let word = F::leaf(oa, size_lg2, at, level, prot);
                check!(word & bit == 0, "bit {bit:#x} is in use in {word:#x}");
                check_eq!(F::slot(word | bit, level), Slot::Leaf { size_lg2 });
                check_eq!(F::oa(word | bit, size_lg2, at, level), oa);
                check_eq!(F::prot(word | bit), F::prot(word));
                check_eq!(F::clean(word | bit), F::clean(word) | bit);
                check_eq!(F::is_dirty(word | bit), F::is_dirty(word));
            }
            Ok(())
        })?;
        for level in 1..most_levels::<F>(levels) {
            for bit in ones(F::software(level)) {
                let word = F::table(0x3000_0000_4000, level);
                check!(word & bit == 0, "bit {bit:#x} is in use in {word:#x}");
                check_eq!(F::slot(word | bit, level), Slot::Table(0x3000_0000_4000));
            }
        }
        Ok(())
    }
    on_format!(form, body)
}
