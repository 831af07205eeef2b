// SPDX-License-Identifier: GPL-2.0

//! A line of facts cell by cell, to say in which column two lines differ.

/// The columns of both tables of `Documentation/firmware.rst`.
pub(super) const COLUMNS: [&str; 16] = [
    "during",
    "after",
    "believed",
    "WARNs",
    "bind",
    "again",
    "elsewhere",
    "claim",
    "reset",
    "then nothing",
    "then again",
    "then elsewhere",
    "then reset",
    "then recover",
    "then power",
    "then plug",
];

/// Columns that are a word of their own; of the last word each letter is one.
const WORDS: usize = 9;

fn words(facts: &str) -> impl Iterator<Item = &str> {
    let words = facts.split([' ', ',', '|']);
    words.filter(|word| !word.is_empty())
}

/// What stands in a column.
pub(super) fn cell(facts: &str, column: usize) -> Option<&str> {
    match column.checked_sub(WORDS) {
        None => words(facts).nth(column),
        Some(letter) => words(facts).nth(WORDS)?.get(letter..=letter),
    }
}

/// The columns in which two lines differ, one bit each. Lines that are not of all columns differ in
/// those that are missing, and in the last one if there are too many.
pub(super) fn differences(found: &str, expected: &str) -> u32 {
    let mut differ = 0;
    for column in 0..COLUMNS.len() {
        let (found, expected) = (cell(found, column), cell(expected, column));
        if found.is_none() || found != expected {
            differ |= 1 << column;
        }
    }
    if differ == 0 && found != expected {
        differ = 1 << (COLUMNS.len() - 1);
    }
    differ
}

/// The names of columns.
pub(super) fn names(columns: u32) -> impl Iterator<Item = &'static str> {
    let all = COLUMNS.into_iter().enumerate();
    all.filter(move |(at, _)| columns & 1 << at != 0)
        .map(|(_, name)| name)
}
