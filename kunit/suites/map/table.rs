// SPDX-License-Identifier: GPL-2.0

//! A page table that writes down what it is asked, and lies where a case wants it to.

use crate::{
    iommu::{
        Aperture,
        Domain,
        DomainData,
        DriverKey,
        Gather,
        Kind,
        Paging,
        Progress,
        Prot, //
    },
    kapi::{
        kunit::{
            check_eq,
            Outcome, //
        },
        new_mutex,
        Mutex, //
    },
};
use core::{
    any::Any,
    mem, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What the table was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Call {
    /// [`Paging::map`]: IOVA, physical address, page size and count.
    Map(u64, u64, u64, u64),
    /// [`Paging::unmap`]: IOVA, page size and count.
    Unmap(u64, u64, u64),
    /// [`Paging::sync`]: first and last address.
    Sync(u64, u64),
    /// [`Paging::sync_map`]: IOVA and size.
    SyncMap(u64, u64),
}

/// How one call of [`Paging::map`] goes wrong.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Twist {
    /// Calls before it that are carried out.
    pub(in super::super) after: usize,
    /// Pages that it really maps.
    pub(in super::super) pages: u64,
    /// Bytes that it says it has mapped.
    pub(in super::super) says: u64,
    /// What it returns with that.
    pub(in super::super) result: Result,
}

/// What a table can do.
#[derive(Clone, Copy)]
pub(in super::super) struct Shape {
    /// See [`Paging::page_sizes`].
    pub(in super::super) page_sizes: u64,
    /// See [`Paging::aperture`].
    pub(in super::super) aperture: Aperture,
    /// Whether it gathers what it unmaps, page size by page size.
    pub(in super::super) gathers: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            page_sizes: (4 << 10) | (2 << 20) | (1 << 30),
            aperture: Aperture::bits(64),
            gathers: true,
        }
    }
}

struct Inner {
    calls: KVec<Call>,
    /// IOVA, physical address and size of what is mapped.
    leaves: KVec<(u64, u64, u64)>,
    twist: Option<Twist>,
    sync_map: Result,
}

/// See the module.
pub(in super::super) struct Table {
    shape: Shape,
    inner: Pin<KBox<Mutex<Inner>>>,
}

impl Table {
    /// Makes a domain with such a table.
    pub(in super::super) fn domain(shape: Shape) -> Result<Arc<Domain>> {
        let inner = Inner {
            calls: KVec::new(),
            leaves: KVec::new(),
            twist: None,
            sync_map: Ok(()),
        };
        let inner = KBox::pin_init(new_mutex!(inner, "map::Table::inner"), GFP_KERNEL)?;
        Domain::new(Kind::Paging, DriverKey::of::<Self>(), Self { shape, inner })
    }

    /// The table of such a domain.
    pub(in super::super) fn of(domain: &Domain) -> Result<&Self> {
        domain.data().ok_or(EINVAL)
    }

    /// Takes what it was asked so far.
    pub(in super::super) fn calls(&self) -> KVec<Call> {
        mem::take(&mut self.inner.lock().calls)
    }

    /// Checks that it was asked exactly this.
    #[track_caller]
    pub(in super::super) fn check_calls(&self, expected: &[Call]) -> Outcome {
        let calls = self.calls();
        check_eq!(&calls[..], expected);
        Ok(())
    }

    /// Bytes that are mapped.
    pub(in super::super) fn mapped(&self) -> u64 {
        self.inner.lock().leaves.iter().map(|leaf| leaf.2).sum()
    }

    /// Lets a call of map go wrong.
    pub(in super::super) fn twist(&self, twist: Twist) {
        self.inner.lock().twist = Some(twist);
    }

    /// What [`Paging::sync_map`] answers from now on.
    pub(in super::super) fn answer_sync_map(&self, result: Result) {
        self.inner.lock().sync_map = result;
    }
}

impl DomainData for Table {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn paging(&self) -> Option<&dyn Paging> {
        Some(self)
    }
}

impl Inner {
    fn note(&mut self, call: Call) {
        // A test that runs out of memory here finds a call missing, and fails.
        let _ = self.calls.push(call, GFP_KERNEL);
    }

    fn insert(&mut self, iova: u64, paddr: u64, page: u64, count: u64) -> Result {
        for at in 0..count {
            let leaf = (iova + at * page, paddr + at * page, page);
            self.leaves.push(leaf, GFP_KERNEL)?;
        }
        Ok(())
    }

    /// Removes the leaf that starts at `iova` and returns its size.
    fn remove(&mut self, iova: u64) -> Option<u64> {
        let at = self.leaves.iter().position(|leaf| leaf.0 == iova)?;
        self.leaves.remove(at).ok().map(|leaf| leaf.2)
    }
}

impl Paging for Table {
    fn page_sizes(&self) -> u64 {
        self.shape.page_sizes
    }

    fn aperture(&self) -> Aperture {
        self.shape.aperture
    }

    fn widen(&self, _to: Aperture) -> Result {
        Err(crate::kapi::errno::eopnotsupp())
    }

    fn map(&self, iova: u64, paddr: u64, page: u64, count: u64, _prot: Prot) -> Progress {
        let mut inner = self.inner.lock();
        inner.note(Call::Map(iova, paddr, page, count));
        let (pages, mapped, result) = match &mut inner.twist {
            Some(twist) if twist.after == 0 => {
                let (pages, says, result) = (twist.pages, twist.says, twist.result);
                inner.twist = None;
                (pages, says, result)
            }
            Some(twist) => {
                twist.after -= 1;
                (count, count * page, Ok(()))
            }
            None => (count, count * page, Ok(())),
        };
        let result = inner.insert(iova, paddr, page, pages).and(result);
        Progress { mapped, result }
    }

    fn unmap(&self, iova: u64, page: u64, count: u64, gather: &mut Gather) -> u64 {
        self.inner.lock().note(Call::Unmap(iova, page, count));
        let mut done = 0;
        while done < page.saturating_mul(count) {
            let at = iova + done;
            let Some(size) = self.inner.lock().remove(at) else {
                break;
            };
            if self.shape.gathers {
                gather.add_pages(self, at, size, size);
            }
            done += size;
        }
        done
    }

    fn iova_to_phys(&self, iova: u64) -> Option<u64> {
        let inner = self.inner.lock();
        let inside = |leaf: &&(u64, u64, u64)| leaf.0 <= iova && iova - leaf.0 < leaf.2;
        let leaf = inner.leaves.iter().find(inside)?;
        Some(leaf.1 + (iova - leaf.0))
    }

    fn give_back(&self, _gather: &Gather) {}

    fn sync(&self, gather: &Gather) {
        if let Some((first, last)) = gather.range() {
            self.inner.lock().note(Call::Sync(first, last));
        }
    }

    fn sync_map(&self, iova: u64, size: u64) -> Result {
        let mut inner = self.inner.lock();
        inner.note(Call::SyncMap(iova, size));
        inner.sync_map
    }
}
