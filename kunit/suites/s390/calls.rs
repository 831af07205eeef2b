// SPDX-License-Identifier: GPL-2.0

//! Firmware by itself: layouts, and what every call answers and changes in every state.

use crate::{
    kapi::kunit::{
        check,
        check_eq,
        kunit_suite,
        Outcome,
        Param, //
    },
    mock::hw::{
        memory::EntryMemory,
        model::{
            Answer,
            Call,
            Command,
            Model,
            Next,
            Requester,
            Words, //
        },
        s390::{
            fib::{
                Ioat,
                State, //
            },
            handle,
            instruction::{
                op,
                Rpcit, //
            },
            iota::{
                Designation,
                Iota, //
            },
            tag,
            tagged,
            WhileFenced,
            Zpci, //
        },
    },
};
use kernel::{
    fmt,
    prelude::*, //
};

kunit_suite! {
    iommu_mock_zpci_calls:
    layouts_are_those_of_the_manual;
    anchors_name_table_and_depth;
    calls_answer_by_state: each Row in ROWS;
    operands_are_checked;
    only_an_enabled_function_does_dma;
    refresh_drops_its_range_of_its_function;
}

const ROOT: u64 = 0x8000_0000_4000;

/// Operations in the order of the table.
const OPS: [u8; 8] = [
    op::REG_IOAT,
    op::DEREG_IOAT,
    op::REREG_IOAT,
    op::RESET_ERROR,
    op::RESET_BLOCK,
    op::RPCIT,
    op::CLP_ENABLE,
    op::CLP_DISABLE,
];

/// How a function is, and what firmware answers to each operation: 0, 3 for an invalid handle, or
/// the status of condition code 1.
struct Row {
    fenced: WhileFenced,
    state: State,
    registered: bool,
    answers: [u8; 8],
}

impl Row {
    const fn new(fenced: WhileFenced, state: State, registered: bool, answers: [u8; 8]) -> Self {
        Self {
            fenced,
            state,
            registered,
            answers,
        }
    }
}

impl Param for Row {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let registered = match self.registered {
            true => "registered",
            false => "not registered",
        };
        write!(f, "{:?}: {}, {registered}", self.fenced, self.state.name())
    }
}

#[rustfmt::skip]
const ROWS: [Row; 20] = {
    use State::*;
    use WhileFenced::*;
    //  REG DEREG REREG | RESET_ERROR RESET_BLOCK | RPCIT | enable disable
    [
        Row::new(Refuses, Disabled,   false, [ 3,  3,  3,  3,  3,  3,  0, 44]),
        Row::new(Refuses, Gone,       false, [ 3,  3,  3,  3,  3,  3,  3,  3]),
        Row::new(Refuses, Enabled,    false, [ 0, 24, 24, 24, 24, 28, 44,  0]),
        Row::new(Refuses, Enabled,    true,  [24,  0,  0, 24, 24,  0, 44,  0]),
        Row::new(Refuses, Error,      false, [40, 40, 40,  0,  0, 40, 44,  0]),
        Row::new(Refuses, Error,      true,  [40, 40, 40,  0,  0, 40, 44,  0]),
        Row::new(Refuses, Blocked,    false, [40, 40, 40,  0, 24, 40, 44,  0]),
        Row::new(Refuses, Blocked,    true,  [40, 40, 40,  0, 24, 40, 44,  0]),
        Row::new(Refuses, Recovering, false, [40, 40, 40, 40, 40, 40, 40, 40]),
        Row::new(Refuses, Recovering, true,  [40, 40, 40, 40, 40, 40, 40, 40]),
        Row::new(Drops,   Enabled,    true,  [24,  0,  0, 24, 24,  0, 44,  0]),
        Row::new(Drops,   Error,      false, [40, 24, 40,  0,  0, 40, 44,  0]),
        Row::new(Drops,   Error,      true,  [40,  0, 40,  0,  0, 40, 44,  0]),
        Row::new(Drops,   Recovering, true,  [40,  0, 40, 40, 40, 40, 40, 40]),
        Row::new(Keeps,   Enabled,    false, [ 0, 24, 24, 24, 24, 28, 44,  0]),
        Row::new(Keeps,   Error,      false, [ 0, 24, 24,  0,  0, 40, 44,  0]),
        Row::new(Keeps,   Error,      true,  [24,  0,  0,  0,  0, 40, 44,  0]),
        Row::new(Keeps,   Blocked,    true,  [24,  0,  0,  0, 24, 40, 44,  0]),
        Row::new(Keeps,   Recovering, false, [ 0, 24, 24, 40, 40, 40, 40, 40]),
        Row::new(Keeps,   Recovering, true,  [24,  0,  0, 40, 40, 40, 40, 40]),
    ]
};

fn model(fenced: WhileFenced) -> Result<Zpci> {
    Zpci::new(&mut EntryMemory::new(), 2, fenced)
}

fn table() -> [u64; 3] {
    [0, u64::MAX, Iota::table(ROOT, Designation::RegionThird).0]
}

fn call(op: u8, operands: [u64; 3]) -> Call {
    let id = handle(0);
    Call { op, id, operands }
}

/// A function in a state, registered or not.
fn function(state: State, registered: bool) -> Words {
    let mut words = Words::default();
    State::Enabled.put(&mut words);
    if registered {
        Ioat::register(&mut words, [0, u64::MAX, 0]);
    }
    state.put(&mut words);
    words
}

fn expected(answer: u8) -> Answer {
    match answer {
        0 => Answer::DONE,
        3 => Answer::NO_FUNCTION,
        status => Answer::refused(status),
    }
}

fn layouts_are_those_of_the_manual() -> Outcome {
    let mut words = function(State::Enabled, false);
    check_eq!(words, [0, 0x80 << 56, 0, 0, 0, 0, 0, 0]);
    Ioat::register(&mut words, [0x1000, 0x3ff_ffff_ffff, 0x8000_0000_4804]);
    let registered = [
        0,
        0x90 << 56,
        0x1000,
        0x3ff_ffff_ffff,
        0x8000_0000_4804,
        0,
        0,
        0,
    ];
    check_eq!(words, registered);
    for (state, fc) in [(State::Error, 0xf0u64), (State::Blocked, 0xd0)] {
        state.put(&mut words);
        check_eq!(words.get(1).copied(), Some(fc << 56));
        check_eq!(State::of(&words), state);
    }
    State::Disabled.put(&mut words);
    check_eq!(words.get(1).copied(), Some(0));
    for state in State::ALL {
        let mut words = function(State::Enabled, true);
        state.put(&mut words);
        check_eq!(State::of(&words), state);
        let loses = matches!(state, State::Disabled | State::Gone);
        check_eq!(Ioat::of(&words) == Ioat::None, loses);
    }
    Ok(())
}

fn anchors_name_table_and_depth() -> Outcome {
    let rows = [
        (Designation::Segment, 0x8000_0000_4800, 31),
        (Designation::RegionThird, 0x8000_0000_4804, 42),
        (Designation::RegionSecond, 0x8000_0000_4808, 53),
        (Designation::RegionFirst, 0x8000_0000_480c, 64),
    ];
    for (designation, number, bits) in rows {
        let iota = Iota::table(ROOT, designation);
        check_eq!(iota.0, number);
        check_eq!(iota.designation(), Some(designation));
        check_eq!(iota.origin(), ROOT);
        check_eq!(designation.address_bits(), bits);
    }
    // Forms without a table: page frames, and a page table by itself.
    for form in [0x810, 0x814, 0x81c] {
        check_eq!(Iota(form).designation(), None);
    }
    Ok(())
}

fn calls_answer_by_state(row: &Row) -> Outcome {
    let model = model(row.fenced)?;
    for (op, answer) in OPS.into_iter().zip(row.answers) {
        let before = function(row.state, row.registered);
        let mut words = before;
        let operands = match op {
            op::RPCIT => [0, 0xfff, 0],
            _ => table(),
        };
        let called = model.call(&mut words, call(op, operands));
        check!(
            called.answer == expected(answer),
            "operation {op:#x}: {:?}, expected {answer}",
            called.answer
        );
        if called.answer != Answer::DONE {
            check!(
                words == before,
                "operation {op:#x} was refused, and did something"
            );
            check!(!called.forget);
            continue;
        }
        check_eq!(called.forget, op != op::RPCIT);
        let ioat = match op {
            op::REG_IOAT | op::REREG_IOAT => Ioat::Table(Iota(table()[2])),
            op::DEREG_IOAT | op::CLP_ENABLE | op::CLP_DISABLE => Ioat::None,
            _ => Ioat::of(&before),
        };
        check_eq!(Ioat::of(&words), ioat);
        let state = match op {
            op::RESET_ERROR | op::CLP_ENABLE => State::Enabled,
            op::RESET_BLOCK => State::Blocked,
            op::CLP_DISABLE => State::Disabled,
            _ => row.state,
        };
        check_eq!(State::of(&words), state);
    }
    Ok(())
}

fn operands_are_checked() -> Outcome {
    let mut model = model(WhileFenced::Refuses)?;
    let reg = |model: &Zpci, operands| {
        let mut words = function(State::Enabled, false);
        model.call(&mut words, call(op::REG_IOAT, operands)).answer
    };
    let [_, _, iota] = table();
    check_eq!(reg(&model, [1, 0, iota]), Answer::refused(28));
    for form in [0x810, 0x814, 0x818, 0x81c] {
        check_eq!(reg(&model, [0, 1, ROOT | form]), Answer::refused(32));
    }
    // An address without the bit that asks for translation.
    check_eq!(reg(&model, [0, 1, ROOT]), Answer::refused(32));
    check_eq!(reg(&model, [0, 1, 0]), Answer::DONE);
    model.rtr = false;
    check_eq!(reg(&model, [0, 1, 0]), Answer::refused(32));
    model.dtsm &= !Designation::RegionThird.bit();
    check_eq!(reg(&model, [0, 1, iota]), Answer::refused(32));
    // Nor is what is out of the registered range refreshed.
    let mut words = function(State::Enabled, false);
    Ioat::register(&mut words, [0x1000, 0x1fff, 0]);
    for (first, last, answer) in [
        (0, 0xfff, Answer::refused(28)),
        (0x2000, 0x2fff, Answer::refused(28)),
        (0x1fff, 0x1000, Answer::refused(28)),
        (0, 0x1000, Answer::DONE),
        (0x1fff, u64::MAX, Answer::DONE),
    ] {
        let called = model.call(&mut words, call(op::RPCIT, [first, last, 0]));
        check_eq!(called.answer, answer);
    }
    Ok(())
}

fn only_an_enabled_function_does_dma() -> Outcome {
    let model = model(WhileFenced::Refuses)?;
    let from = |id, pasid| Requester { id, pasid };
    let own = from(handle(1), None);
    let Next::Fetch(fetch) = model.next(own, &[]) else {
        check!(false, "the function is not looked up");
        return Ok(());
    };
    check!(!fetch.cached && fetch.words == 8 && fetch.unit == 8);
    check_eq!(model.at(handle(1)), Some(fetch.at));
    for nobody in [
        from(handle(2), None),
        from(1, None),
        from(handle(1), Some(1)),
    ] {
        check!(matches!(model.next(nobody, &[]), Next::Abort(_)));
    }
    for state in State::ALL {
        for operands in [[0, u64::MAX, 0], table()] {
            let mut words = function(state, false);
            check!(matches!(model.next(own, &[words]), Next::Abort(_)));
            Ioat::register(&mut words, operands);
            let next = model.next(own, &[words]);
            let expected = match (state, operands[2]) {
                (State::Enabled, 0) => next == Next::Bypass,
                (State::Enabled, _) => matches!(
                    next,
                    Next::Translate(by)
                        if by.first.root == ROOT && by.first.levels == 1
                            && by.tag == tag(handle(1), ROOT) && by.second.is_none()
                ),
                _ => matches!(next, Next::Abort(_)),
            };
            check!(expected, "{state:?}: {next:?}");
        }
    }
    Ok(())
}

fn refresh_drops_its_range_of_its_function() -> Outcome {
    let model = model(WhileFenced::Refuses)?;
    let range = Rpcit {
        handle: handle(0x12345),
        first: 0x5000,
        last: u64::MAX >> 22,
    };
    let command = Command::from(range);
    check_eq!(Rpcit::from(command), range);
    let own = tag(handle(0x12345), ROOT);
    check_eq!(tagged(own), handle(0x12345));
    check!(own != tag(handle(0x12345), ROOT + 0x4000));
    for (tag, iova, dropped) in [
        (own, 0x4fff, false),
        (own, 0x5000, true),
        (own, range.last, true),
        (own, range.last + 1, false),
        (tag(handle(0x12345), ROOT + 0x4000), 0x5000, true),
        (tag(handle(0x345), ROOT), 0x5000, false),
        (tag(handle(0x12344), ROOT), 0x5000, false),
    ] {
        check_eq!(model.drops_translation(command, tag, iova), dropped);
        check_eq!(model.drops_tables(command, tag, iova), dropped);
    }
    let all = Rpcit {
        handle: handle(0),
        first: 0,
        last: u64::MAX,
    };
    check_eq!(Rpcit::from(Command::from(all)), all);
    Ok(())
}
