// SPDX-License-Identifier: GPL-2.0

//! A guided run over mock IOMMUs, to be read by a person: `cat` the debugfs file `demo`.
//!
//! Every claim it prints is checked while it is printed.

mod both;
mod lazy;
mod matrix;
mod moves;
mod owner;
mod scene;
mod script;
mod search;
mod topology;

use self::script::Script;
use crate::kapi::{
    new_mutex,
    Mutex, //
};
use kernel::{
    fmt,
    prelude::*, //
};

/// The text of the run, made when it is first read. A reader that needs a larger buffer reads
/// again, and must not start a second run.
#[pin_data]
pub(crate) struct Demo {
    #[pin]
    text: Mutex<Option<KVVec<u8>>>,
}

impl Demo {
    /// Makes the file's data.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self { text <- new_mutex!(None, "Demo::text") })
    }

    /// Writes the text.
    pub(crate) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.text.lock();
        let text = text.get_or_insert_with(run);
        f.write_str(core::str::from_utf8(text).unwrap_or("demo: 0 steps, 1 failed\n"))
    }
}

fn run() -> KVVec<u8> {
    let mut script = Script::new();
    let acts = [
        topology::act,
        moves::attach_replace_detach,
        search::act,
        moves::unwind,
        owner::claim_and_release,
        owner::failed_return,
        lazy::act,
        both::act,
        matrix::act,
    ];
    for act in acts {
        if let Err(error) = act(&mut script) {
            script.check(fmt!("the act can be played ({error:?})"), false);
        }
    }
    script.finish()
}
