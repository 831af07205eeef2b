// SPDX-License-Identifier: GPL-2.0

//! The hardware of s390 PCI functions.
//!
//! There is no entry in memory. Firmware keeps for every function which address space is registered
//! for its DMA, and changes that when an instruction asks it to. Here that is a table with 8 words
//! for each function, the [`fib`] as Store PCI Function Controls would show it, which nobody but
//! firmware writes.
//!
//! There is no tag either: translations are kept by function handle, and forgotten whenever the
//! registration changes. [`tag`] also names the table that is registered, so that it is that of a
//! space, but one instruction drops all of a function. The handle of a function stays what it is,
//! where the real one changes whenever the function is enabled.
//!
//! Two things are simpler than they are. DMA is not held against PBA and PAL, as a driver registers
//! all that a function can reach. Protection against writing is ignored.
//!
//! Source: [`arch/s390/include/asm/pci_insn.h`](srctree/arch/s390/include/asm/pci_insn.h),
//! [`pci_dma.h`](srctree/arch/s390/include/asm/pci_dma.h), and QEMU's `hw/s390x/s390-pci-inst.c`
//! for what an instruction answers in which state.

mod execute;
pub(crate) mod fib;
pub(crate) mod instruction;
pub(crate) mod iota;
pub(crate) mod shadow;
mod walk;

use self::{
    fib::{
        Ioat,
        State, //
    },
    instruction::Rpcit,
    iota::Designation, //
};
use super::{
    memory::EntryMemory,
    model::{
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
    Memory, //
};
use kernel::{
    fmt,
    prelude::*, //
};

/// What firmware does with an instruction about the address space of a function that it keeps from
/// DMA: in error state, or while it recovers the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhileFenced {
    /// It refuses with status 40 and changes nothing, as the comments of Linux imply for LPAR.
    Refuses,
    /// It drops a registration, and refuses to make one.
    Drops,
    /// It keeps the book: what is registered then is in force when DMA is possible again. This is
    /// what the authors of the 2022 thread would have firmware do, and what QEMU does.
    Keeps,
}

/// What is fixed for an instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Zpci {
    /// Address of the table of functions.
    table: u64,
    /// Functions in it.
    count: u32,
    /// Relaxed translation: a function may be registered for DMA without translation.
    pub(crate) rtr: bool,
    /// Designation types that functions support, one bit each.
    pub(crate) dtsm: u8,
    /// See [`WhileFenced`].
    pub(crate) while_fenced: WhileFenced,
}

/// Bit of a handle that is set while the function is enabled.
const FH_ENABLED: u32 = 1 << 31;

/// The handle of a function.
pub(crate) fn handle(function: u32) -> u32 {
    FH_ENABLED | function
}

/// What keys translations: the function, in the low 24 bits, and the table it is registered with,
/// which is a multiple of 16 KiB.
pub(crate) fn tag(handle: u32, origin: u64) -> Tag {
    Tag((origin >> 14 << 24) | u64::from(handle & !FH_ENABLED))
}

/// Whose translations a tag keys.
pub(crate) fn tagged(tag: Tag) -> u32 {
    handle(tag.0 as u32 & ((1 << 24) - 1))
}

impl Zpci {
    /// An instance with `count` functions, enabled and without an address space.
    ///
    /// # Errors
    ///
    /// EINVAL for more functions than a command can name, ENOMEM.
    pub(crate) fn new(
        entries: &mut EntryMemory,
        count: u32,
        while_fenced: WhileFenced,
    ) -> Result<Self> {
        if count > instruction::FUNCTIONS {
            return Err(EINVAL);
        }
        let table = entries.alloc((count as usize).saturating_mul(WORDS), 0)?;
        let this = Self {
            table,
            count,
            rtr: true,
            dtsm: Designation::ALL.iter().fold(0, |all, dt| all | dt.bit()),
            while_fenced,
        };
        for function in 0..count {
            let slice = this.at(handle(function));
            let slice = slice.and_then(|at| entries.slice_mut(at, WORDS as u32));
            let entry = slice.and_then(|slice| <&mut Words>::try_from(slice).ok());
            State::Enabled.put(entry.ok_or(ENOMEM)?);
        }
        Ok(this)
    }

    /// Where firmware keeps what it knows of the function with a handle.
    pub(crate) fn at(&self, handle: u32) -> Option<u64> {
        let function = handle & !FH_ENABLED;
        let bytes = (WORDS as u64) * 8;
        (handle & FH_ENABLED != 0 && function < self.count)
            .then(|| self.table + u64::from(function) * bytes)
    }
}

impl Model for Zpci {
    fn next(&self, from: Requester, read: &[Words]) -> Next {
        let (Some(at), None) = (self.at(from.id), from.pasid) else {
            return Next::Abort("no such function");
        };
        let Some(words) = read.first() else {
            return Next::Fetch(Fetch {
                at,
                words: WORDS as u32,
                unit: WORDS as u32,
                kind: 0,
                cached: false,
            });
        };
        match State::of(words) {
            State::Enabled => (),
            state => return Next::Abort(state.name()),
        }
        match Ioat::of(words) {
            Ioat::None => Next::Abort("no address space"),
            Ioat::Direct => Next::Bypass,
            Ioat::Table(iota) => match iota.designation() {
                Some(designation) => Next::Translate(Translation {
                    tag: tag(from.id, iota.origin()),
                    first: Stage {
                        root: iota.origin(),
                        levels: designation as u32,
                        format: 0,
                    },
                    second: None,
                    marks: false,
                }),
                None => Next::Abort("reserved designation type"),
            },
        }
    }

    fn walk(
        &self,
        memory: &dyn Memory,
        by: &Translation,
        iova: u64,
        visit: &mut dyn FnMut(u64),
    ) -> Option<u64> {
        walk::one(memory, &by.first, iova, visit)
    }

    fn drops_entry(
        &self,
        _command: Command,
        _from: Requester,
        _of: &Fetch,
        _words: &Words,
    ) -> bool {
        // None is kept.
        false
    }

    fn drops_translation(&self, command: Command, tag: Tag, iova: u64) -> bool {
        let Rpcit {
            handle,
            first,
            last,
        } = Rpcit::from(command);
        tagged(tag) == handle && (first..=last).contains(&iova)
    }

    fn drops_tables(&self, command: Command, tag: Tag, iova: u64) -> bool {
        self.drops_translation(command, tag, iova)
    }

    fn abort_is_error(&self) -> bool {
        true
    }

    fn call(&self, entry: &mut Words, call: Call) -> Called {
        execute::execute(self, entry, call)
    }

    fn called(&self, call: Call) -> Option<u64> {
        self.at(call.id)
    }

    fn show_command(&self, command: Command, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Rpcit::from(command).show(f)
    }

    fn show_call(&self, call: Call, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        instruction::show(call, f)
    }

    fn show_tag(&self, tag: Tag, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (handle, origin) = (tagged(tag), tag.0 >> 24 << 14);
        write!(f, "fh {handle:#x} table {origin:#x}")
    }

    fn show_entry(&self, _kind: u8, words: &Words, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(State::of(words).name())?;
        f.write_str(", ")?;
        Ioat::of(words).show(f)
    }
}
