// SPDX-License-Identifier: GPL-2.0

//! A client of dmaengine that uses the channel of an endpoint.
//!
//! C header: [`include/linux/dmaengine.h`](srctree/include/linux/dmaengine.h)

use super::super::{
    channel::{
        READ_FAILED,
        WRITE_FAILED, //
    },
    endpoint::Endpoint,
    ffi, //
};
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// `enum dma_status`.
mod status {
    use super::c_int;

    pub(super) const COMPLETE: c_int = 0;
    pub(super) const ERROR: c_int = 3;
}

/// How a copy ended, as its callback was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All was copied.
    Copied,
    /// The device could not read, and so many bytes are left.
    NotRead(u32),
    /// The device could not write, and so many bytes are left.
    NotWritten(u32),
    /// The callback was not called, or with nonsense.
    Untold,
}

/// One copy, before and after. `struct transfer` of `kunit/helpers/client.c`.
#[repr(C)]
pub(crate) struct Transfer {
    from: u64,
    to: u64,
    len: u32,
    residue: u32,
    result: c_int,
    before: c_int,
    after: c_int,
    turn: u32,
    cookie: c_int,
    batch: *mut c_void,
}

impl Transfer {
    /// That of `len` bytes between two IOVAs.
    pub(crate) fn new(from: u64, to: u64, len: u32) -> Self {
        Self {
            from,
            to,
            len,
            residue: 0,
            result: -1,
            before: status::COMPLETE,
            after: status::COMPLETE,
            turn: 0,
            cookie: 0,
            batch: ptr::null_mut(),
        }
    }

    /// What its callback was told.
    pub(crate) fn ended(&self) -> Ended {
        match (self.turn, self.result, self.residue) {
            (1.., 0, 0) => Ended::Copied,
            (1.., READ_FAILED, left) => Ended::NotRead(left),
            (1.., WRITE_FAILED, left) => Ended::NotWritten(left),
            _ => Ended::Untold,
        }
    }

    /// The so many-th callback was its; 0 for none.
    pub(crate) fn turn(&self) -> u32 {
        self.turn
    }

    /// Whether the channel said, before the copy was issued, that it was over.
    pub(crate) fn was_over_before(&self) -> bool {
        self.before == status::COMPLETE || self.before == status::ERROR
    }

    /// What the channel says of it in the end: `None` for not over.
    pub(crate) fn succeeded(&self) -> Option<bool> {
        match self.after {
            status::COMPLETE => Some(true),
            status::ERROR => Some(false),
            _ => None,
        }
    }
}

/// A channel that nobody else uses. Dropping it releases it.
///
/// # Invariants
///
/// `raw` was requested, and is a channel of an endpoint that lives during `'a`.
pub(crate) struct Channel<'a> {
    raw: NonNull<c_void>,
    _endpoint: PhantomData<&'a Endpoint>,
}

impl Endpoint {
    /// Requests the channel that the endpoint is. May sleep.
    ///
    /// # Errors
    ///
    /// EBUSY where it is none, or used.
    pub(crate) fn request_channel(&self) -> Result<Channel<'_>> {
        // SAFETY: The device of an endpoint is valid.
        let raw = unsafe { ffi::client_request(self.device()) };
        // INVARIANT: It was just requested.
        Ok(Channel {
            raw: NonNull::new(raw).ok_or(EBUSY)?,
            _endpoint: PhantomData,
        })
    }
}

impl Channel<'_> {
    /// Does copies, issued as one, and waits for the last of them. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM; ETIMEDOUT where one has not ended in 20 seconds. None is under way any more.
    pub(crate) fn copy_all(&self, transfers: &mut [Transfer]) -> Result {
        let count = transfers.len().try_into()?;
        // SAFETY: By the type invariant; there are `count` of them.
        to_result(unsafe { ffi::client_copy(self.raw.as_ptr(), transfers.as_mut_ptr(), count) })
    }

    /// Does one copy. May sleep.
    ///
    /// # Errors
    ///
    /// As [`Self::copy_all`].
    pub(crate) fn copy(&self, from: u64, to: u64, len: u32) -> Result<Ended> {
        let mut transfer = [Transfer::new(from, to, len)];
        self.copy_all(&mut transfer)?;
        let [transfer] = transfer;
        Ok(transfer.ended())
    }

    /// Submits copies and terminates them before they are issued. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn submit_and_terminate(&self, transfers: &mut [Transfer]) -> Result {
        let count = transfers.len().try_into()?;
        // SAFETY: As in `copy_all`.
        to_result(unsafe { ffi::client_drop(self.raw.as_ptr(), transfers.as_mut_ptr(), count) })
    }
}

impl Drop for Channel<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { ffi::client_release(self.raw.as_ptr()) };
    }
}
