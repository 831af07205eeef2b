// SPDX-License-Identifier: GPL-2.0

//! Lines of JSON.

use kernel::{
    fmt,
    prelude::*, //
};

/// A text that grows.
pub(super) struct Text(pub(super) KVVec<u8>);

impl Text {
    /// Writes a value of text.
    pub(super) fn text(&mut self, key: &str, value: fmt::Arguments<'_>) -> fmt::Result {
        self.key(key)?;
        self.quoted(value)
    }

    /// Writes a value that is a number.
    pub(super) fn number(&mut self, key: &str, value: u64) -> fmt::Result {
        self.key(key)?;
        self.plain(fmt!("{value}"))
    }

    /// Begins a pair, behind a comma unless it is the first.
    pub(super) fn key(&mut self, key: &str) -> fmt::Result {
        let first = self.0.last() == Some(&b'{');
        let comma = if first { "" } else { "," };
        self.plain(fmt!("{comma}\"{key}\":"))
    }

    /// Writes a text within quotes.
    pub(super) fn quoted(&mut self, value: fmt::Arguments<'_>) -> fmt::Result {
        self.plain(fmt!("\""))?;
        fmt::Write::write_fmt(&mut Quoted(self), value)?;
        self.plain(fmt!("\""))
    }

    /// Writes what is JSON already.
    pub(super) fn plain(&mut self, value: fmt::Arguments<'_>) -> fmt::Result {
        fmt::Write::write_fmt(self, value)
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.0
            .extend_from_slice(s.as_bytes(), GFP_KERNEL)
            .map_err(|_| fmt::Error)
    }
}

/// A text within quotes.
struct Quoted<'a>(&'a mut Text);

impl fmt::Write for Quoted<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for part in s.split_inclusive(['"', '\\', '\n']) {
            let plain = part.trim_end_matches(['"', '\\', '\n']);
            self.0.write_str(plain)?;
            match part.get(plain.len()..) {
                Some("\"") => self.0.write_str("\\\"")?,
                Some("\\") => self.0.write_str("\\\\")?,
                Some("\n") => self.0.write_str("\\n")?,
                _ => (),
            }
        }
        Ok(())
    }
}
