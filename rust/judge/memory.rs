// SPDX-License-Identifier: GPL-2.0

//! What the words that a case writes can be.

use super::{
    case::Case,
    index::{
        hash,
        Index, //
    },
    stop::Go, //
};
use crate::mock::hw::{
    model::{
        Answer,
        Call,
        Fetch,
        Words,
        WORDS, //
    },
    step::{
        Step,
        Store, //
    },
};
use kernel::prelude::*;

/// All contents of the written words that were seen, by number.
pub(super) struct Contents {
    /// Addresses of words that anybody writes.
    addresses: KVec<u64>,
    /// One run of words for each number.
    words: KVVec<u64>,
    index: Index,
}

impl Contents {
    /// Finds out which words a case writes. Number 0 is what they are at the start.
    pub(super) fn new(case: &Case<'_>) -> Go<Self> {
        let mut new = Self {
            addresses: KVec::new(),
            words: KVVec::new(),
            index: Index::new(),
        };
        for step in [case.transition, case.writer].into_iter().flatten() {
            let (at, count) = match step {
                Step::Store(store) => (store.at, store.count),
                Step::Call(call, _) => match case.model.called(*call) {
                    Some(at) => (at, WORDS as u32),
                    None => continue,
                },
                _ => continue,
            };
            for n in 0..u64::from(count) {
                let at = at.saturating_add(8 * n);
                if !new.addresses.contains(&at) {
                    new.addresses.push(at, GFP_KERNEL)?;
                }
            }
        }
        let mut start = KVec::new();
        for at in &new.addresses {
            start.push(case.entries.load(*at).unwrap_or(0), GFP_KERNEL)?;
        }
        new.number(&start)?;
        Ok(new)
    }

    fn get(&self, number: u32) -> &[u64] {
        let count = self.addresses.len();
        let first = number as usize * count;
        self.words.get(first..first + count).unwrap_or(&[])
    }

    fn number(&mut self, words: &[u64]) -> Go<u32> {
        let hash = hash(words, &[]);
        if let Some(number) = self.index.find(hash, |n| self.get(n) == words) {
            return Ok(number);
        }
        let number = match self.addresses.len() {
            0 => 0,
            count => self.words.len().checked_div(count).unwrap_or(0) as u32,
        };
        self.words.extend_from_slice(words, GFP_KERNEL)?;
        self.index.add(hash, number)?;
        Ok(number)
    }

    /// The word at an address, if anybody writes it.
    pub(super) fn word(&self, number: u32, at: u64) -> Option<u64> {
        let n = self.addresses.iter().position(|a| *a == at)?;
        self.get(number).get(n).copied()
    }

    /// An entry as it is in memory; `None` where there is no table.
    pub(super) fn entry(&self, case: &Case<'_>, number: u32, fetch: &Fetch) -> Option<Words> {
        let mut words = case.entries.entry(fetch)?;
        let end = fetch.at.checked_add(8 * u64::from(fetch.words))?;
        for (at, word) in self.addresses.iter().zip(self.get(number)) {
            if (fetch.at..end).contains(at) {
                if let Some(slot) = words.get_mut((*at - fetch.at) as usize / 8) {
                    *slot = *word;
                }
            }
        }
        Some(words)
    }

    /// Contents behind a store that became visible.
    pub(super) fn store(&mut self, number: u32, store: &Store) -> Go<u32> {
        let mut words = self.copy(number)?;
        let new = store.words.iter().zip(&store.keep);
        for (n, (word, keep)) in (0..u64::from(store.count)).zip(new) {
            self.put(&mut words, store.at.saturating_add(8 * n), |old| {
                word & !keep | old & keep
            });
        }
        self.number(&words)
    }

    /// Contents behind a firmware call, and whether it makes hardware forget. A call that was
    /// answered otherwise than the model does was refused, and does nothing.
    pub(super) fn call(
        &mut self,
        case: &Case<'_>,
        number: u32,
        call: Call,
        answer: Answer,
    ) -> Go<(u32, bool)> {
        let Some(at) = case.model.called(call) else {
            return Ok((number, false));
        };
        let mut entry = Words::default();
        for (n, word) in (0u64..).zip(entry.iter_mut()) {
            *word = self.word(number, at.saturating_add(8 * n)).unwrap_or(0);
        }
        let called = case.model.call(&mut entry, call);
        if called.answer != answer {
            return Ok((number, false));
        }
        let mut words = self.copy(number)?;
        for (n, word) in (0u64..).zip(entry) {
            self.put(&mut words, at.saturating_add(8 * n), |_| word);
        }
        Ok((self.number(&words)?, called.forget))
    }

    fn copy(&self, number: u32) -> Go<KVec<u64>> {
        let mut words = KVec::with_capacity(self.addresses.len(), GFP_KERNEL)?;
        words.extend_from_slice(self.get(number), GFP_KERNEL)?;
        Ok(words)
    }

    fn put(&self, words: &mut [u64], at: u64, new: impl Fn(u64) -> u64) {
        let mut pairs = self.addresses.iter().zip(words);
        if let Some((_, word)) = pairs.find(|(a, _)| **a == at) {
            *word = new(*word);
        }
    }
}
