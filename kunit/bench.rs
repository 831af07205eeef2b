// SPDX-License-Identifier: GPL-2.0

//! How long things take, beside the C code that does the same in the kernel.
//!
//! One debugfs file for each subject, made when it is first read: a line of JSON for each
//! measurement. Both sides are measured in turns in one boot.

mod group;
mod iova;
mod lazy;
mod loops;
mod measure;
mod moved;
mod sheet;
mod table;
mod threads;

use self::sheet::Sheet;
use crate::kapi::{
    new_mutex,
    Mutex, //
};
use kernel::{
    debugfs::{
        Dir,
        File, //
    },
    fmt,
    prelude::*, //
};

/// Measures one subject.
type Subject = fn(&mut Sheet) -> Result;

/// What a subject's file says, measured when it is first read.
#[pin_data]
struct Report {
    subject: Subject,
    name: &'static str,
    #[pin]
    text: Mutex<Option<KVVec<u8>>>,
}

impl Report {
    fn new(name: &'static str, subject: Subject) -> impl PinInit<Self> {
        pin_init!(Self {
            subject,
            name,
            text <- new_mutex!(None, "Report::text"),
        })
    }

    /// A reader that needs a larger buffer reads again, which must not measure again.
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.text.lock();
        let text = text.get_or_insert_with(|| {
            let mut sheet = Sheet::new(self.name);
            if let Err(error) = (self.subject)(&mut sheet) {
                sheet.failed(error);
            }
            sheet.finish()
        });
        f.write_str(core::str::from_utf8(text).unwrap_or("{}\n"))
    }
}

/// The files of all subjects.
#[pin_data]
pub(crate) struct Bench {
    #[pin]
    group: File<Report>,
    #[pin]
    table: File<Report>,
    #[pin]
    growth: File<Report>,
    #[pin]
    shared: File<Report>,
    #[pin]
    shadowed: File<Report>,
    #[pin]
    iova: File<Report>,
    #[pin]
    lazy: File<Report>,
    #[pin]
    moved: File<Report>,
    #[pin]
    loops: File<Report>,
    _dir: Dir,
}

impl Bench {
    /// Makes the files in a directory `bench` of `parent`.
    pub(crate) fn new(parent: Dir) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let dir = parent.subdir(c"bench");
            Ok(try_pin_init!(Self {
                group <- dir.read_callback_file(
                    c"group", Report::new("group", group::measure), &|r, f| r.show(f)),
                table <- dir.read_callback_file(
                    c"table", Report::new("table", table::shapes), &|r, f| r.show(f)),
                growth <- dir.read_callback_file(
                    c"growth", Report::new("growth", table::growth), &|r, f| r.show(f)),
                shared <- dir.read_callback_file(
                    c"shared", Report::new("shared", table::shared), &|r, f| r.show(f)),
                shadowed <- dir.read_callback_file(
                    c"shadowed", Report::new("shadowed", lazy::shadowed), &|r, f| r.show(f)),
                iova <- dir.read_callback_file(
                    c"iova", Report::new("iova", iova::measure), &|r, f| r.show(f)),
                lazy <- dir.read_callback_file(
                    c"lazy", Report::new("lazy", lazy::measure), &|r, f| r.show(f)),
                moved <- dir.read_callback_file(
                    c"moved", Report::new("moved", moved::measure), &|r, f| r.show(f)),
                loops <- dir.read_callback_file(
                    c"loop", Report::new("loop", loops::measure), &|r, f| r.show(f)),
                _dir: dir.clone(),
            }))
        })
    }
}
