// SPDX-License-Identifier: GPL-2.0

//! Translating by what is remembered: lines of the IOTLB, and the ways to them.

use super::{
    super::{
        model::{
            Model,
            Tag,
            Translation, //
        },
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
}

/// Words that one walk reads, of those that are remembered.
const WALK: usize = 6;

/// What one walk reads: words that others under the same tag went on from as they were then, for as
/// long as nobody says to forget them.
struct Walker<'a> {
    tables: Tables<'a>,
    caches: &'a Caches,
    tag: Tag,
    /// Table, index and word of each read. There is one thread; who reads memory must not care.
    read: [[Atomic<u64>; 3]; WALK],
    count: Atomic<u64>,
}

impl Memory for Walker<'_> {
    fn word(&self, table: u64, index: u32) -> Option<u64> {
        let known = self.caches.way(self.tag, (table, index.into()));
        let word = known.or_else(|| self.tables.word(table, index))?;
        let count = self.count.load(Relaxed);
        if let Some(slot) = self.read.get(count as usize) {
            for (to, from) in slot.iter().zip([table, index.into(), word]) {
                to.store(from, Relaxed);
            }
            self.count.store(count.saturating_add(1), Relaxed);
        }
        Some(word)
    }
}

/// Where an address goes to; aborted where page tables do not say.
pub(super) fn translate(
    model: &dyn Model,
    state: &mut State,
    by: &Translation,
    iova: u64,
) -> Reach {
    if let Some(to) = state.caches.translation(by.tag, iova) {
        return Reach::Memory(to);
    }
    let walker = Walker {
        tables: Tables(&state.tables),
        caches: &state.caches,
        tag: by.tag,
        read: [const { [const { Atomic::new(0) }; 3] }; WALK],
        count: Atomic::new(0),
    };
    let mut wild = false;
    let to = model.walk(&walker, by, iova, &mut |table| {
        wild |= walker.tables.word(table, 0).is_none();
    });
    state.counts.wild += u64::from(wild);
    let Walker { read, count, .. } = walker;
    // From the last it did not go on. With two stages leaves of both come before that, which are
    // in no paging-structure cache; what a walk of those remembers is left out.
    let count = match by.second {
        None => (count.load(Relaxed) as usize).saturating_sub(1),
        Some(_) => 0,
    };
    for [table, index, word] in read.iter().take(count) {
        let place = (table.load(Relaxed), index.load(Relaxed));
        state
            .caches
            .add_way(by.tag, iova, place, word.load(Relaxed));
    }
    match to {
        Some(to) => {
            state.caches.add_translation(by.tag, iova, to);
            Reach::Memory(to)
        }
        None => Reach::Aborted,
    }
}
