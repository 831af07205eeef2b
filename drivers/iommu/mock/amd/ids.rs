// SPDX-License-Identifier: GPL-2.0

//! DomainIDs: 1 to 65535, for all of an instance. The lowest that is free comes first, so that what
//! was forgotten under one is found soon.

use kernel::prelude::*;

/// The DomainIDs in use, in ascending order.
pub(super) struct Ids(KVec<u16>);

impl Ids {
    pub(super) fn new() -> Self {
        Self(KVec::new())
    }

    /// Takes one. May sleep.
    ///
    /// # Errors
    ///
    /// ENOSPC without any left, ENOMEM.
    pub(super) fn take(&mut self) -> Result<u16> {
        let taken = self.0.iter();
        let at = (1u16..).zip(taken).take_while(|(id, t)| id == *t).count();
        let id = u16::try_from(at + 1).map_err(|_| ENOSPC)?;
        self.0.push(id, GFP_KERNEL)?;
        if let Some(tail) = self.0.get_mut(at..) {
            tail.rotate_right(1);
        }
        Ok(id)
    }

    /// Gives one back.
    pub(super) fn give(&mut self, id: u16) {
        if let Ok(at) = self.0.binary_search(&id) {
            let _ = self.0.remove(at);
        }
    }
}
