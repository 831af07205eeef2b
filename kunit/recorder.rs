// SPDX-License-Identifier: GPL-2.0

//! A driver that passes every call on to another one and writes it down.

use crate::{
    iommu::{
        AttachError,
        Attached,
        DefaultType,
        Device,
        Domain,
        Driver,
        DriverKey,
        EndpointId,
        Features,
        GroupKey,
        PagingFlags,
        Pasid,
        Probed,
        Region, //
    },
    kapi::{
        new_mutex,
        schedule,
        Mutex, //
    },
};
use core::ptr;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Which domain a call was about, comparable also after the domain was freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(usize);

impl Tag {
    /// The tag of no domain.
    pub(crate) const NONE: Self = Self(0);

    /// The tag of `domain`.
    pub(crate) fn of(domain: &Arc<Domain>) -> Self {
        Self(ptr::from_ref::<Domain>(domain).addr())
    }
}

/// A call that may change what a device reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// [`Driver::attach`], or [`Driver::set_pasid`] where there is a PASID.
    Attach {
        /// For which PASID.
        pasid: Option<Pasid>,
        /// The target.
        to: Tag,
        /// What the core said the device was on.
        from: Option<Tag>,
        /// What the driver said.
        answer: Result<Attached, AttachError>,
    },
    /// [`Driver::probe`].
    Probe,
    /// [`Driver::release`].
    Release,
}

/// One call for one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// The device.
    pub(crate) endpoint: EndpointId,
    /// The call.
    pub(crate) call: Call,
}

impl Event {
    /// The same, but for how the driver succeeded or which error it gave.
    pub(crate) fn outline(self) -> Self {
        let call = match self.call {
            Call::Attach {
                pasid,
                to,
                from,
                answer,
            } => Call::Attach {
                pasid,
                to,
                from,
                answer: match answer {
                    Ok(_) => Ok(Attached::Translating),
                    Err(_) => Err(AttachError::Incompatible),
                },
            },
            call => call,
        };
        Self { call, ..self }
    }
}

/// Looks on while the core is still at it.
pub(crate) trait Watch: Send + Sync {
    /// A call has returned.
    fn after(&self, event: &Event);
}

/// See the module.
#[pin_data]
pub(crate) struct Recorder {
    inner: Arc<dyn Driver>,
    #[pin]
    events: Mutex<KVec<Event>>,
    /// Domains that were allocated, while they are kept.
    #[pin]
    kept: Mutex<Option<KVec<Arc<Domain>>>>,
    #[pin]
    watch: Mutex<Option<Arc<dyn Watch>>>,
    #[pin]
    books: Mutex<Books>,
}

/// Devices below 64, as bits.
#[derive(Default)]
struct Books {
    /// Those that were probed and not released.
    probed: u64,
    /// Those that a call is at work on.
    busy: u64,
    /// Calls for a device that was released, or that another call was at work on.
    breaches: u64,
}

impl Recorder {
    /// Wraps a driver.
    pub(crate) fn new(inner: Arc<dyn Driver>) -> impl PinInit<Self> {
        pin_init!(Self {
            inner,
            events <- new_mutex!(KVec::new(), "Recorder::events"),
            kept <- new_mutex!(None, "Recorder::kept"),
            watch <- new_mutex!(None, "Recorder::watch"),
            books <- new_mutex!(Books::default(), "Recorder::books"),
        })
    }

    /// Takes what was written down so far.
    pub(crate) fn take(&self) -> KVec<Event> {
        core::mem::take(&mut *self.events.lock())
    }

    /// Forgets what was written down so far, and returns how much it was.
    pub(crate) fn clear(&self) -> usize {
        let mut events = self.events.lock();
        let count = events.len();
        events.clear();
        count
    }

    /// Keeps the domains that are allocated from now on, and no others. Has room for some, and for
    /// events.
    pub(crate) fn keep(&self) {
        const ROOM: usize = 64;
        // What has no room now may find some when it is needed.
        let kept = KVec::with_capacity(ROOM, GFP_KERNEL);
        *self.kept.lock() = Some(kept.unwrap_or(KVec::new()));
        let _ = self.events.lock().reserve(ROOM, GFP_KERNEL);
    }

    /// The devices below 64 whose probe has succeeded, and that were not released since, as bits.
    pub(crate) fn probed(&self) -> u64 {
        self.books.lock().probed
    }

    /// Calls for a device that was not there, or that another call was at work on: no core may make
    /// them.
    pub(crate) fn breaches(&self) -> u64 {
        self.books.lock().breaches
    }

    /// Does `call`, which is about a device that is there.
    fn during<T>(&self, dev: EndpointId, call: impl FnOnce() -> T) -> T {
        let bit = bit(dev);
        let mut books = self.books.lock();
        let alone = books.probed & !books.busy & bit == bit;
        books.breaches += u64::from(!alone);
        books.busy |= bit;
        drop(books);
        let result = call();
        self.books.lock().busy &= !bit;
        result
    }

    /// Keeps no more, and returns how many of those that were kept somebody still refers to.
    pub(crate) fn referred(&self) -> usize {
        let kept = self.kept.lock().take();
        let referred = |domain: Arc<Domain>| Arc::into_unique_or_drop(domain).is_none();
        let kept = kept.into_iter().flatten();
        kept.map(referred).filter(|referred| *referred).count()
    }

    /// Has somebody look on from now on, or nobody.
    pub(crate) fn watch(&self, watch: Option<Arc<dyn Watch>>) {
        *self.watch.lock() = watch;
    }

    fn note(&self, dev: EndpointId, call: Call) {
        let event = Event {
            endpoint: dev,
            call,
        };
        // A test that runs out of memory here finds an event missing, and fails.
        let _ = self.events.lock().push(event, GFP_KERNEL);
        if let Some(watch) = &*self.watch.lock() {
            watch.after(&event);
        }
    }
}

fn bit(id: EndpointId) -> u64 {
    1u64.checked_shl(id.0).unwrap_or(0)
}

impl Driver for Recorder {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn key(&self) -> DriverKey {
        self.inner.key()
    }

    fn features(&self) -> Features {
        self.inner.features()
    }

    fn probe(&self, id: EndpointId) -> Result<Probed> {
        schedule::call("probe", id.0);
        self.note(id, Call::Probe);
        let probed = self.inner.probe(id)?;
        self.books.lock().probed |= bit(id);
        Ok(probed)
    }

    fn group(&self, dev: &Device) -> Result<GroupKey> {
        self.inner.group(dev)
    }

    fn default_type(&self, dev: &Device) -> Option<DefaultType> {
        self.inner.default_type(dev)
    }

    fn is_attach_deferred(&self, dev: &Device) -> bool {
        self.inner.is_attach_deferred(dev)
    }

    fn regions(&self, dev: &Device) -> Result<KVec<Region>> {
        self.inner.regions(dev)
    }

    fn blocked(&self) -> Option<&Arc<Domain>> {
        self.inner.blocked()
    }

    fn identity(&self) -> Option<&Arc<Domain>> {
        self.inner.identity()
    }

    fn release_domain(&self) -> Option<&Arc<Domain>> {
        self.inner.release_domain()
    }

    fn alloc_paging(&self, dev: &Device, flags: PagingFlags) -> Result<Arc<Domain>> {
        let domain = self.inner.alloc_paging(dev, flags)?;
        if let Some(kept) = &mut *self.kept.lock() {
            kept.push(domain.clone(), GFP_KERNEL)?;
        }
        Ok(domain)
    }

    fn attach(
        &self,
        dev: &Device,
        to: &Arc<Domain>,
        from: Option<&Arc<Domain>>,
    ) -> Result<Attached, AttachError> {
        schedule::call("attach", dev.id().0);
        let result = self.during(dev.id(), || self.inner.attach(dev, to, from));
        let call = Call::Attach {
            pasid: None,
            to: Tag::of(to),
            from: from.map(Tag::of),
            answer: result,
        };
        self.note(dev.id(), call);
        result
    }

    fn set_pasid(
        &self,
        dev: &Device,
        pasid: Pasid,
        to: &Arc<Domain>,
        from: Option<&Arc<Domain>>,
    ) -> Result<(), AttachError> {
        schedule::call("set PASID of", dev.id().0);
        let result = self.during(dev.id(), || self.inner.set_pasid(dev, pasid, to, from));
        let call = Call::Attach {
            pasid: Some(pasid),
            to: Tag::of(to),
            from: from.map(Tag::of),
            answer: result.map(|()| Attached::Translating),
        };
        self.note(dev.id(), call);
        result
    }

    fn release(&self, dev: &Device) {
        schedule::call("release", dev.id().0);
        self.note(dev.id(), Call::Release);
        self.during(dev.id(), || self.inner.release(dev));
        self.books.lock().probed &= !bit(dev.id());
    }
}
