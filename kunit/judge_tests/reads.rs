// SPDX-License-Identifier: GPL-2.0

//! Hardware that reads entries in pieces of another size.

use crate::mock::{
    hw::{
        model::{
            Call,
            Called,
            Command,
            Fetch,
            Model,
            Next,
            Requester,
            Tag,
            Translation,
            Words, //
        },
        Memory, //
    },
    unit::Modelled, //
};
use kernel::{
    fmt,
    sync::Arc, //
};

/// The hardware of a unit, except that it reads that many words in one go.
pub(crate) struct Reads<U: Modelled> {
    pub(crate) unit: Arc<U>,
    pub(crate) words: u32,
}

impl<U: Modelled> Reads<U> {
    fn model(&self) -> &U::Model {
        self.unit.machine().model()
    }
}

impl<U: Modelled> Model for Reads<U> {
    fn next(&self, from: Requester, read: &[Words]) -> Next {
        match self.model().next(from, read) {
            // Single words are pointers to other tables, which nobody reads in pieces.
            Next::Fetch(fetch) if fetch.cached && fetch.words > 1 => Next::Fetch(Fetch {
                unit: self.words.min(fetch.words),
                ..fetch
            }),
            next => next,
        }
    }

    fn walk(
        &self,
        memory: &dyn Memory,
        by: &Translation,
        iova: u64,
        visit: &mut dyn FnMut(u64),
    ) -> Option<u64> {
        self.model().walk(memory, by, iova, visit)
    }

    fn keeps(&self, of: &Fetch, words: &Words) -> bool {
        self.model().keeps(of, words)
    }

    fn in_order(&self, of: &Fetch) -> bool {
        self.model().in_order(of)
    }

    fn drops_entry(&self, command: Command, from: Requester, of: &Fetch, words: &Words) -> bool {
        self.model().drops_entry(command, from, of, words)
    }

    fn drops_translation(&self, command: Command, tag: Tag, iova: u64) -> bool {
        self.model().drops_translation(command, tag, iova)
    }

    fn drops_tables(&self, command: Command, tag: Tag, iova: u64) -> bool {
        self.model().drops_tables(command, tag, iova)
    }

    fn ats(&self, from: Requester, read: &[Words]) -> bool {
        self.model().ats(from, read)
    }

    fn overtakes(&self, later: Command, earlier: Command) -> bool {
        self.model().overtakes(later, earlier)
    }

    fn drops_kept(&self, command: Command, from: Requester, iova: u64) -> bool {
        self.model().drops_kept(command, from, iova)
    }

    fn abort_is_error(&self) -> bool {
        self.model().abort_is_error()
    }

    fn call(&self, entry: &mut Words, call: Call) -> Called {
        self.model().call(entry, call)
    }

    fn called(&self, call: Call) -> Option<u64> {
        self.model().called(call)
    }

    fn show_command(&self, command: Command, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.model().show_command(command, f)
    }

    fn show_call(&self, call: Call, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.model().show_call(call, f)
    }

    fn show_tag(&self, tag: Tag, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.model().show_tag(tag, f)
    }

    fn show_entry(&self, kind: u8, words: &Words, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.model().show_entry(kind, words, f)
    }
}
