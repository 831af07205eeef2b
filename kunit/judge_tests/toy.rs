// SPDX-License-Identifier: GPL-2.0

//! The smallest hardware that can go wrong in all ways, with steps written by hand.
//!
//! An entry has two words: root and mode, then the tag. With a directory, an entry is found by a
//! word that points to it. Next to the mode, an entry says whether the requester may have
//! translations of its own.

mod scene;

pub(crate) use self::scene::{
    freed,
    listed,
    root,
    store_at,
    table,
    unlisted,
    untagged,
    Scene,
    RETURN, //
};

use crate::{
    judge::PROBES,
    mock::hw::{
        model::{
            Answer,
            Call,
            Called,
            Command,
            Fetch,
            Model,
            Next,
            Requester,
            Stage,
            Tag,
            Translation,
            Words, //
        },
        step::Step,
        Memory, //
    },
};
use kernel::fmt;

/// First and second probe of every case.
pub(crate) const PROBED: [u64; PROBES] = [0x1000_0000, 0x1000_1000];

/// Mode of an entry: translate by the root.
pub(crate) const TRANSLATE: u64 = 1;
/// Mode of an entry: pass through.
pub(crate) const BYPASS: u64 = 2;
/// In an entry, next to any mode: the requester may have translations of its own.
pub(crate) const ATS: u64 = 4;

/// The hardware.
pub(crate) struct Toy {
    /// Address of the words that point to entries, if there are such.
    directory: Option<u64>,
    /// Address of the entries, two for each requester.
    entries: u64,
    /// Words that are read in one go.
    unit: u32,
    /// Entries without a mode are not kept.
    forgets_invalid: bool,
    /// What a requester keeps is not dropped before what the IOTLB was to drop earlier.
    has_order: bool,
}

impl Toy {
    /// Words of an entry that are read in one go.
    pub(crate) fn unit(&self) -> u32 {
        self.unit
    }

    /// Entries without a mode are not kept from now on, and read in order.
    pub(crate) fn forgets_invalid(&mut self) {
        self.forgets_invalid = true;
    }

    /// Its queue has an order from now on.
    pub(crate) fn has_order(&mut self) {
        self.has_order = true;
    }
}

const DROP_ENTRY: u64 = 1;
const DROP_TAG: u64 = 2;
const DROP_LINES: u64 = 3;
const DROP_ENTRY_OF_TAG: u64 = 4;
const DROP_KEPT: u64 = 5;

/// Hardware forgets the entries of a requester.
pub(crate) fn drop_entry(id: u64) -> Step {
    Step::Submit(Command([DROP_ENTRY, id]))
}

/// Hardware forgets everything under a tag.
pub(crate) fn drop_tag(tag: u64) -> Step {
    Step::Submit(Command([DROP_TAG, tag]))
}

/// Hardware forgets lines of the IOTLB under a tag, but not tables.
pub(crate) fn drop_lines(tag: u64) -> Step {
    Step::Submit(Command([DROP_LINES, tag]))
}

/// Hardware forgets entries that hold a tag.
pub(crate) fn drop_entry_of_tag(tag: u64) -> Step {
    Step::Submit(Command([DROP_ENTRY_OF_TAG, tag]))
}

/// A requester forgets what it keeps itself.
pub(crate) fn drop_kept(id: u64) -> Step {
    Step::Submit(Command([DROP_KEPT, id]))
}

impl Model for Toy {
    fn next(&self, from: Requester, read: &[Words]) -> Next {
        let entry = match (self.directory, read) {
            (Some(at), []) => {
                return Next::Fetch(Fetch {
                    at: at + 8 * u64::from(from.id),
                    words: 1,
                    unit: 1,
                    kind: 0,
                    cached: true,
                })
            }
            (Some(_), [[at, ..]]) => Err(*at),
            (None, []) => Err(self.entries + 32 * u64::from(from.id)),
            (_, [.., entry]) => Ok(entry),
        };
        let [root, tag, ..] = match entry {
            Ok(entry) => *entry,
            Err(at) => {
                return Next::Fetch(Fetch {
                    at,
                    words: 2,
                    unit: self.unit,
                    kind: 1,
                    cached: true,
                })
            }
        };
        match root & 3 {
            TRANSLATE => Next::Translate(Translation {
                // The upper half is not looked at.
                tag: Tag(tag & 0xffff_ffff),
                first: Stage {
                    root: root & !7,
                    levels: 2,
                    format: 0,
                },
                second: None,
                marks: false,
            }),
            BYPASS => Next::Bypass,
            _ => Next::Abort("invalid"),
        }
    }

    fn walk(
        &self,
        memory: &dyn Memory,
        by: &Translation,
        iova: u64,
        visit: &mut dyn FnMut(u64),
    ) -> Option<u64> {
        let mut table = by.first.root;
        for shift in [21, 12] {
            visit(table);
            let word = memory.word(table, (iova >> shift) as u32 & 0x1ff)?;
            if word & 1 == 0 {
                return None;
            }
            table = word & !1;
        }
        Some(table)
    }

    fn keeps(&self, of: &Fetch, words: &Words) -> bool {
        let [first, ..] = words;
        !self.forgets_invalid || of.kind == 0 || first & 3 != 0
    }

    fn drops_entry(&self, command: Command, from: Requester, of: &Fetch, words: &Words) -> bool {
        match command.0 {
            [DROP_ENTRY, id] => u64::from(from.id) == id,
            [DROP_ENTRY_OF_TAG, tag] => of.kind == 1 && words.get(1) == Some(&tag),
            _ => false,
        }
    }

    fn drops_translation(&self, command: Command, tag: Tag, _iova: u64) -> bool {
        matches!(command.0, [DROP_TAG | DROP_LINES, of] if of == tag.0)
    }

    fn drops_tables(&self, command: Command, tag: Tag, _iova: u64) -> bool {
        matches!(command.0, [DROP_TAG, of] if of == tag.0)
    }

    fn ats(&self, _from: Requester, read: &[Words]) -> bool {
        matches!((self.directory, read), (None, [[first, ..]]) | (_, [_, [first, ..]])
            if first & ATS != 0)
    }

    fn drops_kept(&self, command: Command, from: Requester, _iova: u64) -> bool {
        command.0 == [DROP_KEPT, from.id.into()]
    }

    fn overtakes(&self, later: Command, earlier: Command) -> bool {
        let ([later, _], [earlier, _]) = (later.0, earlier.0);
        !(self.has_order && later == DROP_KEPT && matches!(earlier, DROP_TAG | DROP_LINES))
    }

    fn call(&self, entry: &mut Words, call: Call) -> Called {
        let [root, tag, _] = call.operands;
        let [first, second, ..] = entry;
        (*first, *second) = (root, tag);
        Called {
            answer: Answer::DONE,
            forget: true,
        }
    }

    fn called(&self, call: Call) -> Option<u64> {
        Some(self.entries + 32 * u64::from(call.id))
    }

    fn show_command(&self, command: Command, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [op, what] = command.0;
        match op {
            DROP_ENTRY => write!(f, "drop the entries of {what}"),
            DROP_TAG => write!(f, "drop tag {what}"),
            DROP_LINES => write!(f, "drop lines of tag {what}"),
            DROP_KEPT => write!(f, "drop what {what} keeps"),
            _ => write!(f, "drop entries with tag {what}"),
        }
    }

    fn show_tag(&self, tag: Tag, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tag {}", tag.0)
    }

    fn show_entry(&self, kind: u8, words: &Words, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [root, tag, ..] = words;
        match kind {
            0 => write!(f, "pointer {root:#x}"),
            _ => write!(f, "root {:#x} mode {} tag {tag}", root & !7, root & 7),
        }
    }
}
