// SPDX-License-Identifier: GPL-2.0

//! The instructions, and what they answer.
//!
//! Source: [`arch/s390/include/asm/pci_insn.h`](srctree/arch/s390/include/asm/pci_insn.h) and
//! [`clp.h`](srctree/arch/s390/include/asm/clp.h), which has the commands of the last kind.

use super::super::model::{
    Answer,
    Call,
    Command, //
};
use kernel::fmt;

/// Operations: those of Modify PCI Function Controls by their own numbers, and others that it has
/// none of.
pub(crate) mod op {
    /// Registers an address space.
    pub(crate) const REG_IOAT: u8 = 4;
    /// Takes the registration away.
    pub(crate) const DEREG_IOAT: u8 = 5;
    /// Replaces the registration.
    pub(crate) const REREG_IOAT: u8 = 6;
    /// Ends the error state, DMA included.
    pub(crate) const RESET_ERROR: u8 = 7;
    /// Ends the error state for load and store only.
    pub(crate) const RESET_BLOCK: u8 = 9;
    /// Refresh PCI Translations; operands are the first and the last address.
    pub(crate) const RPCIT: u8 = 0xd3;
    /// Call Logical Processor: enables the function.
    pub(crate) const CLP_ENABLE: u8 = 0x80;
    /// The same: disables it, so that it forgets all that it was told.
    pub(crate) const CLP_DISABLE: u8 = 0x81;
}

/// Condition codes.
pub(crate) mod cc {
    /// Done.
    pub(crate) const OK: u8 = 0;
    /// The status says why not.
    pub(crate) const ERR: u8 = 1;
    /// Firmware has no time.
    pub(crate) const BUSY: u8 = 2;
    /// There is no function with this handle.
    pub(crate) const INVAL_HANDLE: u8 = 3;
}

/// Status codes.
pub(crate) mod status {
    /// A resource is not available.
    pub(crate) const RES_NOT_AVAIL: u8 = 4;
    /// There are not enough resources.
    pub(crate) const INSUF_RES: u8 = 16;
    /// A registration where there is one, or none where one is needed.
    pub(crate) const SEQUENCE: u8 = 24;
    /// The address space is invalid, or not enabled.
    pub(crate) const DMAAS_INVAL: u8 = 28;
    /// An operand makes no sense.
    pub(crate) const FRAME_INVAL: u8 = 32;
    /// The function is in error state, or being recovered.
    pub(crate) const FUNC_NOT_AVAIL: u8 = 40;
    /// The function is in that state already.
    pub(crate) const ALREADY_IN_RQ_STATE: u8 = 44;
}

impl Answer {
    /// Firmware refuses, for this reason.
    pub(crate) const fn refused(status: u8) -> Self {
        let cc = cc::ERR;
        Self { cc, status }
    }

    /// Firmware has no time.
    pub(crate) const BUSY: Self = Self {
        cc: cc::BUSY,
        status: 0,
    };

    /// There is no such function.
    pub(crate) const NO_FUNCTION: Self = Self {
        cc: cc::INVAL_HANDLE,
        status: 0,
    };

    /// The function is in error state, or being recovered.
    pub(crate) const NOT_AVAILABLE: Self = Self::refused(status::FUNC_NOT_AVAIL);
}

/// How many functions a command can name.
pub(super) const FUNCTIONS: u32 = 1 << 23;

/// Base-2 logarithm of the bytes that translations are refreshed in.
const PAGE_SHIFT: u32 = 12;

/// Bits of a handle in each word of a command.
const PART: u64 = (1 << PAGE_SHIFT) - 1;

/// What an RPCIT that was accepted does. It is no queued command, but its effect is put into the
/// queue like one, and waited for at once.
///
/// Word 0 is the address of the first page, with the low 12 bits of the handle in those that are
/// free. Word 1 is that of the last page, with 11 more bits of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rpcit {
    /// Whose translations.
    pub(crate) handle: u32,
    /// The first address.
    pub(crate) first: u64,
    /// The last address.
    pub(crate) last: u64,
}

impl From<Rpcit> for Command {
    fn from(rpcit: Rpcit) -> Self {
        let function = u64::from(rpcit.handle);
        Self([
            (rpcit.first & !PART) | (function & PART),
            (rpcit.last & !PART) | (function >> PAGE_SHIFT & PART >> 1),
        ])
    }
}

impl From<Command> for Rpcit {
    fn from(Command([first, last]): Command) -> Self {
        let function = (first & PART) | (last & PART) << PAGE_SHIFT;
        Self {
            handle: super::handle(function as u32),
            first: first & !PART,
            last: last | PART,
        }
    }
}

impl Rpcit {
    pub(super) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            handle,
            first,
            last,
        } = self;
        write!(f, "RPCIT fh {handle:#x} {first:#x}-{last:#x}")
    }
}

/// Writes an instruction.
pub(super) fn show(call: Call, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let [a, b, iota] = call.operands;
    let (id, name) = (call.id, name(call.op));
    write!(f, "{name} fh {id:#x}")?;
    match call.op {
        op::REG_IOAT | op::REREG_IOAT => write!(f, " PBA {a:#x} PAL {b:#x} IOTA {iota:#x}"),
        op::RPCIT => write!(f, " {a:#x}-{b:#x}"),
        _ => Ok(()),
    }
}

fn name(op: u8) -> &'static str {
    match op {
        op::REG_IOAT => "MPCIFC register IOAT",
        op::DEREG_IOAT => "MPCIFC deregister IOAT",
        op::REREG_IOAT => "MPCIFC reregister IOAT",
        op::RESET_ERROR => "MPCIFC reset error",
        op::RESET_BLOCK => "MPCIFC reset block",
        op::RPCIT => "RPCIT",
        op::CLP_ENABLE => "CLP enable",
        op::CLP_DISABLE => "CLP disable",
        _ => "unknown instruction",
    }
}
