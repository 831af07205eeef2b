// SPDX-License-Identifier: GPL-2.0

//! Translating by what is remembered: lines of the IOTLB, and the ways to them.

use super::{
    super::{
        model::{
            Model,
            Tag,
            Translation, //
        },
        Access,
        Memory,
        Reach, //
    },
    caches::Caches,
    State, //
};
use kernel::sync::{
    atomic::{
        Atomic,
        Relaxed, //
    },
    Arc, //
};

/// All page tables of an instance as one memory.
struct Tables<'a>(&'a [Arc<dyn Memory>]);

impl Memory for Tables<'_> {
    fn word(&self, table: u64, index: u32) -> Option<u64> {
        self.0.iter().find_map(|memory| memory.word(table, index))
    }

    fn replace(&self, table: u64, index: u32, old: u64, new: u64) -> bool {
        let mut memories = self.0.iter();
        memories.any(|memory| memory.replace(table, index, old, new))
    }
}

/// Words that one walk reads, of those that are remembered.
const WALK: usize = 6;

/// Table, index and word of a read. There is one thread; who reads memory must not care.
type Read = [Atomic<u64>; 3];

fn note(read: &Read, table: u64, index: u32, word: u64) {
    for (to, from) in read.iter().zip([table, index.into(), word]) {
        to.store(from, Relaxed);
    }
}

fn noted(read: &Read) -> (u64, u32, u64) {
    let [table, index, word] = read;
    // CAST: It was one.
    let index = index.load(Relaxed) as u32;
    (table.load(Relaxed), index, word.load(Relaxed))
}

/// What one walk reads: words that others under the same tag went on from as they were then, for as
/// long as nobody says to forget them.
struct Walker<'a> {
    tables: Tables<'a>,
    caches: &'a Caches,
    tag: Tag,
    read: [Read; WALK],
    count: Atomic<u64>,
    /// The last one, which is the leaf where there is one.
    last: Read,
}

impl Memory for Walker<'_> {
    fn word(&self, table: u64, index: u32) -> Option<u64> {
        let known = self.caches.way(self.tag, (table, index.into()));
        let word = known.or_else(|| self.tables.word(table, index))?;
        note(&self.last, table, index, word);
        let count = self.count.load(Relaxed);
        if let Some(slot) = self.read.get(count as usize) {
            note(slot, table, index, word);
            self.count.store(count.saturating_add(1), Relaxed);
        }
        Some(word)
    }
}

/// Where an access goes to; aborted where page tables do not say, or forbid it.
pub(super) fn translate(
    model: &dyn Model,
    state: &mut State,
    by: &Translation,
    iova: u64,
    access: Access,
) -> Reach {
    if let Some(to) = state.caches.translation(by.tag, iova, access) {
        return Reach::Memory(to);
    }
    loop {
        if let Some(reach) = walk(model, state, by, iova, access) {
            return reach;
        }
    }
}

/// Does so by the page tables. `None` where they changed meanwhile.
fn walk(
    model: &dyn Model,
    state: &mut State,
    by: &Translation,
    iova: u64,
    access: Access,
) -> Option<Reach> {
    let walker = Walker {
        tables: Tables(&state.tables),
        caches: &state.caches,
        tag: by.tag,
        read: [const { [const { Atomic::new(0) }; 3] }; WALK],
        count: Atomic::new(0),
        last: [const { Atomic::new(0) }; 3],
    };
    let mut wild = false;
    let to = model.walk(&walker, by, iova, &mut |table| {
        wild |= walker.tables.word(table, 0).is_none();
    });
    state.counts.wild += u64::from(wild);
    let (table, index, leaf) = noted(&walker.last);
    let written = to.and_then(|_| model.written(by, leaf));
    let new = written.filter(|new| by.marks && *new != leaf);
    if let (Access::Write, Some(new)) = (access, new) {
        if !walker.tables.replace(table, index, leaf, new) {
            return None;
        }
    }
    let Walker { read, count, .. } = walker;
    // From the last it did not go on. With two stages leaves of both come before that, which are
    // in no paging-structure cache; what a walk of those remembers is left out.
    let count = match by.second {
        None => (count.load(Relaxed) as usize).saturating_sub(1),
        Some(_) => 0,
    };
    for (table, index, word) in read.iter().take(count).map(noted) {
        let place = (table, index.into());
        state.caches.add_way(by.tag, iova, place, word);
    }
    Some(match (to, access, written) {
        (None, ..) | (_, Access::Write, None) => Reach::Aborted,
        (Some(to), ..) => {
            // What is not marked yet has to be by who writes.
            let writes = written.is_some() && (access == Access::Write || new.is_none());
            state.caches.add_translation(by.tag, iova, to, writes);
            Reach::Memory(to)
        }
    })
}
