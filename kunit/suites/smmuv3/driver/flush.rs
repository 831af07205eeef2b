// SPDX-License-Identifier: GPL-2.0

//! What hardware is made to forget when something is unmapped.

use super::{
    marked,
    reach,
    unit,
    Of,
    MARK, //
};
use crate::{
    iommu::{
        Gather,
        Prot, //
    },
    kapi::kunit::{
        self,
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mock::{
        hw::{
            machine::Inspect as _,
            model::Command,
            smmuv3::command::{
                self,
                op, //
            },
            step::Step,
            Reach, //
        },
        smmuv3::Smmuv3Unit,
        unit::{
            Modelled as _,
            Space,
            Target,
            Unit as _, //
        },
    },
};
use kernel::{
    fmt,
    prelude::*, //
};

kunit_suite! {
    iommu_mock_smmuv3_flush:
    what_is_unmapped_is_there_until_the_sync;
    a_range_is_split_into_commands: each Ranges in RANGES;
    an_endpoint_forgets_after_the_tlb;
    a_table_that_is_freed_is_forgotten;
    a_space_without_user_needs_no_flush;
    an_id_is_clean_when_it_is_used_again;
}

/// The commands and waits of what is done; 0 stands for a wait.
fn commands(unit: &Smmuv3Unit, act: impl FnOnce()) -> Result<KVec<Option<Command>>> {
    unit.machine().start_tape();
    act();
    let mut all = KVec::new();
    for step in &unit.machine().take_tape() {
        match step {
            Step::Submit(command) => all.push(Some(*command), GFP_KERNEL)?,
            Step::Wait => all.push(None, GFP_KERNEL)?,
            _ => (),
        }
    }
    Ok(all)
}

fn what_is_unmapped_is_there_until_the_sync() -> Outcome {
    for of in [Of::Stage1, Of::Stage2(39), Of::Stage2(48)] {
        for ats in [false, true] {
            let unit = unit(0, 1, ats)?;
            let space = marked(&unit, of, 0x10_0000)?;
            let target = Target::Paging(space.clone());
            unit.attach(0, None, &target).map_err(Error::from)?;
            check_eq!(reach(&unit, 0, None), Reach::Memory(0x10_0000));
            let mut gather = Gather::default();
            check_eq!(space.unmap(MARK, 0x1000, 1, &mut gather), 0x1000);
            check_eq!(reach(&unit, 0, None), Reach::Memory(0x10_0000));
            space.sync(&gather);
            check_eq!(reach(&unit, 0, None), Reach::Aborted);
        }
    }
    Ok(())
}

/// A range, its page size, and the commands: address, SCALE, NUM.
struct Ranges {
    name: &'static str,
    first: u64,
    size: u64,
    page: u64,
    ttl: u64,
    commands: &'static [(u64, u64, u64)],
}

impl kunit::Param for Ranges {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const fn ranges(
    name: &'static str,
    (first, size, page): (u64, u64, u64),
    ttl: u64,
    commands: &'static [(u64, u64, u64)],
) -> Ranges {
    Ranges {
        name,
        first,
        size,
        page,
        ttl,
        commands,
    }
}

const K: u64 = 1 << 10;
const M: u64 = 1 << 20;

#[rustfmt::skip]
const RANGES: [Ranges; 8] = [
    ranges("a page", (0x1000, 4 * K, 4 * K), 3, &[(0x1000, 0, 0)]),
    ranges("31 pages", (0, 31 * 4 * K, 4 * K), 3, &[(0, 0, 30)]),
    ranges("32 pages", (0, 32 * 4 * K, 4 * K), 3, &[(0, 5, 0)]),
    ranges("33 pages", (0, 33 * 4 * K, 4 * K), 3, &[(0, 0, 0), (0x1000, 5, 0)]),
    ranges("2 MiB", (2 * M, 2 * M, 2 * M), 2, &[(2 * M, 9, 0)]),
    ranges("64 KiB", (64 * K, 128 * K, 64 * K), 3, &[(64 * K, 5, 0)]),
    ranges("2 GiB", (1 << 30, 2 << 30, 1 << 30), 1, &[(1 << 30, 19, 0)]),
    ranges("any size", (0, 12 * K, 0), 0, &[(0, 0, 2)]),
];

fn a_range_is_split_into_commands(ranges: &Ranges) -> Outcome {
    for of in [Of::Stage1, Of::Stage2(48)] {
        let unit = unit(0, 1, false)?;
        let space = marked(&unit, of, 0x10_0000)?;
        let target = Target::Paging(space.clone());
        unit.attach(0, None, &target).map_err(Error::from)?;
        let last = ranges.first + (ranges.size - 1);
        let gather = Gather::over(ranges.first, last, ranges.page);
        let commands = commands(&unit, || space.sync(&gather))?;
        check_eq!(commands.len(), ranges.commands.len() + 1);
        check!(matches!(commands.last(), Some(None)), "nobody waits");
        for (command, expected) in commands.iter().flatten().zip(ranges.commands) {
            let words = &command.0;
            let found = (
                command::ADDRESS.address(words),
                command::SCALE.get(words),
                command::NUM.get(words),
            );
            check_eq!(found, *expected);
            check_eq!(command::TTL.get(words), ranges.ttl);
            check_eq!((command::TG.get(words), command::LEAF.get(words)), (1, 1));
            let (op, vmid, asid) = match of {
                Of::Stage1 => (op::TLBI_NH_VA, 0, 1),
                Of::Stage2(_) => (op::TLBI_S2_IPA, 1, 0),
            };
            check_eq!(command::OP.get(words), op);
            check_eq!(command::VMID.get(words), vmid);
            check_eq!(command::ASID.get(words), asid);
        }
    }
    Ok(())
}

/// Else it asks the TLB, which still knows.
fn an_endpoint_forgets_after_the_tlb() -> Outcome {
    let unit = unit(0, 3, true)?;
    let space = marked(&unit, Of::Stage1, 0x10_0000)?;
    let target = Target::Paging(space.clone());
    for (endpoint, pasid) in [(2, None), (1, Some(3)), (1, None)] {
        unit.attach(endpoint, pasid, &target).map_err(Error::from)?;
    }
    let gather = Gather::over(0x7000, 0xafff, 0x1000);
    let found = commands(&unit, || space.sync(&gather))?;
    // 7 to 10 is in 0 to 15.
    let expected = [
        Some(
            command::tlbi(op::TLBI_NH_VA, 0, 1)
                .with(command::SCALE, 2)
                .with(command::ADDRESS, 7)
                .with(command::TTL, 3)
                .with(command::TG, 1)
                .with(command::LEAF, 1),
        ),
        None,
        Some(command::atc_inv(1, None, 0, 4)),
        Some(command::atc_inv(1, Some(3), 0, 4)),
        Some(command::atc_inv(2, None, 0, 4)),
        None,
    ];
    check_eq!(&found[..], &expected[..]);
    Ok(())
}

fn a_table_that_is_freed_is_forgotten() -> Outcome {
    let unit = unit(0, 1, false)?;
    let space = marked(&unit, Of::Stage1, 0x10_0000)?;
    unit.attach(0, None, &Target::Paging(space.clone()))
        .map_err(Error::from)?;
    space.map(0, 0x20_0000, 0x1000, 512, Prot::RW).result?;
    let mut gather = Gather::default();
    check_eq!(space.unmap(0, 0x1000, 512, &mut gather), 2 * M);
    check!(gather.tables() != 0, "no table was cut off");
    let found = commands(&unit, || space.sync(&gather))?;
    for command in found.iter().flatten() {
        check_eq!(command::LEAF.get(&command.0), 0);
        check_eq!(command::TTL.get(&command.0), 0);
    }
    check_eq!(found.len(), 2);
    Ok(())
}

fn a_space_without_user_needs_no_flush() -> Outcome {
    let unit = unit(0, 1, true)?;
    let space = marked(&unit, Of::Stage1, 0x10_0000)?;
    let target = Target::Paging(space.clone());
    let mut gather = Gather::default();
    space.unmap(MARK, 0x1000, 1, &mut gather);
    check_eq!(commands(&unit, || space.sync(&gather))?.len(), 0);
    unit.attach(0, None, &target).map_err(Error::from)?;
    unit.attach(0, None, &Target::Blocked)
        .map_err(Error::from)?;
    check_eq!(commands(&unit, || space.sync(&gather))?.len(), 0);
    Ok(())
}

fn an_id_is_clean_when_it_is_used_again() -> Outcome {
    for of in [Of::Stage1, Of::Stage2(48)] {
        let unit = unit(0, 1, false)?;
        for page in [0x10_0000, 0x10_1000, 0x10_2000] {
            // The lowest free id, and the lowest free memory for tables.
            let target = Target::Paging(marked(&unit, of, page)?);
            unit.attach(0, None, &target).map_err(Error::from)?;
            drop(target);
            check_eq!(reach(&unit, 0, None), Reach::Memory(page));
            unit.attach(0, None, &Target::Identity)
                .map_err(Error::from)?;
        }
        check_eq!(unit.machine().counts().wild, 0);
    }
    Ok(())
}
