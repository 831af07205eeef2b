// SPDX-License-Identifier: GPL-2.0

//! What the driver knows of an endpoint.

use super::{
    super::{
        hw::{
            amd::dte::{
                self,
                Dte, //
            },
            model::Requester, //
        },
        unit::{
            Space as _,
            Target, //
        },
    },
    space::AmdSpace,
    users::{
        Guest,
        HostTable,
        List, //
    }, //
};
use crate::{
    iommu::AttachError,
    kapi::{
        errno,
        new_mutex,
        Mutex, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The bit in which an endpoint and its alias differ.
pub(super) const ALIAS: u32 = 0x100;

/// Where the endpoint of a number is in the device table, and its alias.
///
/// Aliases are in an odd block of 256 DeviceIDs behind that of the endpoints they belong to.
pub(super) fn names(endpoint: u32) -> Result<[u32; 2]> {
    let id = ((endpoint >> 8) << 9) | (endpoint & 0xff);
    let alias = id | ALIAS;
    u16::try_from(alias)?;
    Ok([id, alias])
}

/// What does not change of an endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wiring {
    /// Its DeviceID and that of its alias, under which its DMA may arrive as well.
    pub(super) names: [u32; 2],
    /// One more than its largest PASID; 0 for none.
    pub(super) max_pasids: u32,
    /// It has an IOTLB of its own.
    pub(super) ats: bool,
    /// DomainID of its guest translations, and of untranslated DMA next to those.
    pub(super) domain: u16,
    /// DomainID of untranslated DMA of endpoints without PASIDs.
    pub(super) identity: u16,
    /// Address of its GCR3 table.
    pub(super) gcr3: u64,
    /// Levels of that, less one.
    pub(super) glx: u32,
    /// Address of GCR3\[0\].
    pub(super) gcr3_0: u64,
    /// Levels of guest page tables that reach all its addresses.
    pub(super) levels: u32,
}

/// An endpoint.
///
/// Locks in the order in which they nest: `books`, the list of users of a space, `entry`.
#[pin_data]
pub(super) struct Device {
    pub(super) wiring: Wiring,
    #[pin]
    pub(super) books: Mutex<Books>,
    /// Held while the entry is changed. Linux: `dte_lock`.
    #[pin]
    pub(super) entry: Mutex<()>,
}

/// Where the hardware sends the DMA of an endpoint.
#[derive(Default)]
pub(super) struct Books {
    /// `None` for what firmware or a former kernel has left.
    pub(super) rid: Option<Target<AmdSpace>>,
    /// That of PASIDs in use.
    pub(super) pasids: KVec<(u32, Arc<AmdSpace>)>,
    /// The table of a former kernel, while it is in use.
    pub(super) former: Option<Arc<AmdSpace>>,
    /// What Linux takes the endpoint to be on.
    pub(super) named: Option<Named>,
}

/// What `dev_data->domain` of Linux is. An attach of a nested domain leaves it as it was, so that
/// it is what the endpoint was on before, or was once.
#[derive(Clone)]
pub(super) enum Named {
    Identity,
    /// The list of a space, which may be gone.
    Space(Arc<List>),
}

impl Named {
    /// Whether it is that target.
    pub(super) fn is(&self, target: &Target<AmdSpace>) -> bool {
        match (self, target) {
            (Self::Identity, Target::Identity) => true,
            (Self::Space(list), Target::Paging(space)) => list.number == space.number(),
            _ => false,
        }
    }
}

impl Device {
    pub(super) fn new(wiring: Wiring, former: Option<Arc<AmdSpace>>) -> impl PinInit<Self> {
        let books = Books {
            former,
            ..Books::default()
        };
        pin_init!(Self {
            wiring,
            books <- new_mutex!(books, "amd::Device::books"),
            entry <- new_mutex!((), "amd::Device::entry"),
        })
    }

    /// Forgets where its DMA goes, which the hardware is not told of: a space and the devices on it
    /// know each other.
    pub(super) fn forget(&self) {
        let books = core::mem::take(&mut *self.books.lock());
        drop(books);
    }
}

impl Wiring {
    /// Under which names its DMA arrives.
    pub(super) fn requesters(&self, pasid: Option<u32>) -> [Requester; 2] {
        self.names.map(|id| Requester { id, pasid })
    }

    /// The entry that sends DMA to a host page table.
    pub(super) fn host_entry(&self, domain: u16, host: HostTable) -> Dte {
        let HostTable { top, dirty } = host;
        self.translating()
            .with(dte::HAD, dte::HAD_DIRTY * u64::from(dirty))
            .with(dte::MODE, u64::from(top.level) + 1)
            .with(dte::HOST_ROOT, top.root >> 12)
            .with(dte::DOMAIN_ID, domain.into())
    }

    /// The entry that also sends it to what a guest has on top of a host page table
    /// (`set_dte_nested()`).
    pub(super) fn nested_entry(&self, guest: &Guest, host: HostTable) -> Dte {
        let field = |field| guest.entry.get(field);
        self.host_entry(guest.domain, host)
            .with(dte::GV, 1)
            .with(dte::GIOV, field(dte::GIOV))
            .with(dte::GLX, field(dte::GLX))
            .with_gcr3(guest.entry.gcr3())
            .with(dte::GUEST_PAGING_MODE, field(dte::GUEST_PAGING_MODE))
    }

    /// The entry that has a GCR3 table for guest page tables of some levels, and sends DMA without
    /// PASID to GCR3\[0\], if `giov`, or lets it pass.
    fn guest_entry(&self, giov: bool, levels: u32) -> Dte {
        self.translating()
            .with(dte::GV, 1)
            .with(dte::GIOV, giov.into())
            .with(dte::GLX, self.glx.into())
            .with_gcr3(self.gcr3)
            .with(dte::DOMAIN_ID, self.domain.into())
            .with(dte::GUEST_PAGING_MODE, levels.saturating_sub(4).into())
    }

    /// The entry that sends DMA without PASID to `rid`. `pasids` are the levels of the guest page
    /// tables of PASIDs, if any is in use. `host` is about the host page table, where there is one.
    pub(super) fn entry(
        &self,
        rid: &Target<AmdSpace>,
        host: Option<HostTable>,
        pasids: Option<u32>,
    ) -> Dte {
        match (rid, pasids) {
            (Target::Blocked, None) => Dte::clear(),
            // There is nothing at GCR3[0].
            (Target::Blocked, Some(levels)) => self.guest_entry(true, levels),
            (Target::Identity, _) if self.max_pasids != 0 => {
                self.guest_entry(false, pasids.unwrap_or(self.levels))
            }
            (Target::Identity, _) => {
                let domain = self.identity.into();
                self.translating().with(dte::DOMAIN_ID, domain)
            }
            (Target::Paging(space), _) => match (space.guest(), space.host_domain(), host) {
                (Some(guest), _, Some(host)) => self.nested_entry(&guest, host),
                (None, Some(domain), Some(host)) => self.host_entry(domain, host),
                _ => self.guest_entry(true, space.guest_levels().unwrap_or(self.levels)),
            },
        }
    }

    /// An entry of which V, TV, IR and IW are set, and I with ATS: DMA passes untranslated.
    fn translating(&self) -> Dte {
        Dte::clear()
            .with(dte::TV, 1)
            .with(dte::IR, 1)
            .with(dte::IW, 1)
            .with(dte::I, self.ats.into())
    }
}

impl Books {
    /// Says where DMA without PASID goes from now on.
    pub(super) fn set_rid(&mut self, to: &Target<AmdSpace>) {
        self.rid = Some(to.clone());
        self.former = None;
        self.named = match to {
            Target::Blocked => None,
            Target::Identity => Some(Named::Identity),
            Target::Paging(space) if space.parent().is_some() => return,
            Target::Paging(space) => Some(Named::Space(space.list_of_users().clone())),
        };
    }

    /// Levels of the guest page tables of PASIDs in use.
    pub(super) fn pasid_levels(&self) -> Option<u32> {
        self.pasids.first()?.1.guest_levels()
    }

    /// The table of a PASID.
    pub(super) fn pasid(&self, pasid: u32) -> Option<&Arc<AmdSpace>> {
        let entry = self.pasids.iter().find(|(number, _)| *number == pasid)?;
        Some(&entry.1)
    }

    /// See [`Unit::check`](super::super::unit::Unit::check).
    ///
    /// A PASID needs a guest page table, and DMA without PASID next to it to be blocked,
    /// untranslated, or by a guest page table of the same depth: a host page table would also
    /// translate what comes out of the guest's. What is nested has a GCR3 table of a guest, so that
    /// it is none for who has `pasids` by the endpoint's own.
    pub(super) fn check(
        &self,
        wiring: &Wiring,
        pasid: Option<u32>,
        to: &Target<AmdSpace>,
        pasids: bool,
    ) -> Result<(), AttachError> {
        let Target::Paging(space) = to else {
            return match (pasid, to) {
                (Some(_), Target::Identity) => Err(AttachError::Failed(errno::eopnotsupp())),
                _ => Ok(()),
            };
        };
        let levels = space.guest_levels();
        let other_depth = |other: Option<u32>| other.is_some() && other != levels;
        let Some(pasid) = pasid else {
            if pasids && space.parent().is_some() {
                return Err(AttachError::Failed(EINVAL));
            }
            return match other_depth(self.pasid_levels()) {
                true => Err(AttachError::Incompatible),
                false => Ok(()),
            };
        };
        if pasid == 0 || pasid >= wiring.max_pasids {
            return Err(AttachError::Failed(EINVAL));
        }
        let rid = match &self.rid {
            None => return Err(AttachError::Failed(EINVAL)),
            Some(Target::Blocked | Target::Identity) => None,
            Some(Target::Paging(rid)) => match rid.guest_levels() {
                None => return Err(AttachError::Failed(EINVAL)),
                levels => levels,
            },
        };
        let others = self.pasids.iter().filter(|(number, _)| *number != pasid);
        let mut others = others.map(|(_, space)| space.guest_levels());
        if levels.is_none() || other_depth(rid) || others.any(other_depth) {
            return Err(AttachError::Incompatible);
        }
        Ok(())
    }
}
