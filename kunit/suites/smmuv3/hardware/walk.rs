// SPDX-License-Identifier: GPL-2.0

//! How hardware walks tables.

use super::{
    MODEL,
    NO_ATS, //
};
use crate::{
    iommu::Prot,
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mock::{
        hw::{
            model::{
                Model as _,
                Next,
                Requester,
                Stage,
                Translation, //
            },
            smmuv3::tag,
            Memory, //
        },
        smmuv3::entries::{
            self,
            Stage2,
            Tcr, //
        },
    },
    pgtable::{
        Armv8Stage1,
        Armv8Stage2,
        Fixed,
        Format,
        PageTable,
        Top, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_smmuv3_tables:
    a_walk_agrees_with_the_table_of_stage_1;
    a_walk_agrees_with_the_table_of_stage_2;
    a_wrong_vtcr_walks_at_the_wrong_depth;
    stage_2_translates_the_tables_of_stage_1;
}

/// A page table as memory.
struct Tables<F: Format>(Arc<PageTable<F>>);

impl<F: Format> Memory for Tables<F> {
    fn word(&self, table: u64, index: u32) -> Option<u64> {
        self.0.word(table, index)
    }
}

impl<F: Format> Tables<F> {
    fn new(levels: u32) -> Result<Self> {
        Ok(Self(Arc::pin_init(PageTable::new(levels), GFP_KERNEL)?))
    }

    fn map(&self, iova: u64, oa: u64, page: u64, count: u64) -> Result {
        self.0.map(&Fixed, iova, oa, page, count, Prot::RW).1?;
        Ok(())
    }

    fn stage(&self, is_stage2: bool) -> Stage {
        let Top { root, level } = self.0.top();
        let bits = 12 + 9 * (level + 1);
        let t0sz = 64 - bits as u8;
        Stage {
            root,
            levels: level + 1,
            format: t0sz | u8::from(is_stage2) << 7,
        }
    }
}

const MIB: u64 = 1 << 20;

/// Maps leaves of all sizes, and compares what a walk finds with what the table says.
fn agrees<F: Format>(is_stage2: bool) -> Outcome {
    for levels in 3..=4 {
        let tables = Tables::<F>::new(levels)?;
        tables.map(0x1000, 0x9000, 0x1000, 5)?;
        tables.map(0x10_0000, 0x70_0000, 0x1_0000, 2)?;
        tables.map(4 * MIB, 64 * MIB, 2 * MIB, 3)?;
        tables.map(64 * MIB, 128 * MIB, 32 * MIB, 1)?;
        tables.map(1 << 30, 5 << 30, 1 << 30, 2)?;
        let last = tables.0.aperture().last;
        tables.map(last - 0xfff, 0x1_0000_0000, 0x1000, 1)?;
        let by = Translation {
            tag: tag::stage2(1),
            first: tables.stage(is_stage2),
            second: None,
            marks: false,
        };
        let mut found = 0;
        let starts = [
            0,
            0x10_0000,
            4 * MIB,
            10 * MIB,
            64 * MIB,
            1 << 30,
            3 << 30,
            last - 0x4fff,
        ];
        for iova in starts.into_iter().flat_map(|start| {
            (0..40u64).map(move |step| start + step * 0x801) //
        }) {
            let reached = MODEL.walk(&tables, &by, iova, &mut |_| ());
            check_eq!(reached, tables.0.iova_to_phys(iova));
            found += u32::from(reached.is_some());
        }
        check!(found > 100, "only {found} addresses are mapped");
        let beyond = MODEL.walk(&tables, &by, last.wrapping_add(1), &mut |_| ());
        check_eq!(beyond, None);
    }
    Ok(())
}

fn a_walk_agrees_with_the_table_of_stage_1() -> Outcome {
    agrees::<Armv8Stage1>(false)
}

fn a_walk_agrees_with_the_table_of_stage_2() -> Outcome {
    agrees::<Armv8Stage2>(true)
}

/// A table of 3 levels is taken for one of 4, as an STE says that was read torn: pages are taken
/// for tables.
fn a_wrong_vtcr_walks_at_the_wrong_depth() -> Outcome {
    const DATA: u64 = 0x9_0000;
    let tables = Tables::<Armv8Stage2>::new(3)?;
    tables.map(0, DATA, 0x1000, 4)?;
    let stage2 = |bits, sl0| Stage2 {
        vmid: 1,
        ttb: tables.0.top().root,
        sl0,
        tcr: Tcr::for_input_bits(bits),
    };
    let walk = |stage2: Stage2| -> Result<(Option<u64>, u64)> {
        let ste = entries::s2_ste(&stage2, NO_ATS);
        let from = Requester { id: 0, pasid: None };
        let Next::Translate(by) = MODEL.next(from, &[ste]) else {
            return Err(EINVAL);
        };
        let mut visited = 0;
        let reached = MODEL.walk(&tables, &by, 0x123, &mut |table| visited = table);
        Ok((reached, visited))
    };
    let (reached, _) = walk(stage2(39, 1))?;
    check_eq!(reached, Some(DATA + 0x123));
    let (reached, visited) = walk(stage2(48, 2))?;
    check_eq!((reached, visited), (None, DATA));
    // A table of the upper level is taken for pages.
    let (reached, _) = walk(stage2(30, 0))?;
    check!(reached != Some(DATA + 0x123));
    Ok(())
}

/// Stage 1 whose tables and outputs are where stage 2 says.
fn stage_2_translates_the_tables_of_stage_1() -> Outcome {
    struct Both(Tables<Armv8Stage1>, Tables<Armv8Stage2>);
    impl Memory for Both {
        fn word(&self, table: u64, index: u32) -> Option<u64> {
            let Self(first, second) = self;
            first
                .word(table, index)
                .or_else(|| second.word(table, index))
        }
    }
    let (first, second) = (Tables::new(4)?, Tables::new(4)?);
    first.map(0x5000, 0x7000, 0x1000, 1)?;
    second.map(0x7000, 0xb_0000, 0x1000, 1)?;
    // Tables of stage 1 are at the same address in either space.
    let root = first.0.top().root;
    second.map(root, root, 0x1000, 3)?;
    let by = Translation {
        tag: tag::stage1(1, 1),
        first: first.stage(false),
        second: Some(second.stage(true)),
        marks: false,
    };
    let both = Both(first, second);
    check_eq!(MODEL.walk(&both, &by, 0x5008, &mut |_| ()), None);
    let Both(_, second) = &both;
    second.map(root + 0x3000, root + 0x3000, 0x1000, 1)?;
    let reached = MODEL.walk(&both, &by, 0x5008, &mut |_| ());
    check_eq!(reached, Some(0xb_0008));
    Ok(())
}
