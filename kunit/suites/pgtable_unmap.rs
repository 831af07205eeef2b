// SPDX-License-Identifier: GPL-2.0

//! Unmapping with page tables of every format, and what becomes of the tables.

use crate::{
    iommu::{
        Gather,
        Prot, //
    },
    kapi::kunit::{
        check_eq,
        kunit_suite,
        Outcome, //
    },
    pgtable::{
        Fixed,
        Format,
        PageTable,
        Slot, //
    },
    pgtable_tests::{
        most_levels,
        on_format,
        ones,
        table,
        Census,
        Form,
        FORMS, //
    },
};
use kernel::prelude::*;

kunit_suite! {
    iommu_mock_pgtable_unmap:
    the_start_of_a_leaf_takes_all_of_it: each Form in FORMS;
    a_start_inside_a_leaf_takes_nothing: each Form in FORMS;
    a_hole_ends_it: each Form in FORMS;
    what_is_not_mapped_changes_nothing: each Form in FORMS;
    a_range_of_many_tables_leaves_the_root: each Form in FORMS;
    a_table_that_is_left_over_stays: each Form in FORMS;
    cut_off_tables_are_kept_until_the_flush: each Form in FORMS;
    what_is_gathered_covers_what_is_unmapped: each Form in FORMS;
}

const PAGE: u64 = 1 << 12;

fn map<F: Format>(table: &PageTable<F>, iova: u64, size: u64, count: u64) -> Outcome {
    let result = table.map(&Fixed, iova, iova & 0xffff_ffff_ffff, size, count, Prot::RW);
    check_eq!(result, (size * count, Ok(())));
    Ok(())
}

/// Unmaps, and gives the tables back as if the hardware had been flushed.
fn unmap<F: Format>(table: &PageTable<F>, iova: u64, len: u64) -> u64 {
    let mut gather = Gather::default();
    let done = table.unmap(iova, len, &mut gather);
    table.give_back(&gather);
    done
}

fn the_start_of_a_leaf_takes_all_of_it(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        for size in ones(table.page_sizes() & 0xffff_ffff) {
            for len in [1, PAGE, size / 2, size - 1, size] {
                map(&table, size, size, 2)?;
                check_eq!(unmap(&table, size, len), size);
                check_eq!(table.iova_to_phys(size), None);
                check_eq!(table.iova_to_phys(2 * size - 1), None);
                check_eq!(table.iova_to_phys(2 * size), Some(2 * size));
                check_eq!(Census::of(&*table).leaves, 1);
                // An end inside the second leaf takes that one, too.
                map(&table, size, size, 1)?;
                check_eq!(unmap(&table, size, size + len), 2 * size);
                check_eq!(Census::of(&*table).leaves, 0);
            }
        }
        Ok(())
    }
    on_format!(form, body)
}

fn a_start_inside_a_leaf_takes_nothing(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        for size in ones(table.page_sizes() & 0xffff_ffff) {
            map(&table, size, size, 2)?;
            let before = Census::of(&*table);
            for inside in [1, size / 2, size - 1, size + size / 2] {
                let mut gather = Gather::default();
                check_eq!(table.unmap(size + inside, 4 * size, &mut gather), 0);
                check_eq!(gather, Gather::default());
            }
            check_eq!(Census::of(&*table), before);
            check_eq!(unmap(&table, size, 2 * size), 2 * size);
        }
        Ok(())
    }
    on_format!(form, body)
}

fn a_hole_ends_it(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        for size in ones(table.page_sizes() & 0xffff_ffff) {
            map(&table, size, size, 2)?;
            map(&table, 4 * size, size, 1)?;
            check_eq!(unmap(&table, size, 8 * size), 2 * size);
            check_eq!(table.iova_to_phys(4 * size), Some(4 * size));
            check_eq!(unmap(&table, 3 * size, 2 * size), 0);
            check_eq!(unmap(&table, 4 * size, size), size);
        }
        // Holes at the borders of tables of every level.
        for level in 0..most_levels::<F>(levels) - 1 {
            let border = 1u64 << F::shift(level + 1);
            map(&table, border - PAGE, PAGE, 1)?;
            map(&table, border + PAGE, PAGE, 1)?;
            check_eq!(unmap(&table, border - PAGE, 8 * PAGE), PAGE);
            check_eq!(unmap(&table, border + PAGE, 8 * PAGE), PAGE);
        }
        Ok(())
    }
    on_format!(form, body)
}

fn what_is_not_mapped_changes_nothing(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        map(&table, 16 * PAGE, PAGE, 1)?;
        let before = (Census::of(&*table), table.tables());
        let last = table.aperture().last;
        let ranges = [
            (0, PAGE),
            (0, u64::MAX),
            (16 * PAGE, 0),
            (last - 0xfff, PAGE),
            (last - 0xfff, 2 * PAGE),
            (last.wrapping_add(1) | (1 << 63), PAGE),
            (u64::MAX, 1),
            (u64::MAX, 2),
            (17 * PAGE, u64::MAX - 17 * PAGE),
        ];
        for (iova, len) in ranges {
            let mut gather = Gather::default();
            check_eq!(table.unmap(iova, len, &mut gather), 0);
            check_eq!(gather, Gather::default());
            check_eq!((Census::of(&*table), table.tables()), before);
        }
        // The last page is there, but the range goes on behind it.
        map(&table, last - 0xfff, PAGE, 1)?;
        if last != u64::MAX {
            check_eq!(unmap(&table, last - 0xfff, 2 * PAGE), 0);
        }
        check_eq!(unmap(&table, last - 0xfff, PAGE), PAGE);
        Ok(())
    }
    on_format!(form, body)
}

fn a_range_of_many_tables_leaves_the_root(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        // Whole tables of the level of the pages: two for the first part, one for the second.
        let span = 1u64 << F::shift(1);
        map(&table, 0, PAGE, 3 * span / PAGE)?;
        let before = table.tables();
        check_eq!(unmap(&table, 0, 3 * span), 3 * span);
        check_eq!(table.tables(), before - 3);
        for size in ones(table.page_sizes()) {
            let level = (0..6).find(|l| F::leaf_sizes(*l) & size != 0).unwrap_or(0);
            if level + 1 >= table.top().level {
                continue;
            }
            // A whole table, and with it the one above if that has no other.
            let whole = 1u64 << F::shift(level + 1);
            map(&table, 0, size, whole / size)?;
            let mut gather = Gather::default();
            check_eq!(table.unmap(0, whole, &mut gather), whole);
            check_eq!(table.chained(&gather).count(), 1);
            check_eq!(Census::of(&*table).tables + 1, table.tables());
            table.give_back(&gather);
            check_eq!(Census::of(&*table).tables, table.tables());
        }
        Ok(())
    }
    on_format!(form, body)
}

fn a_table_that_is_left_over_stays(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        map(&table, 4 * PAGE, PAGE, 1)?;
        let tables = table.tables();
        check_eq!(tables, table.top().level + 1);
        let mut gather = Gather::default();
        check_eq!(table.unmap(4 * PAGE, PAGE, &mut gather), PAGE);
        check_eq!(gather.tables(), 0);
        check_eq!(table.tables(), tables);
        // It is used again.
        map(&table, 4 * PAGE, PAGE, 1)?;
        check_eq!(table.tables(), tables);
        Ok(())
    }
    on_format!(form, body)
}

fn cut_off_tables_are_kept_until_the_flush(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        let span = 1u64 << F::shift(1);
        map(&table, 0, PAGE, 4 * span / PAGE)?;
        let before = table.tables();
        let mut gather = Gather::default();
        // Two parts in one gather, as when a flush is put off.
        check_eq!(table.unmap(0, span, &mut gather), span);
        check_eq!(table.unmap(span, 3 * span, &mut gather), 3 * span);
        let mut cut: KVec<u64> = KVec::new();
        for words in table.chained(&gather) {
            cut.push(words.address(), GFP_KERNEL)?;
            // Hardware that still comes here finds nothing.
            for index in 0..1 << F::index_bits(0) {
                check_eq!(F::slot(words.load(index), 0), Slot::Empty);
            }
        }
        check_eq!(cut.len(), 4);
        check_eq!(table.tables(), before);
        map(&table, 8 * span, PAGE, 4 * span / PAGE)?;
        for index in 0..4 {
            let new = table
                .chained(&gather)
                .nth(index)
                .map(|words| words.address());
            check_eq!(new, cut.get(index).copied());
        }
        check_eq!(Census::of(&*table).tables + 4, table.tables());
        table.give_back(&gather);
        check_eq!(table.tables(), before);
        // Now they are handed out again, and empty.
        map(&table, 16 * span, PAGE, 4 * span / PAGE)?;
        let leaves = u64::from(Census::of(&*table).leaves);
        check_eq!(leaves, 8 * span / PAGE);
        check_eq!(Census::of(&*table).tables, table.tables());
        Ok(())
    }
    on_format!(form, body)
}

fn what_is_gathered_covers_what_is_unmapped(form: &Form) -> Outcome {
    fn body<F: Format>(levels: u32) -> Outcome {
        let table = table::<F>(levels)?;
        for size in ones(table.page_sizes() & 0xffff_ffff) {
            map(&table, 2 * size, size, 1)?;
            let mut gather = Gather::default();
            check_eq!(table.unmap(2 * size, 1, &mut gather), size);
            check_eq!(gather.range(), Some((2 * size, 3 * size - 1)));
            table.give_back(&gather);
        }
        Ok(())
    }
    on_format!(form, body)
}
