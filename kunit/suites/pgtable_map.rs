// SPDX-License-Identifier: GPL-2.0

//! Mapping with page tables of every format.

use crate::{
    iommu::Prot,
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    pgtable::{
        Fixed,
        Format,
        MapError,
        Top, //
    },
    pgtable_tests::{
        on_format,
        ones,
        table,
        test_oa,
        Census,
        Form,
        Watch,
        FORMS, //
    },
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_pgtable_map:
    every_page_size_maps_and_unmaps: each Form in FORMS;
    pages_of_a_run_are_translated_one_by_one: each Form in FORMS;
    protection_is_that_of_the_leaf: each Form in FORMS;
    the_top_grows_level_by_level: each Form in FORMS;
    the_top_grows_to_the_end_at_once: each Form in FORMS;
    tables_left_over_give_way_to_a_leaf: each Form in FORMS;
    a_table_in_use_gives_way_to_nothing: each Form in FORMS;
    a_run_of_mixed_sizes_is_mapped: each Form in FORMS;
    four_gibibytes_are_crossed: each Form in FORMS;
    a_run_needs_tables_of_several_levels: each Form in FORMS;
    hardware_marks_any_slot_of_a_leaf_dirty: each Form in FORMS;
}

const PAGE: u64 = 1 << 12;

fn every_page_size_maps_and_unmaps(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        let mut sizes = 0;
        for size in ones(table.page_sizes()) {
            for iova in [0, size, (table.aperture().last / size) * size] {
                let oa = test_oa::<F>(size);
                check_eq!(
                    table.map(&Fixed, iova, oa, size, 1, Prot::RW),
                    (size, Ok(()))
                );
                for offset in [0, 1, size / 2, size - 1] {
                    check_eq!(table.iova_to_phys(iova + offset), Some(oa + offset));
                }
                if let Some(before) = iova.checked_sub(1) {
                    check_eq!(table.iova_to_phys(before), None);
                }
                if let Some(behind) = iova.checked_add(size) {
                    check_eq!(table.iova_to_phys(behind), None);
                }
                check_eq!(Census::of(&*table).leaves, 1);
                check_eq!(table.unmap(iova, size, &mut Default::default()), size);
                check_eq!(table.iova_to_phys(iova), None);
                check_eq!(Census::of(&*table).leaves, 0);
            }
            sizes += 1;
        }
        check!(sizes >= 1, "no page size");
        Ok(())
    }
    on_format!(form, body)
}

fn pages_of_a_run_are_translated_one_by_one(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        // Over the end of a table.
        let (iova, count) = ((2 << 20) - 5 * PAGE, 600);
        let oa = test_oa::<F>(PAGE);
        check_eq!(
            table.map(&Fixed, iova, oa, PAGE, count, Prot::RW),
            (count * PAGE, Ok(()))
        );
        for at in 0..count {
            check_eq!(table.iova_to_phys(iova + at * PAGE), Some(oa + at * PAGE));
        }
        check_eq!(table.iova_to_phys(iova - 1), None);
        check_eq!(table.iova_to_phys(iova + count * PAGE), None);
        check_eq!(Census::of(&*table).leaves, 600);
        Ok(())
    }
    on_format!(form, body)
}

fn protection_is_that_of_the_leaf(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        for (iova, prot) in [(0, Prot::READ), (PAGE, Prot::WRITE), (2 * PAGE, Prot::RW)] {
            check_eq!(table.map(&Fixed, iova, 0, PAGE, 1, prot), (PAGE, Ok(())));
            let expected = F::prot(F::leaf(0, 12, 0, 0, prot));
            check_eq!(table.prot(iova), Some(expected));
        }
        check_eq!(table.prot(3 * PAGE), None);
        Ok(())
    }
    on_format!(form, body)
}

fn the_top_grows_level_by_level(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        let watch = Watch::new(&table);
        let mut expected = table.top().level;
        let mut mapped: KVec<u64> = KVec::new();
        let mut span = F::shift(expected) + F::index_bits(expected);
        while let Some(iova) = 1u64
            .checked_shl(span)
            .filter(|v| *v <= table.aperture().last)
        {
            check!(F::DYNAMIC_TOP, "{iova:#x} is in an aperture without growth");
            let before = table.top();
            check_eq!(
                table.map(&watch, iova, iova & 0xf000, PAGE, 1, Prot::RW).1,
                Ok(())
            );
            expected += 1;
            check_eq!(table.top().level, expected);
            // Hardware walks the new levels before anything is below them.
            check_eq!(watch.take_tops().pop(), Some((table.top(), before)));
            mapped.push(iova, GFP_KERNEL)?;
            for iova in &mapped {
                check_eq!(table.iova_to_phys(*iova), Some(*iova & 0xf000));
            }
            span = F::shift(expected) + F::index_bits(expected);
        }
        let grown = if F::DYNAMIC_TOP {
            F::LEVELS.1 - levels
        } else {
            0
        };
        check_eq!(mapped.len(), grown as usize);
        // Not past the last level.
        check_eq!(
            table
                .map(&watch, table.aperture().last - 0xfff, 0, PAGE, 1, Prot::RW)
                .1,
            Ok(())
        );
        check_eq!(table.top().level, expected);
        check!(watch.take_tops().is_empty());
        Ok(())
    }
    on_format!(form, body)
}

fn the_top_grows_to_the_end_at_once(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        let watch = Watch::new(&table);
        let before = table.top();
        check_eq!(table.map(&watch, 0, 0xa000, PAGE, 1, Prot::RW).1, Ok(()));
        let last = table.aperture().last - 0xfff;
        check_eq!(table.map(&watch, last, 0xb000, PAGE, 1, Prot::RW).1, Ok(()));
        check_eq!(table.iova_to_phys(0), Some(0xa000));
        check_eq!(table.iova_to_phys(last), Some(0xb000));
        let Top { level, .. } = table.top();
        check_eq!(level, crate::pgtable_tests::most_levels::<F>(levels) - 1);
        match F::DYNAMIC_TOP {
            true => check_eq!(&watch.take_tops()[..], &[(table.top(), before)]),
            false => check_eq!(table.top(), before),
        }
        check_eq!(Census::of(&*table).tables, table.tables());
        Ok(())
    }
    on_format!(form, body)
}

fn tables_left_over_give_way_to_a_leaf(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        for size in ones(table.page_sizes() & !PAGE) {
            let (iova, oa) = (size, test_oa::<F>(size));
            let before = table.tables();
            // A page at the start of the leaf, and one at its end.
            for at in [iova, iova + size - PAGE] {
                check_eq!(table.map(&Fixed, at, 0, PAGE, 1, Prot::RW).1, Ok(()));
                check_eq!(table.unmap(at, PAGE, &mut Default::default()), PAGE);
            }
            let watch = Watch::new(&table);
            watch.at.set(iova + size / 2);
            check_eq!(
                table.map(&watch, iova, oa, size, 1, Prot::RW),
                (size, Ok(()))
            );
            check_eq!(table.iova_to_phys(iova + size - 1), Some(oa + size - 1));
            let level = (0..6).find(|l| F::leaf_sizes(*l) & size != 0).unwrap_or(0);
            let cut = match level {
                0 => 0,
                _ if size == 1 << F::shift(level) => 1,
                _ => 2,
            };
            check_eq!(watch.flushes.get(), cut);
            check!(!watch.mapped.get(), "the leaf was written before the flush");
            check!(!watch.missed.get(), "the flush did not cover {iova:#x}");
            check_eq!(Census::of(&*table).tables, table.tables());
            check_eq!(table.unmap(iova, size, &mut Default::default()), size);
            check!(table.tables() >= before);
        }
        Ok(())
    }
    on_format!(form, body)
}

fn a_table_in_use_gives_way_to_nothing(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        for size in ones(table.page_sizes() & !PAGE) {
            let at = 2 * size - PAGE;
            check_eq!(table.map(&Fixed, at, 0x5000, PAGE, 1, Prot::RW).1, Ok(()));
            let before = Census::of(&*table);
            let watch = Watch::new(&table);
            let result = table.map(&watch, size, 0, size, 1, Prot::RW);
            check_eq!(result, (0, Err(MapError::Overlap)));
            check_eq!(Census::of(&*table).leaves, before.leaves);
            check_eq!(table.iova_to_phys(at), Some(0x5000));
            check_eq!(table.iova_to_phys(size), None);
            check_eq!(table.unmap(at, PAGE, &mut Default::default()), PAGE);
        }
        Ok(())
    }
    on_format!(form, body)
}

fn a_run_of_mixed_sizes_is_mapped(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        const M2: u64 = 2 << 20;
        const G1: u64 = 1 << 30;
        let table = table::<F>(levels)?;
        if table.page_sizes() & (M2 | G1) != M2 | G1 {
            // Pages only: the same range as long runs.
            check_eq!(
                table.map(&Fixed, G1 - M2, 0, PAGE, 1024, Prot::RW).1,
                Ok(())
            );
            check_eq!(
                table.unmap(G1 - M2, 1 << 32, &mut Default::default()),
                1024 * PAGE
            );
            return Ok(());
        }
        let (start, end) = (G1 - 9 * M2, 2 * G1 + 10 * M2);
        let parts = [(start, M2, 9), (G1, G1, 1), (2 * G1, M2, 10)];
        for (iova, size, count) in parts {
            check_eq!(
                table.map(&Fixed, iova, iova, size, count, Prot::RW).1,
                Ok(())
            );
        }
        check_eq!(Census::of(&*table).leaves, 20);
        for iova in (start..end).step_by(M2 as usize) {
            check_eq!(table.iova_to_phys(iova + 0x123), Some(iova + 0x123));
        }
        check_eq!(
            table.unmap(start, end - start, &mut Default::default()),
            end - start
        );
        check_eq!(Census::of(&*table).leaves, 0);
        Ok(())
    }
    on_format!(form, body)
}

fn four_gibibytes_are_crossed(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        for size in ones(table.page_sizes() & 0xffff_ffff) {
            let iova = (1 << 32) - size;
            check_eq!(
                table.map(&Fixed, iova, iova, size, 2, Prot::RW),
                (2 * size, Ok(()))
            );
            for at in [iova, (1 << 32) - 1, 1 << 32, (1 << 32) + size - 1] {
                check_eq!(table.iova_to_phys(at), Some(at));
            }
            check_eq!(
                table.unmap(iova, 2 * size, &mut Default::default()),
                2 * size
            );
            check_eq!(Census::of(&*table).leaves, 0);
        }
        Ok(())
    }
    on_format!(form, body)
}

fn a_run_needs_tables_of_several_levels(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        for level in 1..crate::pgtable_tests::most_levels::<F>(levels) - 1 {
            // From the last table of one item, whose way is there, into the next one.
            let table = table::<F>(levels)?;
            let end = table.aperture().last - 0xfff;
            check_eq!(table.map(&Fixed, end, 0, PAGE, 1, Prot::RW).1, Ok(()));
            let border = 1u64 << F::shift(level + 1);
            let far = border - (1 << F::shift(1)) - PAGE;
            check_eq!(table.map(&Fixed, far, 0, PAGE, 1, Prot::RW).1, Ok(()));
            let before = table.tables();
            let start = border - 2 * PAGE;
            check_eq!(
                table.map(&Fixed, start, 0, PAGE, 4, Prot::RW),
                (4 * PAGE, Ok(()))
            );
            // One where it begins, and all levels below the border.
            check_eq!(table.tables(), before + 1 + level + 1);
            check_eq!(Census::of(&*table).tables, table.tables());
        }
        Ok(())
    }
    on_format!(form, body)
}

fn hardware_marks_any_slot_of_a_leaf_dirty(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        let whole = (0, table.aperture().last);
        let found = |clean: bool| {
            let (mut count, mut last) = (0u32, (0, 0));
            table.dirty(whole.0, whole.1, clean, &mut |iova, size| {
                count += 1;
                last = (iova, size);
            });
            (count, last)
        };
        check!(!table.write_by_hardware(0x1000));
        for size in ones(table.page_sizes() & 0xffff_ffff) {
            let level = (0..6).find(|l| F::leaf_sizes(*l) & size != 0).unwrap_or(0);
            let item = 1 << F::shift(level);
            check_eq!(table.map(&Fixed, size, 0, size, 1, Prot::RW).1, Ok(()));
            check_eq!(
                table.map(&Fixed, 4 * size, 0, size, 1, Prot::READ).1,
                Ok(())
            );
            found(true);
            for at in (size..2 * size).step_by(item as usize) {
                check_eq!(found(false), (0, (0, 0)));
                check_eq!(table.write_by_hardware(at), F::DIRTY);
                check!(
                    !table.write_by_hardware(4 * size),
                    "what is read-only became dirty"
                );
                let expected = if F::DIRTY {
                    (1, (size, size))
                } else {
                    (0, (0, 0))
                };
                check_eq!(found(false), expected);
                check_eq!(found(true), expected);
                check_eq!(table.iova_to_phys(at), Some(at - size));
            }
            check_eq!(table.unmap(size, size, &mut Default::default()), size);
            check_eq!(table.unmap(4 * size, size, &mut Default::default()), size);
        }
        // The page at 0 is not the one behind the table.
        check_eq!(table.map(&Fixed, 0, 0, PAGE, 1, Prot::RW).1, Ok(()));
        if let Some(behind) = table.aperture().last.checked_add(1) {
            check!(!table.write_by_hardware(behind));
        }
        Ok(())
    }
    on_format!(form, body)
}
