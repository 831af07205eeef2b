// SPDX-License-Identifier: GPL-2.0

//! What a family's hardware does with words, as pure functions.
//!
//! [`Machine`](super::machine::Machine) runs them live, one deterministic choice at a time. The
//! judge runs the same functions over everything that hardware may choose.

use super::Memory;
use kernel::fmt;

/// Most words of an entry.
pub(crate) const WORDS: usize = 8;

/// Most entries that one lookup reads.
pub(crate) const DEPTH: usize = 6;

/// Who does a DMA access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Requester {
    /// Number by which the IOMMU knows the endpoint: source id, device id, stream id, handle.
    pub(crate) id: u32,
    /// The PASID that the access is tagged with.
    pub(crate) pasid: Option<u32>,
}

/// What keys a line of an IOTLB, as the family composes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tag(pub(crate) u64);

/// A command as it stands in a queue. Two words are enough for every command that a model knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Command(pub(crate) [u64; 2]);

/// An entry that hardware has to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fetch {
    /// Address of the first word.
    pub(crate) at: u64,
    /// How many words.
    pub(crate) words: u32,
    /// Words that are read in one go; a power of two.
    pub(crate) unit: u32,
    /// Which kind of entry: the family numbers them. Keys the entry cache together with the
    /// requester, and with the address.
    pub(crate) kind: u8,
    /// Whether hardware may keep the entry after the access.
    pub(crate) cached: bool,
}

/// An entry as hardware got hold of it; words behind its end are 0.
pub(crate) type Words = [u64; WORDS];

/// One stage of translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stage {
    /// Address of the root of the page table.
    pub(crate) root: u64,
    /// Depth, in the family's own terms.
    pub(crate) levels: u32,
    /// Which format, in the family's own terms.
    pub(crate) format: u8,
}

/// How an access is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Translation {
    /// Keys the IOTLB.
    pub(crate) tag: Tag,
    /// The first stage, or the only one.
    pub(crate) first: Stage,
    /// What translates the results of the first stage, and the addresses of its tables.
    pub(crate) second: Option<Stage>,
    /// Hardware marks in page tables what is written.
    pub(crate) marks: bool,
}

/// What a lookup does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Read this entry.
    Fetch(Fetch),
    /// Abort the access; why, in a word or two.
    Abort(&'static str),
    /// Pass the access through untranslated.
    Bypass,
    /// Translate it.
    Translate(Translation),
}

/// A firmware call and its operands, for families that have such a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Operation code.
    pub(crate) op: u8,
    /// Whom it is about.
    pub(crate) id: u32,
    /// Operands.
    pub(crate) operands: [u64; 3],
}

/// What firmware answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Condition code; 0 is success.
    pub(crate) cc: u8,
    /// Status that explains another one.
    pub(crate) status: u8,
}

impl Answer {
    /// Success.
    pub(crate) const DONE: Self = Self { cc: 0, status: 0 };
}

/// See the module. A value is one instance's registers, which do not change: bases of tables,
/// modes, and what hardware may choose.
pub(crate) trait Model: Send + Sync + 'static {
    /// Goes on with a lookup that has read `read` so far, first entry first.
    fn next(&self, from: Requester, read: &[Words]) -> Next;

    /// Walks page tables and returns where `iova` goes to, or `None` where the access is aborted.
    /// Tells `visit` the address of every table it reads, before it does.
    fn walk(
        &self,
        memory: &dyn Memory,
        by: &Translation,
        iova: u64,
        visit: &mut dyn FnMut(u64),
    ) -> Option<u64>;

    /// What the word of a leaf is once something was written through it; `None` where it forbids
    /// that. With two stages, it is one of the second.
    fn written(&self, _by: &Translation, word: u64) -> Option<u64> {
        Some(word)
    }

    /// Whether hardware may keep an entry that it read as `words`: some remember only those that
    /// are present. Asked only where [`Fetch::cached`] says that it may at all.
    fn keeps(&self, _of: &Fetch, _words: &Words) -> bool {
        true
    }

    /// Whether hardware reads the units of an entry first to last, and goes on only while what it
    /// has is worth keeping. Else it reads them in any order, each at any time.
    fn in_order(&self, of: &Fetch) -> bool {
        // What says that an entry is not present must have been read before anything else, lest
        // the rest is from a time at which it was not.
        !self.keeps(of, &[0; WORDS])
    }

    /// Whether a command makes hardware forget an entry that it read as `words`, for `from`.
    fn drops_entry(&self, command: Command, from: Requester, of: &Fetch, words: &Words) -> bool;

    /// Whether a command makes hardware forget what it knows of `iova` under a tag.
    fn drops_translation(&self, command: Command, tag: Tag, iova: u64) -> bool;

    /// Whether a command makes hardware forget which tables it went through under a tag.
    fn drops_tables(&self, command: Command, tag: Tag, iova: u64) -> bool;

    /// Whether the entries that a lookup has read let the requester have a translation of its own
    /// (ATS): it may use what it keeps, whatever the lookup ended with, and may ask for more where
    /// it did not end in an abort. `read` is all that was read, first entry first.
    fn ats(&self, _from: Requester, _read: &[Words]) -> bool {
        false
    }

    /// Whether a command makes a requester forget what it keeps of `iova` itself (ATS).
    fn drops_kept(&self, _command: Command, _from: Requester, _iova: u64) -> bool {
        false
    }

    /// Whether hardware may carry a command out before one that the same actor submitted earlier.
    /// By default a queue has no order but for waits. Nothing is ever said of the commands of two
    /// actors.
    fn overtakes(&self, _later: Command, _earlier: Command) -> bool {
        true
    }

    /// Whether an aborted access stops the requester until somebody resets it, so that to block DMA
    /// for a moment is not harmless.
    fn abort_is_error(&self) -> bool {
        false
    }

    /// Carries a firmware call out on the words of the entry that it is about, and says what is to
    /// be forgotten. Only families whose entries are written by firmware have this.
    fn call(&self, _entry: &mut Words, _call: Call) -> Called {
        Called {
            answer: Answer { cc: 3, status: 0 },
            forget: false,
        }
    }

    /// The address of the entry that a firmware call is about.
    fn called(&self, _call: Call) -> Option<u64> {
        None
    }

    /// Writes a command in the words of its manual.
    fn show_command(&self, command: Command, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// Writes a firmware call in the words of its manual.
    fn show_call(&self, call: Call, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {} {:x?}", call.op, call.operands)
    }

    /// Writes a tag in the words of its manual.
    fn show_tag(&self, tag: Tag, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// Writes an entry in the words of its manual.
    fn show_entry(&self, kind: u8, words: &Words, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// What a firmware call did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Called {
    /// The answer.
    pub(crate) answer: Answer,
    /// All that was known of the function's translations is forgotten.
    pub(crate) forget: bool,
}
