// SPDX-License-Identifier: GPL-2.0

//! What cannot be: an error that says so, and never a panic.

use crate::{
    families::{
        self,
        Families, //
    },
    judge_tests::{
        families::{
            Amd,
            Legacy,
            Scalable,
            Smmuv3,
            S390, //
        },
        family::Judged,
    },
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome, //
    },
    mock::{
        endpoint::{
            EndpointConfig,
            InstanceConfig, //
        },
        family::{
            Family,
            Shape,
            FAMILIES, //
        },
        fault::FaultPlan,
        hw::{
            machine::{
                Inspect,
                Machine, //
            },
            model::{
                Call,
                Command,
                Model,
                Next,
                Requester,
                Tag,
                Words,
                DEPTH, //
            },
            Memory,
            Reach, //
        },
        unit::{
            Modelled,
            Target,
            Unit, //
        },
    },
    random::Random,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

kunit_suite! {
    iommu_mock_input:
    family_that_is_not_there;
    machine_refuses_what_is_not_its;
    queue_that_is_full_says_so;
    endpoint_that_is_not_there;
    garbage_is_decided;
}

kunit_suite! {
    iommu_mock_shape over Families:
    protocol_that_is_not_there;
    shape_that_cannot_be;
}

fn faults() -> Result<Arc<FaultPlan>> {
    Arc::pin_init(FaultPlan::new(), GFP_KERNEL)
}

fn family_that_is_not_there() -> Outcome {
    let count = FAMILIES.len() as u32;
    for number in [count, u32::MAX] {
        check_eq!(Family::try_from(number).err(), Some(EINVAL));
    }
    Ok(())
}

fn protocol_that_is_not_there() -> Outcome {
    let family = families::under_test()?;
    let count = family.protocols.len() as u32;
    let shape = || Shape {
        endpoints: 1,
        group_size: 1,
        pasids: 0,
    };
    for protocol in [count, u32::MAX] {
        check_eq!(
            family.build_shape(shape(), protocol, faults()?).err(),
            Some(EINVAL)
        );
    }
    for protocol in 0..count {
        check!(family.build_shape(shape(), protocol, faults()?).is_ok());
    }
    Ok(())
}

fn shape_that_cannot_be() -> Outcome {
    let family = families::under_test()?;
    let build = |endpoints, group_size, pasids| {
        let shape = Shape {
            endpoints,
            group_size,
            pasids,
        };
        Ok::<_, Error>(family.build_shape(shape, 0, faults()?).err())
    };
    // Groups of nobody.
    check_eq!(build(1, 0, 0)?, Some(EINVAL));
    // PASIDs have 20 bits.
    check_eq!(build(1, 1, (1 << 20) + 1)?, Some(EINVAL));
    check_eq!(build(1, 1, u32::MAX)?, Some(EINVAL));
    check_eq!(build(0, 1, 0)?, None);
    Ok(())
}

/// Does the same with the hardware of each family.
macro_rules! each_family {
    ($do:ident) => {{
        $do::<Scalable>(0)?;
        $do::<Legacy>(4)?;
        $do::<Amd>(0)?;
        $do::<Smmuv3>(0)?;
        $do::<S390>(0)
    }};
}

fn unit<J: Judged>(protocol: u32) -> Result<Arc<J::Unit>> {
    let config = InstanceConfig {
        protocol,
        ..InstanceConfig::default()
    };
    let mut endpoint = EndpointConfig::ordinary(0);
    endpoint.max_pasids = 4;
    J::unit(&config, &[endpoint])
}

fn machine_refuses_what_is_not_its() -> Outcome {
    each_family!(refuses)
}

fn refuses<J: Judged>(protocol: u32) -> Outcome {
    let unit = unit::<J>(protocol)?;
    let machine: &Machine<_> = unit.machine();
    let table = machine.alloc(4, 0)?;
    let end = table + 32;
    // Outside of all tables, and across the end of one.
    for at in [0, 8, end, !7] {
        check_eq!(machine.load(at), Err(EFAULT));
        check_eq!(machine.store(at, &[1]), Err(EFAULT));
    }
    check_eq!(machine.store(table, &[0; 8]), Err(EFAULT));
    // A number of words that no store has, and an address at which there is none of that many.
    for count in [0, 3, 5] {
        check_eq!(
            machine.store(table, [1; 8].get(..count).unwrap_or(&[])),
            Err(EINVAL)
        );
    }
    check_eq!(machine.store(table, &[1; 16]), Err(EINVAL));
    check_eq!(machine.store(table + 4, &[1]), Err(EINVAL));
    check_eq!(machine.store(table + 8, &[1, 1]), Err(EINVAL));
    for at in [table, table + 8, table + 16, table + 24] {
        check_eq!(machine.load(at), Ok(0));
    }
    Ok(())
}

fn queue_that_is_full_says_so() -> Outcome {
    each_family!(overflows)
}

fn overflows<J: Judged>(protocol: u32) -> Outcome {
    let unit = unit::<J>(protocol)?;
    let machine = unit.machine();
    let before = machine.counts().commands;
    let mut room = 0;
    while room < 10_000 && machine.try_submit(Command([0; 2])).is_ok() {
        room += 1;
    }
    check_eq!(room, 256);
    check_eq!(machine.try_submit(Command([0; 2])), Err(EBUSY));
    check_eq!(machine.counts().commands - before, room);
    // Who cannot go on without waits for room.
    machine.submit(Command([0; 2]));
    check_eq!(machine.try_submit(Command([0; 2])), Ok(()));
    machine.wait();
    check_eq!(machine.counts().commands - before, room + 2);
    Ok(())
}

fn endpoint_that_is_not_there() -> Outcome {
    each_family!(absent)
}

fn absent<J: Judged>(protocol: u32) -> Outcome {
    let unit = unit::<J>(protocol)?;
    for endpoint in [1, 255, 256, 0x1_0000, 1 << 20, u32::MAX] {
        for target in [Target::Blocked, Target::Identity] {
            check!(unit.check(endpoint, None, &target).is_err());
            check!(unit.attach(endpoint, None, &target).is_err());
        }
        check_eq!(unit.dma(endpoint, None, 0), Reach::Aborted);
        check!(unit.seen(endpoint).is_none());
        check!(unit.inspect(endpoint).is_none());
        check_eq!(unit.requesters(endpoint, None).err(), Some(ENODEV));
        unit.release(endpoint, false);
        // Nor is a PASID beyond those that there are.
        let pasid = Some(endpoint);
        let target = Target::Identity;
        check!(endpoint < 1 << 20 || unit.check(0, pasid, &target).is_err());
    }
    // And one of which the hardware has no entry.
    let from = Requester {
        id: u32::MAX,
        pasid: None,
    };
    check!(matches!(unit.machine().look_up(from), Next::Abort(_)));
    check_eq!(unit.machine().dma(from, 0), Reach::Aborted);
    Ok(())
}

/// Memory full of garbage.
struct Garbage(u64);

impl Memory for Garbage {
    fn word(&self, table: u64, index: u32) -> Option<u64> {
        let mut random = Random::new(self.0 ^ table ^ u64::from(index) << 48);
        // Often enough something that looks valid.
        let word = random.next();
        Some(match random.below(5) {
            0 => word,
            1 => word | 0x6000_0000_0000_0007,
            2 => word & !0xe00 | 7,
            3 => word & 0x0000_ffff_ffff_f000 | 0x7c7,
            _ => word & 0x000f_ffff_ffff_f1ff | 3,
        })
    }
}

fn garbage_is_decided() -> Outcome {
    each_family!(garbage)
}

/// Tables that a walk reads at most: five levels, each by five of another stage, and the last.
const WALK: u32 = 36;

fn garbage<J: Judged>(protocol: u32) -> Outcome {
    let unit = unit::<J>(protocol)?;
    let space = J::space(&unit, 0, None)?;
    check!(unit.attach(0, None, &Target::Paging(space.clone())).is_ok());
    let (entries, names) = (unit.machine().entries()?, unit.requesters(0, None)?);
    let own = names.first().map_or(0, |name| name.id);
    let model = unit.machine().model();
    let mut random = Random::new(crate::seed());
    let (mut translated, mut walked) = (0, 0);
    for _ in 0..2_000 {
        let command = Command([random.next(), random.next()]);
        let from = Requester {
            id: random.pick([own, 1]),
            pasid: random.chance(50).then(|| random.below(4)),
        };
        let mut read = [Words::default(); DEPTH];
        for depth in 0..DEPTH {
            let done = read.get(..depth).unwrap_or(&[]);
            let fetch = match model.next(from, done) {
                Next::Fetch(fetch) => fetch,
                Next::Translate(by) => {
                    translated += 1;
                    let mut tables = 0;
                    let memory = Garbage(random.next());
                    let iova = random.next() >> random.below(64);
                    let to = model.walk(&memory, &by, iova, &mut |_| tables += 1);
                    walked += u32::from(to.is_some());
                    check!(tables <= WALK, "a walk of {tables} tables");
                    model.drops_translation(command, by.tag, iova);
                    model.drops_tables(command, by.tag, iova);
                    model.drops_kept(command, from, iova);
                    break;
                }
                Next::Abort(_) | Next::Bypass => break,
            };
            let Some(slot) = read.get_mut(depth) else {
                break;
            };
            for word in slot.iter_mut() {
                *word = random.next();
                if random.chance(50) {
                    // Small numbers are more often those of something.
                    *word &= 0x0000_ffff_ffff_f1ff | 1;
                }
            }
            // What makes an entry valid in some families.
            let [first, ..] = slot;
            *first |= 1;
            // Or one bit is not as the driver wrote it.
            if let Some(written) = entries.entry(&fetch).filter(|_| random.chance(50)) {
                let at = random.below(8) as usize;
                *slot = written;
                if let Some(word) = slot.get_mut(at) {
                    *word ^= 1 << random.below(64);
                }
            }
            let words = *slot;
            model.keeps(&fetch, &words);
            model.drops_entry(command, from, &fetch, &words);
        }
        let mut words = Words::default();
        for word in &mut words {
            *word = random.next();
        }
        let call = Call {
            op: random.below(256) as u8,
            id: random.next() as u32,
            operands: [random.next(), random.next(), random.next()],
        };
        model.called(call);
        model.call(&mut words, call);
        model.drops_translation(command, Tag(random.next()), random.next());
    }
    check!(translated > 0, "{} translates nothing", J::NAME);
    // Tables of s390 say of what type they are, which random words hardly ever do.
    check!(
        walked > 0 || J::NAME == S390::NAME,
        "{} reaches nothing",
        J::NAME
    );
    Ok(())
}
