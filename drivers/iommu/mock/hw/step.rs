// SPDX-License-Identifier: GPL-2.0

//! What a driver does to hardware, one step at a time.
//!
//! A driver's own code emits these through its [`Machine`](super::machine::Machine), which carries
//! them out and can also write them down. The judge explores what was written down; no protocol
//! is written twice.

use super::model::{
    Answer,
    Call,
    Command,
    Requester,
    Tag,
    WORDS, //
};

/// Some consecutive words that are written in one go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Store {
    /// Address of the first.
    pub(crate) at: u64,
    /// How many; a power of two. The address is a multiple of that many words.
    pub(crate) count: u32,
    /// What they become.
    pub(crate) words: [u64; WORDS],
    /// Bits that keep their value, in a read-modify-write that nothing comes between; 0 for a plain
    /// store.
    pub(crate) keep: [u64; WORDS],
}

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Words are written in one go. They become visible to hardware at some time before the next
    /// barrier or submit ends.
    Store(Store),
    /// What was stored before is visible before what is stored after.
    Barrier,
    /// A command is put into the queue, behind a barrier. Hardware carries it out at any time from
    /// then on.
    Submit(Command),
    /// Returns when all commands submitted before by the same actor are carried out.
    Wait,
    /// Firmware is called, and has answered.
    Call(Call, Answer),
    /// Not seen by hardware: what the driver's books say from here on.
    Note(Note),
}

/// What books say. Address spaces are named by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// Unmapping in the space from now on also flushes for this requester.
    Listed(u64, Requester),
    /// And now no longer.
    Unlisted(u64, Requester),
    /// The tag is the space's from now on.
    Tagged(u64, Tag),
    /// The tag is nobody's, and may be given to another space at once.
    Untagged(Tag),
    /// The page tables of the space are memory for others from now on.
    Freed(u64),
    /// The operation returns to its caller.
    Return,
}
