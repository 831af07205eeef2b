// SPDX-License-Identifier: GPL-2.0

//! What firmware does when it is called.

use super::{
    super::model::{
        Answer,
        Call,
        Called,
        Words, //
    },
    fib::{
        Ioat,
        State, //
    },
    instruction::{
        op,
        status, //
    },
    iota::Iota,
    WhileFenced,
    Zpci, //
};

/// Carries an instruction out on the block of the function that it is about.
pub(super) fn execute(model: &Zpci, words: &mut Words, call: Call) -> Called {
    let result = match (State::of(words), call.op) {
        (State::Gone, _) => Err(Answer::NO_FUNCTION),
        (state, op::CLP_ENABLE | op::CLP_DISABLE) => power(words, state, call.op),
        (State::Disabled, _) => Err(Answer::NO_FUNCTION),
        (state, op::RPCIT) => refresh(words, state, call).map(|()| false),
        (state, op::RESET_ERROR | op::RESET_BLOCK) => reset(words, state, call.op),
        (state, op::REG_IOAT | op::DEREG_IOAT | op::REREG_IOAT) => {
            let possible = match model.while_fenced {
                _ if !state.is_fenced() => true,
                WhileFenced::Refuses => false,
                WhileFenced::Drops => call.op == op::DEREG_IOAT,
                WhileFenced::Keeps => true,
            };
            match possible {
                true => modify(model, words, call).map(|()| true),
                false => Err(Answer::NOT_AVAILABLE),
            }
        }
        _ => Err(Answer::refused(status::FRAME_INVAL)),
    };
    match result {
        Ok(forget) => Called {
            answer: Answer::DONE,
            forget,
        },
        Err(answer) => Called {
            answer,
            forget: false,
        },
    }
}

/// Enables or disables a function.
fn power(words: &mut Words, state: State, op: u8) -> Result<bool, Answer> {
    let to = match (state, op) {
        (State::Recovering, _) => return Err(Answer::NOT_AVAILABLE),
        (State::Disabled, op::CLP_ENABLE) => State::Enabled,
        (State::Enabled | State::Error | State::Blocked, op::CLP_DISABLE) => State::Disabled,
        _ => return Err(Answer::refused(status::ALREADY_IN_RQ_STATE)),
    };
    Ioat::deregister(words);
    to.put(words);
    Ok(true)
}

/// Ends the error state, or half of it.
fn reset(words: &mut Words, state: State, op: u8) -> Result<bool, Answer> {
    let to = match (state, op) {
        (State::Recovering, _) => return Err(Answer::NOT_AVAILABLE),
        (State::Error | State::Blocked, op::RESET_ERROR) => State::Enabled,
        (State::Error, op::RESET_BLOCK) => State::Blocked,
        _ => return Err(Answer::refused(status::SEQUENCE)),
    };
    to.put(words);
    Ok(true)
}

/// Changes which address space is registered.
fn modify(model: &Zpci, words: &mut Words, call: Call) -> Result<(), Answer> {
    let registered = Ioat::of(words) != Ioat::None;
    if registered != (call.op != op::REG_IOAT) {
        return Err(Answer::refused(status::SEQUENCE));
    }
    if call.op == op::DEREG_IOAT {
        Ioat::deregister(words);
        return Ok(());
    }
    let [pba, pal, iota] = call.operands;
    if pba > pal {
        return Err(Answer::refused(status::DMAAS_INVAL));
    }
    let iota = Iota(iota);
    let fits = match (iota.is_translating(), iota.designation()) {
        (false, _) => model.rtr && iota == Iota::DIRECT,
        (true, Some(designation)) => model.dtsm & designation.bit() != 0,
        (true, None) => false,
    };
    if !fits {
        return Err(Answer::refused(status::FRAME_INVAL));
    }
    Ioat::register(words, call.operands);
    Ok(())
}

/// Whether translations can be refreshed.
fn refresh(words: &Words, state: State, call: Call) -> Result<(), Answer> {
    if state.is_fenced() {
        return Err(Answer::NOT_AVAILABLE);
    }
    let [first, last, _] = call.operands;
    let (pba, pal) = Ioat::range(words);
    if Ioat::of(words) == Ioat::None || first > last || last < pba || first > pal {
        return Err(Answer::refused(status::DMAAS_INVAL));
    }
    Ok(())
}
