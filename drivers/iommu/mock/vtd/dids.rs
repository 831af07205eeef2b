// SPDX-License-Identifier: GPL-2.0

//! Domain identifiers: whose they are, and who holds them.
//!
//! As in Linux a space gets one when it is first attached and loses it with the last attachment,
//! all under one lock (`did_lock`). The lowest free one is next, so that mistakes meet a new owner
//! at once.

use kernel::prelude::*;

/// Identifier of all pass-through entries (`FLPT_DEFAULT_DID`).
pub(super) const IDENTITY_DID: u16 = 1;

/// The first that a space can have (`IDA_START_DID`); 0 is reserved for entries that are not
/// present.
const FIRST: usize = 2;

/// How many there are: the fewest that hardware can have (ND of 0).
const COUNT: usize = 16;

/// Attachments under one PASID, or all of them where a PASID does not matter to the IOTLB.
struct Holder {
    pasid: u32,
    users: u32,
}

#[derive(Default)]
struct Slot {
    /// Number of the space; 0 for one that is lent to nobody in particular.
    owner: Option<u64>,
    holders: KVec<Holder>,
}

/// All of one instance.
pub(super) struct Dids {
    slots: [Slot; COUNT],
}

impl Dids {
    pub(super) fn new() -> Self {
        Self {
            slots: core::array::from_fn(|_| Slot::default()),
        }
    }

    fn position(&self, owner: u64) -> Option<usize> {
        self.slots.iter().position(|slot| slot.owner == Some(owner))
    }

    fn free(&mut self) -> Result<(usize, &mut Slot)> {
        let mut slots = self.slots.iter_mut().enumerate().skip(FIRST);
        slots.find(|(_, s)| s.owner.is_none()).ok_or(ENOSPC)
    }

    /// The identifier of a space.
    pub(super) fn of(&self, space: u64) -> Option<u16> {
        self.position(space).map(|at| at as u16)
    }

    /// Whether a space has exactly one attachment.
    pub(super) fn is_sole(&self, space: u64) -> bool {
        let slot = self.position(space).and_then(|at| self.slots.get(at));
        slot.is_some_and(|s| s.holders.iter().map(|h| h.users).sum::<u32>() == 1)
    }

    /// Counts an attachment. Returns the identifier, and whether the PASID is new under it.
    ///
    /// # Errors
    ///
    /// ENOSPC, ENOMEM.
    pub(super) fn hold(&mut self, space: u64, pasid: u32) -> Result<(u16, bool)> {
        let (at, slot) = match self.position(space) {
            Some(at) => (at, self.slots.get_mut(at).ok_or(ENOSPC)?),
            None => self.free()?,
        };
        let holder = slot.holders.iter_mut().find(|h| h.pasid == pasid);
        let new = holder.is_none();
        match holder {
            Some(holder) => holder.users = holder.users.saturating_add(1),
            None => slot.holders.push(Holder { pasid, users: 1 }, GFP_KERNEL)?,
        }
        slot.owner = Some(space);
        Ok((at as u16, new))
    }

    /// Counts an attachment out; the last one takes the identifier with it. Returns the identifier
    /// where the PASID is no longer used under it.
    pub(super) fn put(&mut self, space: u64, pasid: u32) -> Option<u16> {
        let at = self.position(space)?;
        let slot = self.slots.get_mut(at)?;
        let holder = slot.holders.iter().position(|h| h.pasid == pasid)?;
        let users = &mut slot.holders.get_mut(holder)?.users;
        *users = users.saturating_sub(1);
        if *users != 0 {
            return None;
        }
        let _ = slot.holders.remove(holder);
        if slot.holders.is_empty() {
            slot.owner = None;
        }
        Some(at as u16)
    }

    /// Lends a free identifier to nobody in particular.
    ///
    /// # Errors
    ///
    /// ENOSPC.
    pub(super) fn borrow(&mut self) -> Result<u16> {
        let (at, slot) = self.free()?;
        slot.owner = Some(0);
        Ok(at as u16)
    }

    /// Takes one back that was lent.
    pub(super) fn give_back(&mut self, did: u16) {
        let slot = self.slots.get_mut(usize::from(did));
        if let Some(slot) = slot.filter(|slot| slot.owner == Some(0)) {
            slot.owner = None;
        }
    }

    /// Makes the identifier of `from` that of `to`, whose own becomes free and is returned. Each
    /// has one attachment, under the same PASID.
    pub(super) fn exchange(&mut self, from: u64, to: u64) -> Option<u16> {
        let (old, own) = (self.position(from)?, self.position(to)?);
        self.slots.get_mut(old)?.owner = Some(to);
        *self.slots.get_mut(own)? = Slot::default();
        Some(own as u16)
    }
}
