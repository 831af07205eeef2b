// SPDX-License-Identifier: GPL-2.0

//! What is read from and written to attributes.

use crate::kapi::refusal::refuse;
use core::ops::RangeInclusive;
use kernel::{
    fmt::{
        self,
        Write as _, //
    },
    page::PAGE_SIZE,
    prelude::*,
    str::Formatter, //
};

/// Contents of an attribute.
pub(super) type Page = [u8; PAGE_SIZE];

/// The most of what a user wrote that is repeated in the log.
const REPEATED: usize = 32;

/// Shows `text`, and returns how long it is.
///
/// # Errors
///
/// EINVAL where it does not fit.
pub(super) fn show(page: &mut Page, text: fmt::Arguments<'_>) -> Result<usize> {
    let mut out = Formatter::new(page);
    out.write_fmt(text).map_err(|_| EINVAL)?;
    Ok(out.bytes_written())
}

/// What a user wrote into the attribute `what`.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    what: &'static str,
    word: &'a str,
}

impl<'a> Written<'a> {
    /// The text without what surrounds it.
    ///
    /// # Errors
    ///
    /// EINVAL where it is none.
    pub(super) fn new(what: &'static str, page: &'a [u8]) -> Result<Self> {
        match core::str::from_utf8(page) {
            Ok(text) => Ok(Self {
                what,
                word: text.trim(),
            }),
            Err(_) => Err(refuse(EINVAL, fmt!("{what}: not a text"))),
        }
    }

    pub(super) fn word(&self) -> &'a str {
        self.word
    }

    /// A number of a range.
    ///
    /// # Errors
    ///
    /// EINVAL where it is none.
    pub(super) fn number(&self, range: RangeInclusive<u32>) -> Result<u32> {
        let number = self.word.parse().ok().filter(|n| range.contains(n));
        number.ok_or_else(|| self.refuse(fmt!("must be {} to {}", range.start(), range.end())))
    }

    /// 0 or 1.
    ///
    /// # Errors
    ///
    /// EINVAL where it is neither.
    pub(super) fn switch(&self) -> Result<bool> {
        Ok(self.number(0..=1)? == 1)
    }

    /// The value that a name stands for.
    ///
    /// # Errors
    ///
    /// EINVAL where no name fits.
    pub(super) fn one_of<T: Copy>(&self, names: &[(&str, T)]) -> Result<T> {
        let at = self.position(names, |(name, _)| name)?;
        names.get(at).map(|(_, value)| *value).ok_or(EINVAL)
    }

    /// Which of `items` has that name.
    ///
    /// # Errors
    ///
    /// EINVAL where none has.
    pub(super) fn position<T>(&self, items: &[T], name: fn(&T) -> &str) -> Result<usize> {
        let found = items.iter().position(|item| name(item) == self.word);
        found.ok_or_else(|| self.refuse(fmt!("must be {}", Names(items, name))))
    }

    /// Refuses it with EINVAL.
    pub(super) fn refuse(&self, why: fmt::Arguments<'_>) -> Error {
        let what = self.what;
        let mut end = self.word.len().min(REPEATED);
        while !self.word.is_char_boundary(end) {
            end -= 1;
        }
        let word = self.word.get(..end).unwrap_or("");
        refuse(EINVAL, fmt!("{what}: {:?}: {why}", word))
    }
}

struct Names<'a, T>(&'a [T], fn(&T) -> &str);

impl<T> fmt::Display for Names<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, item) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { ", " })?;
            f.write_str((self.1)(item))?;
        }
        Ok(())
    }
}

/// The name of a value of a table.
pub(super) fn name_of<T: PartialEq>(names: &[(&'static str, T)], value: T) -> &'static str {
    let found = names.iter().find(|(_, v)| *v == value);
    found.map_or("?", |(name, _)| name)
}
