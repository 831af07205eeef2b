// SPDX-License-Identifier: GPL-2.0

//! What the tests of page tables share: every format with every depth, and a look at all words.

pub(crate) mod model;

use crate::{
    iommu::Gather,
    kapi::kunit::Param,
    pgtable::{
        Format,
        PageTable,
        Slot,
        Store,
        Top,
        User, //
    },
};
use core::cell::Cell;
use kernel::{
    fmt,
    prelude::*, //
};

/// Which format.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    VtdSecondStage,
    X86FirstStage,
    AmdV1,
    Armv8Stage1,
    Armv8Stage1Marks,
    Armv8Stage2,
    S390,
}

/// A format with a depth: what a case is run with.
pub(crate) struct Form {
    pub(crate) kind: Kind,
    pub(crate) levels: u32,
}

impl Form {
    const fn new(kind: Kind, levels: u32) -> Self {
        Self { kind, levels }
    }
}

impl Param for Form {
    fn label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {} levels", self.kind, self.levels)
    }
}

/// Every format with every depth that a table can start with.
pub(crate) const FORMS: [Form; 15] = [
    Form::new(Kind::VtdSecondStage, 3),
    Form::new(Kind::VtdSecondStage, 4),
    Form::new(Kind::VtdSecondStage, 5),
    Form::new(Kind::X86FirstStage, 4),
    Form::new(Kind::X86FirstStage, 5),
    Form::new(Kind::AmdV1, 3),
    Form::new(Kind::Armv8Stage1, 3),
    Form::new(Kind::Armv8Stage1, 4),
    Form::new(Kind::Armv8Stage1Marks, 3),
    Form::new(Kind::Armv8Stage1Marks, 4),
    Form::new(Kind::Armv8Stage2, 3),
    Form::new(Kind::Armv8Stage2, 4),
    Form::new(Kind::S390, 3),
    Form::new(Kind::S390, 4),
    Form::new(Kind::S390, 5),
];

/// Calls a function that is generic over the format with the number of levels.
macro_rules! on_format {
    ($form:expr, $body:ident) => {
        match $form.kind {
            $crate::pgtable_tests::Kind::VtdSecondStage => {
                $body::<$crate::pgtable::VtdSecondStage>($form.levels)
            }
            $crate::pgtable_tests::Kind::X86FirstStage => {
                $body::<$crate::pgtable::X86FirstStage>($form.levels)
            }
            $crate::pgtable_tests::Kind::AmdV1 => $body::<$crate::pgtable::AmdV1>($form.levels),
            $crate::pgtable_tests::Kind::Armv8Stage1 => {
                $body::<$crate::pgtable::Armv8Stage1>($form.levels)
            }
            $crate::pgtable_tests::Kind::Armv8Stage1Marks => {
                $body::<$crate::pgtable::Armv8Stage1<true>>($form.levels)
            }
            $crate::pgtable_tests::Kind::Armv8Stage2 => {
                $body::<$crate::pgtable::Armv8Stage2>($form.levels)
            }
            $crate::pgtable_tests::Kind::S390 => $body::<$crate::pgtable::S390>($form.levels),
        }
    };
}
pub(crate) use on_format;

/// Makes a page table.
pub(crate) fn table<F: Format>(levels: u32) -> Result<Pin<KBox<PageTable<F>>>> {
    KBox::pin_init(PageTable::new(levels), GFP_KERNEL)
}

/// The levels that a table which starts with `levels` can have in the end.
pub(crate) fn most_levels<F: Format>(levels: u32) -> u32 {
    match F::DYNAMIC_TOP {
        true => F::LEVELS.1,
        false => levels,
    }
}

/// An output address for a page of `size` bytes that has bits in many places.
pub(crate) fn test_oa<F: Format>(size: u64) -> u64 {
    let limit = u64::MAX >> (64 - F::OA_BITS);
    0x0f5a_9371_8c2e_d000 & limit & !(size - 1)
}

/// The single bits of a word.
pub(crate) fn ones(word: u64) -> impl Iterator<Item = u64> {
    (0..64)
        .map(|bit| 1 << bit)
        .filter(move |bit| word & bit != 0)
}

/// Everything there is below the root, counted from the words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) tables: u32,
    pub(crate) leaves: u32,
    /// Of the addresses of all tables and of all their words.
    pub(crate) hash: u64,
}

impl Census {
    /// Walks the words of a page table.
    pub(crate) fn of<F: Format, S: Store>(table: &PageTable<F, S>) -> Self {
        let mut census = Self::default();
        let Top { root, level } = table.top();
        census.visit(table, root, level);
        census
    }

    fn visit<F: Format, S: Store>(&mut self, table: &PageTable<F, S>, address: u64, level: u32) {
        let Some(words) = table.store().memory().at(address) else {
            return;
        };
        self.tables += 1;
        self.mix(address);
        let mut index = 0;
        // Whole leaves are counted at their first slot.
        let mut rest = 0;
        while index < 1u32 << F::index_bits(level) {
            let word = words.load(index);
            self.mix(word);
            match F::slot(word, level) {
                Slot::Table(below) if level != 0 => self.visit(table, below, level - 1),
                Slot::Leaf { size_lg2 } if rest == 0 => {
                    self.leaves += 1;
                    rest = 1u32 << (size_lg2 - F::shift(level));
                }
                Slot::Empty | Slot::Table(_) | Slot::Leaf { .. } => (),
            }
            rest = rest.saturating_sub(1);
            index += 1;
        }
    }

    fn mix(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        self.hash = self.hash.rotate_left(23);
    }
}

/// A user that writes down what it is asked for.
pub(crate) struct Watch<'a, F: Format> {
    table: &'a PageTable<F>,
    /// Where to look during a flush.
    pub(crate) at: Cell<u64>,
    /// Flushes so far.
    pub(crate) flushes: Cell<u32>,
    /// Whether `at` was mapped during one.
    pub(crate) mapped: Cell<bool>,
    /// Whether a range to be flushed did not have `at`, or no table.
    pub(crate) missed: Cell<bool>,
    /// New tops, each with the one that was published then.
    tops: Cell<KVec<(Top, Top)>>,
}

impl<'a, F: Format> Watch<'a, F> {
    /// Watches the users' side of a page table.
    pub(crate) fn new(table: &'a PageTable<F>) -> Self {
        Self {
            table,
            at: Cell::new(0),
            flushes: Cell::new(0),
            mapped: Cell::new(false),
            missed: Cell::new(false),
            tops: Cell::new(KVec::new()),
        }
    }

    /// Takes the new tops so far.
    pub(crate) fn take_tops(&self) -> KVec<(Top, Top)> {
        self.tops.replace(KVec::new())
    }
}

impl<F: Format> User for Watch<'_, F> {
    fn flush(&self, gather: &Gather) {
        let at = self.at.get();
        self.flushes.set(self.flushes.get() + 1);
        self.mapped
            .set(self.mapped.get() || self.table.iova_to_phys(at).is_some());
        let within = gather
            .range()
            .is_some_and(|(first, last)| first <= at && at <= last);
        self.missed
            .set(self.missed.get() || !within || gather.tables() == 0);
    }

    fn top_changed(&self, top: Top) {
        let mut tops = self.take_tops();
        // Without memory the test sees a change too few.
        let _ = tops.push((top, self.table.top()), GFP_KERNEL);
        self.tops.set(tops);
    }
}
