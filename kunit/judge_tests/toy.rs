// SPDX-License-Identifier: GPL-2.0

//! The smallest hardware that can go wrong in all ways, with steps written by hand.
//!
//! An entry has two words: root and mode, then the tag. With a directory, an entry is found by a
//! word that points to it.

use crate::{
    judge::{
        Case,
        Edit,
        Goal,
        Side,
        Space,
        Watch,
        PROBES, //
    },
    mock::hw::{
        frozen::{
            Change,
            Frozen, //
        },
        memory::EntryMemory,
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
            Words,
            WORDS, //
        },
        step::{
            Note,
            Step,
            Store, //
        },
        Memory, //
    },
};
use kernel::{
    fmt,
    prelude::*, //
};

/// First and second probe of every case.
pub(crate) const PROBED: [u64; PROBES] = [0x1000_0000, 0x1000_1000];

/// Mode of an entry: translate by the root.
pub(crate) const TRANSLATE: u64 = 1;
/// Mode of an entry: pass through.
pub(crate) const BYPASS: u64 = 2;

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
}

const DROP_ENTRY: u64 = 1;
const DROP_TAG: u64 = 2;
const DROP_LINES: u64 = 3;
const DROP_ENTRY_OF_TAG: u64 = 4;

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
                    root: root & !3,
                    levels: 2,
                    format: 0,
                },
                second: None,
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
            _ => write!(f, "root {:#x} mode {} tag {tag}", root & !3, root & 3),
        }
    }
}

/// The toy with three spaces, numbered 1 to 3, and two requesters.
pub(crate) struct Scene {
    pub(crate) model: Toy,
    pub(crate) entries: EntryMemory,
    pub(crate) spaces: KVec<Space>,
    pub(crate) owners: KVec<(Tag, u64)>,
    pub(crate) listed: KVec<u64>,
    pub(crate) watches: KVec<Watch>,
    /// What the driver does.
    pub(crate) steps: KVec<Step>,
    pub(crate) writer: KVec<Step>,
    pub(crate) changes: KVec<Change>,
    pub(crate) flush: KVec<Step>,
    pub(crate) freed: KVec<u64>,
    pub(crate) edit: Option<u64>,
    pub(crate) goal: Goal,
    pub(crate) abort_is_error: bool,
}

/// Address of a table of a space.
pub(crate) fn table(space: u64, number: u64) -> u64 {
    (1 << 45) + (space << 20) + (number << 16)
}

/// Where a space sends a probe.
pub(crate) fn page(space: u64, probe: u64) -> u64 {
    (space << 24) + (probe << 12)
}

/// First word of an entry that translates by a space.
pub(crate) fn root(space: u64) -> u64 {
    table(space, 0) | TRANSLATE
}

fn space(number: u64, alike: bool) -> Result<Space> {
    let mut tables = Frozen::new();
    let to = |probe| page(if alike { 1 } else { number }, probe);
    tables.add(table(number, 0), 512, |n| match n {
        0x80 => table(number, 1) | 1,
        _ => 0,
    })?;
    tables.add(table(number, 1), 512, |n| match n {
        0 | 1 => to(u64::from(n)) | 1,
        _ => 0,
    })?;
    Ok(Space {
        number,
        tables,
        maps: [Some(to(0)), Some(to(1))],
    })
}

impl Scene {
    /// Requester 0 is to move from space 1, tag 1, to space 2, tag 2. `unit` words are read in one
    /// go, by way of a directory or not; with `alike` all spaces map to the same.
    pub(crate) fn new(unit: u32, directory: bool, alike: bool) -> Result<Self> {
        let mut entries = EntryMemory::new();
        let at = entries.alloc(16, 0)?;
        let pointers = entries.alloc(8, 0)?;
        if let Some([first, second, ..]) = entries.slice_mut(pointers, 2) {
            (*first, *second) = (at, at + 32);
        }
        if let Some([a, b, _, _, c, d]) = entries.slice_mut(at, 6) {
            (*a, *b, *c, *d) = (root(1), 1, root(3), 3);
        }
        let mut scene = Self {
            model: Toy {
                directory: directory.then_some(pointers),
                entries: at,
                unit,
                forgets_invalid: false,
            },
            entries,
            spaces: KVec::new(),
            owners: KVec::new(),
            listed: KVec::new(),
            watches: KVec::new(),
            steps: KVec::new(),
            writer: KVec::new(),
            changes: KVec::new(),
            flush: KVec::new(),
            freed: KVec::new(),
            edit: None,
            goal: Goal::New,
            abort_is_error: false,
        };
        for number in 1..=3 {
            scene.spaces.push(space(number, alike)?, GFP_KERNEL)?;
            scene.owners.push((Tag(number), number), GFP_KERNEL)?;
        }
        scene.listed.push(1, GFP_KERNEL)?;
        scene.watch(0, Side::Paging(1), Side::Paging(2))?;
        Ok(scene)
    }

    /// Looks at the DMA of a requester, too.
    pub(crate) fn watch(&mut self, id: u32, old: Side, new: Side) -> Result {
        let requester = Requester { id, pasid: None };
        let watch = Watch {
            requester,
            old,
            new,
        };
        Ok(self.watches.push(watch, GFP_KERNEL)?)
    }

    /// Lets requester 0 end elsewhere.
    pub(crate) fn to(&mut self, new: Side) {
        if let Some(watch) = self.watches.first_mut() {
            watch.new = new;
        }
    }

    /// Address of a word of an entry of requester 0.
    pub(crate) fn word(&self, n: u64) -> u64 {
        self.model.entries + 8 * n
    }

    /// Address of the word that points to the entry of requester 0.
    pub(crate) fn pointer(&self) -> u64 {
        self.model.directory.unwrap_or(0)
    }

    /// A store of words of the entry of requester 0, from the `first` on.
    pub(crate) fn store(&self, first: u64, words: &[u64]) -> Step {
        store_at(self.word(first), words, 0)
    }

    /// Adds steps of the driver.
    pub(crate) fn does(&mut self, steps: &[Step]) -> Result {
        Ok(self.steps.extend_from_slice(steps, GFP_KERNEL)?)
    }

    /// Somebody unmaps the second probe of a space, and flushes by `flush` if it finds requester 0
    /// on the list.
    pub(crate) fn unmaps(&mut self, space: u64, flush: &[Step]) -> Result {
        self.edit = Some(space);
        let (table, index, word) = (table(space, 1), 1, 0);
        let change = Change { table, index, word };
        self.changes.push(change, GFP_KERNEL)?;
        Ok(self.flush.extend_from_slice(flush, GFP_KERNEL)?)
    }

    /// What is to be judged.
    pub(crate) fn case(&self) -> Case<'_> {
        Case {
            model: &self.model,
            entries: &self.entries,
            probes: PROBED,
            spaces: &self.spaces,
            owners: &self.owners,
            listed: &self.listed,
            watches: &self.watches,
            transition: &self.steps,
            edit: self.edit.map(|space| Edit {
                space,
                map: false,
                changes: &self.changes,
                freed: &self.freed,
                listed: &self.flush,
                unlisted: &[],
            }),
            writer: &self.writer,
            goal: self.goal,
            abort_is_error: self.abort_is_error,
        }
    }
}

/// A store of words in one go; bits of `keep` stay as they are in all of them.
pub(crate) fn store_at(at: u64, words: &[u64], keep: u64) -> Step {
    let mut store = Store {
        at,
        count: words.len() as u32,
        words: [0; WORDS],
        keep: [keep; WORDS],
    };
    for (to, from) in store.words.iter_mut().zip(words) {
        *to = *from;
    }
    Step::Store(store)
}

/// The space lists requester 0 from now on.
pub(crate) fn listed(space: u64) -> Step {
    let (id, pasid) = (0, None);
    Step::Note(Note::Listed(space, Requester { id, pasid }))
}

/// The space no longer lists requester 0.
pub(crate) fn unlisted(space: u64) -> Step {
    let (id, pasid) = (0, None);
    Step::Note(Note::Unlisted(space, Requester { id, pasid }))
}

/// The tag is nobody's from now on.
pub(crate) fn untagged(tag: u64) -> Step {
    Step::Note(Note::Untagged(Tag(tag)))
}

/// The tables of the space are memory for others from now on.
pub(crate) fn freed(space: u64) -> Step {
    Step::Note(Note::Freed(space))
}

/// The driver returns.
pub(crate) const RETURN: Step = Step::Note(Note::Return);
